//! A host that may have little memory: what it can do without the library it can do with it.

use cfr_testkit::{Output, Run, Scratch, compile, find_program, launcher, library, skip};
use std::fs;
use std::path::Path;

/// The difference of two limits that are tried, in KiB.
const STEP: u64 = 32;

/// The bytes that libcfr.so takes in a process that copies nothing.
fn library_bytes() -> Option<u64> {
    let readelf = find_program("readelf")?;
    let headers = Run::bare(readelf).args(["-l", "-W"]).args([library()]).ok().stdout;
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    // "LOAD  Offset VirtAddr PhysAddr FileSiz MemSiz Flg Align"
    let ends = headers.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        (words.first() == Some(&"LOAD")).then(|| Some(number(words[2])? + number(words[5])?))
    });
    ends.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Sets variables, "NAME=VALUE NAME=VALUE".
fn with(run: Run, settings: &str) -> Run {
    let settings = settings.split(' ').map(|setting| setting.split_once('=').unwrap());
    settings.fold(run, |run, (name, value)| run.env(name, value))
}

/// A directory in which any user may write.
fn open_directory() -> Scratch {
    let directory = Scratch::new();
    directory.open_to_all();
    directory
}

/// The library as it is shipped has no pages but those of its code and its tables, and little beside.
#[test]
fn a_process_that_copies_nothing_pays_for_little_memory() {
    const MAX: u64 = 128 << 10;
    let Some(size) = find_program("size") else {
        let test = "preload::memory::a_process_that_copies_nothing_pays_for_little_memory";
        return skip(test, "size is not installed");
    };
    let sizes = Run::bare(size).args(["-A"]).args([library()]).ok().stdout;
    let bss = sizes.lines().find_map(|line| line.strip_prefix(".bss"));
    let bss = bss.and_then(|rest| rest.split_whitespace().next()).unwrap();
    assert!(bss.parse::<u64>().unwrap() <= MAX, "{bss}");
}

#[test]
fn a_host_can_lock_its_memory() {
    let program = compile("drivers/locks_memory.c", "locks_memory", &[]);
    let ok = |run: Run, what: &str| {
        let output = run.output();
        assert_eq!((output.status, &*output.stdout), (Some(0), "ok\n"), "{what}: {output:#?}");
        output
    };
    let in_new_directory = |run: Run, log: Option<usize>, what: &str| {
        let directory = open_directory();
        let output = ok(run.within(directory.path()), what);
        let text = match log {
            Some(_) => fs::read_to_string(directory.file("log")).unwrap(),
            None => output.stderr,
        };
        let calls = text.lines().filter(|line| line.contains(" copy_file_range(")).count();
        assert_eq!(calls, log.unwrap_or(calls), "{what}: {text}");
    };
    in_new_directory(Run::bare(&program), None, "bare");
    let ways = [
        ("CFR_LOG=off", None),
        ("CFR_LOG=info", None),
        ("CFR_LOG_FILE=log", Some(6)),
        ("CFR_SUMMARY=yes", None),
        ("CFR_LOG_FILE=log CFR_BACKEND=emulate", Some(6)),
        ("CFR_LOG_FILE=log CFR_INJECT=delay_enter=1", Some(6)),
    ];
    for (settings, log) in ways {
        in_new_directory(with(Run::preloaded(&program), settings), log, settings);
    }
    // The memory for the lines of one log file would be 5 MiB more.
    for options in ["trace", "run --summary", "trace -o log-%e --summary --backend emulate"] {
        let run = Run::bare(launcher()).args(options.split(' ')).args([&program]);
        in_new_directory(run, None, options);
    }
}

/// Runs `cp a b` in a directory that may map so many KiB.
fn copy_within(kib: u64, directory: &Path, prepare: impl FnOnce(Run) -> Run) -> Output {
    let _ = fs::remove_file(directory.join("b"));
    let script = "ulimit -v \"$1\"; exec cp a b";
    prepare(Run::bare("sh")).args(["-c", script, "sh", &kib.to_string()]).within(directory).output()
}

fn has_copied(output: &Output, directory: &Path) -> bool {
    output.status == Some(0)
        && fs::read(directory.join("a")).ok() == fs::read(directory.join("b")).ok()
}

/// Returns the least limit on its address space, in KiB, with which cp(1) copies in this directory.
fn least_limit(directory: &Path, prepare: impl Fn(Run) -> Run) -> Option<u64> {
    const MOST: u64 = 16 << 10;
    let works = |kib: &u64| has_copied(&copy_within(*kib, directory, &prepare), directory);
    (1..MOST / STEP).map(|step| step * STEP).find(works)
}

/// Limits on the address space: cp(1) works with the library wherever it works without and the library
/// has room too. With less, the dynamic linker may have loaded the library when no room is left for what
/// comes after it.
#[test]
fn a_limit_on_the_address_space_costs_no_more_than_the_library() {
    const TEST: &str =
        "preload::memory::a_limit_on_the_address_space_costs_no_more_than_the_library";
    let Some(bytes) = library_bytes() else { return skip(TEST, "readelf is not installed") };
    let directory = Scratch::new();
    fs::write(directory.file("a"), vec![b'x'; 200_000]).unwrap();
    let Some(least) = least_limit(directory.path(), |run| run) else {
        return skip(TEST, "cp does not run below 16 MiB");
    };
    // And what the dynamic linker needs for it, in pages.
    let room = bytes.div_ceil(1024) + STEP;
    let ways = [
        "CFR_LOG=off",
        "CFR_LOG_FILE=log",
        "CFR_SUMMARY=yes",
        "CFR_LOG=off CFR_BACKEND=emulate",
        "CFR_LOG_FILE=log CFR_INJECT=delay_enter=1",
    ];
    for settings in ways {
        let preloaded = |run: Run| with(run.env("LD_PRELOAD", library()), settings);
        for kib in (least..least + room + 512).step_by(STEP as usize) {
            let output = copy_within(kib, directory.path(), preloaded);
            let copied = has_copied(&output, directory.path());
            let may_be = kib < least + room && output.signal.is_none() && output.status != Some(0);
            assert!(copied || may_be, "{settings}: {kib} KiB, bare {least}: {output:#?}");
        }
    }
}

/// The memory that the launcher shares is larger than the library. A process that has no room for it
/// is still counted, or named.
#[test]
fn a_limit_on_the_address_space_costs_no_call_of_the_summary() {
    const TEST: &str = "preload::memory::a_limit_on_the_address_space_costs_no_call_of_the_summary";
    let directory = Scratch::new();
    fs::write(directory.file("a"), vec![b'x'; 200_000]).unwrap();
    let preloaded = |run: Run| run.env("LD_PRELOAD", library()).env("CFR_LOG", "off");
    let Some(least) = least_limit(directory.path(), preloaded) else {
        return skip(TEST, "cp does not run below 16 MiB");
    };
    let mut named = 0;
    for kib in (least..least + 6000).step_by(200) {
        for name in ["b", "log"] {
            let _ = fs::remove_file(directory.file(name));
        }
        let script = format!("ulimit -v {kib}; exec cp a b");
        let run = Run::bare(launcher()).args(["trace", "--reach", "preload", "-o", "log"]);
        let run = run.args(["--summary", "--", "sh", "-c", &script]).within(directory.path());
        let output = run.output();
        assert!(has_copied(&output, directory.path()), "{kib}: {output:#?}");
        let log = fs::read_to_string(directory.file("log")).unwrap();
        let calls = log.lines().count();
        assert!(log.contains("copy_file_range(") && !output.stderr.contains("lost"), "{output:#?}");
        if output.stderr.contains(": 0 calls") {
            let said = output.stderr.contains("cfr: the summary lacks calls: ");
            assert!(said && output.stderr.contains("no room for "), "{kib}: {output:#?}");
            named += 1;
        } else {
            let counted = format!("2 programs: {calls} calls");
            assert!(output.stderr.contains(&counted), "{kib}: {output:#?}");
        }
    }
    assert!((1..=4).contains(&named), "{named}");
}

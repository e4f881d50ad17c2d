//! Expectations: each kind holds and fails on real programs and filesystems, its message says so,
//! and it never holds because a call was not seen.

use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, compile_text, copy_product, find_program, is_root,
    launcher, parse_call, read_json, skip,
};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

/// Passes each as `--expect`.
fn expecting<'a>(expressions: &[&'a str]) -> impl Iterator<Item = &'a str> + use<'a> {
    expressions.iter().flat_map(|one| ["--expect", one]).collect::<Vec<_>>().into_iter()
}

/// Prepares `cfr run` with these expectations and this command, in this directory.
fn run<S: AsRef<OsStr>>(
    place: &Path,
    expressions: &[&str],
    command: impl IntoIterator<Item = S>,
) -> Run {
    let run = Run::bare(launcher()).args(["run"]).args(expecting(expressions)).args(["--"]);
    run.args(command).within(place)
}

fn results(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
    read_json(&text)
}

/// Runs the script and checks that all of `hold` hold and all of `fail` fail.
#[track_caller]
fn assert_judged(place: &Path, options: &[&str], script: &str, hold: &[&str], fail: &[&str]) {
    let scratch = Scratch::new();
    let file = scratch.file("results");
    let expressions: Vec<_> = hold.iter().chain(fail).copied().collect();
    let run = Run::bare(launcher()).args(["run"]).args(options).args(["--results"]).args([&file]);
    let run = run.args(expecting(&expressions)).args(["--", "sh", "-euc", script]);
    let output = run.within(place).output();
    let results = results(&file);
    let shown = |expression: &str| format!("{script}: {expression}\n{output:#?}\n{results:#}");
    let verdicts = results["expectations"].as_array().unwrap();
    assert_eq!(verdicts.len(), expressions.len());
    for (verdict, expression) in verdicts.iter().zip(&expressions) {
        assert_eq!(verdict["expression"], *expression);
        assert_eq!(verdict["held"], hold.contains(expression), "{}", shown(expression));
        // Each failed expectation has one line, and there is no other.
        let line =
            format!("cfr: expected {expression}, but {}\n", verdict["actual"].as_str().unwrap());
        assert_eq!(
            output.stderr.contains(&line),
            fail.contains(expression),
            "{}",
            shown(expression)
        );
    }
    assert_eq!(results["held"], fail.is_empty());
    let status = if fail.is_empty() { 0 } else { 123 };
    assert_eq!((output.status, &results["cfr_status"]), (Some(status), &json!(status)));
    assert_eq!((&results["status"], &results["signal"]), (&json!(0), &Value::Null));
}

/// A Python program with the C library's functions by name.
const PYTHON: &str = "import ctypes, errno, fcntl, os, struct\n\
    c = ctypes.CDLL(None)\n\
    a, b = os.open('a', os.O_RDONLY), os.open('b', os.O_RDWR | os.O_CREAT)\n";

fn python(lines: &str) -> String {
    format!("python3 - << 'END'\n{PYTHON}{lines}END\n")
}

fn has_python(test: &str) -> bool {
    let has_it = find_program("python3").is_some();
    if !has_it {
        skip(test, "python3 is not installed");
    }
    has_it
}

// What can be expected.

/// Every name and every operator, on files of any filesystem.
#[test]
fn every_quantity_and_operator_is_checked_on_any_filesystem() {
    let scratch = Scratch::new();
    let place = scratch.path();
    scratch.random("a", 300_000);
    // Two calls; the second returns 0 at the end of the file.
    let cat = "cat a > b";
    assert_judged(
        place,
        &[],
        cat,
        &["calls=2", "calls>=2", "calls<=2", "calls>1", "calls<3", "calls==2", "calls!=3"],
        &[
            "calls=1", "calls>=3", "calls<=1", "calls>2", "calls<2", "calls==3", "calls!=2",
            "no calls",
        ],
    );
    assert_judged(
        place,
        &[],
        cat,
        &[
            "bytes=300000",
            "bytes>=292K",
            "bytes<1M",
            "bytes<1G",
            "bytes < 1T",
            "no error",
            "no errors",
            "errors=0",
            "programs=2",
            "end_of_file=1",
            "unfinished=0",
            "no unfinished",
            "lines_lost=0",
            "kernel=2",
            "reflink=0",
            "no emulated",
            "copy_file_range=2",
            "no ioctl",
            "EXDEV=0",
            "no EXDEV",
            "method=kernel",
            "method=reflink,kernel",
            "method!=emulated,reflink",
            "hook=copy_file_range",
            "hook = ioctl , copy_file_range",
            "hook!=syscall",
            "error!=EXDEV",
            "differing<1",
            "no differing",
        ],
        &[
            "bytes>300000",
            "bytes>=293K",
            "bytes>1M",
            "no bytes",
            "no byte",
            "errors>0",
            "programs>2",
            "no programs",
            "no end_of_file",
            "unfinished>0",
            "lines_lost>=1",
            "no kernel",
            "reflink>=1",
            "no copy_file_range",
            "ioctl>0",
            "EXDEV>=1",
            "differing>=1",
            "method=reflink",
            "method=none",
            "method!=kernel",
            "method!=reflink,kernel",
            "hook=ioctl",
            "hook!=copy_file_range",
            "error=EXDEV",
        ],
    );
    assert_judged(
        place,
        &["--backend", "emulate"],
        cat,
        &["method=emulated", "emulated=1", "no kernel"],
        &["method!=emulated", "no emulated", "method=kernel"],
    );
    assert_judged(
        place,
        &["--forward", "next"],
        cat,
        &["method=next", "next=2"],
        &["method!=next", "no next"],
    );
    // Without a call, expectations of a call fail.
    assert_judged(
        place,
        &[],
        "true",
        &["no call", "no error", "method!=kernel", "hook!=ioctl", "error!=EXDEV", "bytes=0"],
        &["calls>=1", "method=kernel", "method=none", "hook=ioctl", "error=EXDEV", "bytes>0"],
    );
    // With faults: cat falls back to read(2) and write(2).
    assert_judged(
        place,
        &["--inject", "error=EXDEV"],
        cat,
        &["injected=1", "error=EXDEV", "method=none", "no delayed", "no byte"],
        &["no injected", "delayed>0", "no EXDEV", "no error", "method=kernel"],
    );
    assert_judged(
        place,
        &["--inject", "delay_enter=1ms"],
        cat,
        &["delayed=2", "no injected", "method=kernel"],
        &["no delayed", "injected>=1"],
    );
    // A log that takes no line.
    assert_judged(
        place,
        &["--log", "info", "-o", "/dev/full"],
        cat,
        &["lines_lost=2", "calls=2"],
        &["no lines_lost"],
    );
    // Killed during the call.
    let script = "(ulimit -f 0; exec cat a > c) || true";
    assert_judged(place, &[], script, &["unfinished=1"], &["no unfinished", "no calls"]);
    let run = Run::bare(launcher()).args(["run", "--expect", "unfinished=0", "sh", "-c", script]);
    let said = run.within(place).output().stderr;
    let (_, calls) = said.split_once("cfr: the calls:\n").unwrap_or_else(|| panic!("{said}"));
    assert!(calls.contains(" copy_file_range(") && calls.contains(" = ? (unfinished"), "{said}");
}

#[test]
fn calls_are_counted_by_hook_and_by_error() {
    if !has_python("cli::expect::calls_are_counted_by_hook_and_by_error") {
        return;
    }
    let scratch = Scratch::new();
    let place = scratch.path();
    scratch.random("a", 300_000);
    let script = python(
        "assert c.syscall(os.uname().machine == 'x86_64' and 326 or 285, a, 0, b, 0, 5, 0) == 5\n\
         assert c.sendfile(b, a, 0, 6) == 6\n\
         assert c.sendfile64(b, a, 0, 7) == 7\n",
    );
    assert_judged(
        place,
        &[],
        &script,
        &[
            "syscall=1",
            "sendfile=1",
            "sendfile64=1",
            "bytes=18",
            "hook=syscall,sendfile,sendfile64",
        ],
        &["no syscall", "no sendfile", "no sendfile64", "hook=syscall", "hook!=sendfile64"],
    );
    let fails = "assert c.copy_file_range(99, 0, b, 0, 5, 0) == -1\n";
    assert_judged(
        place,
        &[],
        &python(fails),
        &[
            "error=EBADF",
            "EBADF=1",
            "errors=1",
            "error=EBADF,EXDEV",
            "method!=none",
            "no byte",
            "no EXDEV",
            "no EWOULDBLOCK",
        ],
        &["no error", "no errors", "no EBADF", "error=EXDEV", "error!=EBADF", "method=kernel"],
    );
    let also = "assert c.copy_file_range(a, 0, b, 0, 5, 64) == -1\n";
    assert_judged(
        place,
        &[],
        &python(&format!("{fails}{also}")),
        &["error=EBADF,EINVAL", "errors=2"],
        &["error=EBADF", "error=EINVAL", "error=EXDEV,EINVAL"],
    );
    // A rule refuses the call, so no backend is called.
    let rule = "assert c.copy_file_range(a, 0, b, 0, 1 << 20, 0) == -1\n";
    assert_judged(
        place,
        &["--dialect", "linux-4.15"],
        &python(rule),
        &["method=none", "none=1", "error=EINVAL"],
        &["no none", "method!=none", "method=kernel"],
    );
}

/// What only btrfs and xfs do, and what is checked after each copy.
#[test]
fn sharing_is_counted_on_filesystems_that_reflink() {
    const TEST: &str = "cli::expect::sharing_is_counted_on_filesystems_that_reflink";
    if !has_python(TEST) {
        return;
    }
    let filesystems = Filesystems::mount(TEST);
    let next = compile("shims/overwriting_copy.c", "expect_overwriting.so", &["-shared", "-fPIC"]);
    let next = next.to_str().unwrap();
    let copier = compile("drivers/scripted_calls.c", "expect_copier", &[next]);
    for (_, place) in filesystems.iter().filter(|(name, _)| matches!(*name, "xfs" | "btrfs")) {
        let scratch = Scratch::below(place);
        let place = scratch.path();
        let source = scratch.random("a", 256 << 10);
        scratch.write("same", &fs::read(&source).unwrap());
        scratch.write("other", &vec![7; 256 << 10]);
        assert_judged(
            place,
            &["--shared", "yes"],
            "cp a b",
            &["method=reflink", "reflink=1", "hook=ioctl", "shared=1", "no not_shared", "no error"],
            &["no reflink", "method!=reflink", "hook!=ioctl", "no shared", "not_shared>0"],
        );
        // The kernel's copy also shares blocks; the library's own does not.
        assert_judged(
            place,
            &["--shared", "yes", "--backend", "emulate"],
            "cat a > c",
            &["not_shared=1", "no shared", "no partly_shared"],
            &["no not_shared", "shared>=1", "partly_shared>=1", "method=reflink"],
        );
        let script = format!("exec {} copy a d", copier.display());
        assert_judged(
            place,
            &["--shared", "yes", "--forward", "next"],
            &script,
            &["partly_shared=1"],
            &["no partly_shared"],
        );
        let dedupe = python(
            "request = struct.pack('=QQHHI', 0, 65536, 2, 0, 0)\n\
             for name in ['same', 'other']:\n\
             \x20   request += struct.pack('=qQQiI', os.open(name, os.O_RDWR), 0, 0, 0, 0)\n\
             fcntl.ioctl(a, 0xc0189436, bytearray(request))\n",
        );
        assert_judged(
            place,
            &[],
            &dedupe,
            &["method=dedupe", "differing=1", "calls=1", "dedupe>=1"],
            &["no dedupe", "no differing", "method!=dedupe", "method=reflink"],
        );
    }
    // What is not counted cannot be expected: the expectation would always hold.
    let scratch = Scratch::new();
    for expression in ["no not_shared", "shared>=1", "partly_shared=0"] {
        let output = run(scratch.path(), &[expression], ["touch", "ran"]).output();
        assert_eq!(output.status, Some(125));
        let said = format!("cfr: --expect '{expression}': needs --shared yes\n");
        assert_eq!((output.stderr, scratch.file("ran").exists()), (said, false));
    }
}

/// The example of the manual page: a copy that follows does not count as one either.
#[test]
fn a_refused_ficlone_does_not_count_as_a_reflink() {
    let filesystems =
        Filesystems::mount("cli::expect::a_refused_ficlone_does_not_count_as_a_reflink");
    for (name, place) in filesystems.iter() {
        let scratch = Scratch::below(place);
        scratch.random("a", 300_000);
        let output = run(scratch.path(), &["method=reflink"], ["cp", "a", "b"]).output();
        if matches!(name, "xfs" | "btrfs") {
            assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{name}");
            continue;
        }
        assert_eq!(output.status, Some(123), "{name}: {output:#?}");
        let said = "cfr: expected method=reflink, but 300000 bytes (292.96 KiB) moved by kernel, none by reflink\n\
            cfr: 1 of 1 expectations did not hold; cp exited with status 0\n\
            cfr: the calls:\n";
        assert!(output.stderr.starts_with(said), "{name}: {}", output.stderr);
        let calls = output.calls();
        assert!(calls[0].contains("FICLONE") && calls[0].contains(" = -1 E"), "{calls:?}");
        assert!(calls.iter().any(|call| call.ends_with(" = 300000 (kernel)")), "{calls:?}");
        assert_eq!(output.stderr.lines().count(), 3 + calls.len(), "{}", output.stderr);
    }
}

#[test]
fn the_results_do_not_replace_the_log_or_the_summary() {
    let scratch = Scratch::new();
    scratch.write("old", b"old\n");
    symlink("old", scratch.file("link")).unwrap();
    let cfr = |words: &[&str]| {
        let run = Run::bare(launcher()).args(["run"]).args(words).args(["sh", "-c", "echo ran"]);
        run.within(scratch.path())
    };
    let refused = |run: Run, options: &str| {
        let output = run.output();
        assert_eq!((output.status, &*output.stdout), (Some(125), ""), "{output:#?}");
        let said = format!("cfr: {options}: expected two files\n");
        assert_eq!(output.stderr, said);
        assert_eq!(fs::read_to_string(scratch.file("old")).unwrap(), "old\n");
        assert!(!scratch.file("new").exists());
    };
    for (log, results) in [("new", "./new"), ("old", "old"), ("link", "old"), ("old", "link")] {
        let options = format!("--output and --results name the same file, {results}");
        refused(cfr(&["-o", log, "--results", results]), &options);
    }
    let summary = "--summary and --results name the same file, new";
    refused(cfr(&["--summary=new", "--results", "new"]), summary);
    let variable = "CFR_LOG_FILE and --results name the same file, new";
    refused(cfr(&["--results", "new"]).env("CFR_LOG_FILE", "new"), variable);
    for (log, results) in [("new", "other"), ("/dev/null", "/dev/null"), ("%p", "0")] {
        let output = cfr(&["-o", log, "--results", results]).ok();
        assert_eq!((&*output.stdout, &*output.stderr), ("ran\n", ""));
    }
}

// Exit statuses.

#[test]
fn the_status_is_the_programs_or_123_if_an_expectation_fails() {
    let scratch = Scratch::new();
    let ended = |expression: &str, script: &str| {
        let output = run(scratch.path(), &[expression], ["sh", "-c", script]).output();
        (output.status, output.signal, output.stderr)
    };
    let (holds, fails) = ("no call", "calls>=1");
    assert_eq!(ended(holds, "exit 7"), (Some(7), None, String::new()));
    assert_eq!(ended(holds, "kill -9 $$"), (Some(137), None, String::new()));
    assert_eq!(ended(holds, "kill -TERM $$"), (Some(143), None, String::new()));
    let said = "cfr: all expectations hold; exit status 123 is that of sh\n";
    assert_eq!(ended(holds, "exit 123"), (Some(123), None, said.to_owned()));
    for (script, how) in [
        ("exit 0", "exited with status 0"),
        ("exit 7", "exited with status 7"),
        ("exit 123", "exited with status 123"),
        ("kill -9 $$", "was killed by signal 9 (SIGKILL)"),
        ("kill -SEGV $$", "was killed by signal 11 (SIGSEGV)"),
        ("kill -40 $$", "was killed by signal 40"),
    ] {
        let (status, signal, said) = ended(fails, script);
        assert_eq!((status, signal), (Some(123), None), "{script}: {said}");
        let second = said.lines().nth(1).unwrap();
        let expected = format!("cfr: 1 of 1 expectations did not hold; sh {how}");
        assert_eq!(second, expected, "{script}");
    }
    // Ctrl-C is passed on as without expectations, and is reported.
    for expression in [holds, fails] {
        let (status, signal, said) = ended(expression, "kill -INT $$");
        assert_eq!((status, signal), (None, Some(2)), "{said}");
        assert_eq!(said.contains("did not hold"), expression == fails, "{said}");
    }
    // One failed expectation is enough; all that fail are reported.
    let all = ["no call", "calls>=1", "no error", "bytes>0"];
    let output = run(scratch.path(), &all, ["true"]).output();
    assert_eq!(output.status, Some(123));
    let said: Vec<_> = output.stderr.lines().collect();
    assert_eq!(said[0], "cfr: expected calls>=1, but no call was answered");
    assert_eq!(said[1], "cfr: expected bytes>0, but no byte moved");
    assert_eq!(said[2], "cfr: 2 of 4 expectations did not hold; true exited with status 0");
    assert!(said[3].starts_with("cfr: no copy was "), "{said:?}");
    assert_eq!(said.len(), 4);
}

/// A killed process has reported all calls that it had made.
#[test]
fn a_killed_process_has_counted_its_calls() {
    let program = compile("drivers/counted_calls.c", "counted_calls", &[]);
    let scratch = Scratch::new();
    for way in ["SIGKILL", "abort", "crash", "_exit", "exec"] {
        let output = run(
            scratch.path(),
            &["calls=3", "bytes=30", "method=kernel", "no error", "no unfinished"],
            [program.as_os_str(), OsStr::new("ends"), OsStr::new(way)],
        );
        let output = output.output();
        assert_ne!(output.status, Some(123), "{way}: {output:#?}");
        let words = [program.as_os_str(), OsStr::new("ends"), OsStr::new(way)];
        let output = run(scratch.path(), &["calls>3"], words).output();
        assert_eq!((output.status, output.calls().len()), (Some(123), 3), "{way}: {output:#?}");
    }
}

/// Before the program is started.
#[test]
fn an_invalid_expectation_is_refused_with_its_position_and_the_legal_words() {
    let scratch = Scratch::new();
    for (expression, said) in [
        ("cals>=1", "column 1: invalid name 'cals': expected calls, bytes, errors, "),
        ("calls=>1", "column 6: invalid comparison '=>': expected >=, <=, >, <, =, == or !="),
        ("calls>=many", "column 8: invalid number 'many': expected 0, 1, 2, ..."),
        (
            "bytes>=1X",
            "column 8: invalid number '1X': expected 0, 1, 2, ..., or one with K, M, G or T",
        ),
        (
            "method=fast",
            "column 8: invalid method 'fast': expected kernel, next, reflink, dedupe, ",
        ),
        (
            "hook=ioctl,gate",
            "column 12: invalid hook 'gate': expected copy_file_range, syscall, ioctl, ",
        ),
        ("error=EFOO", "column 7: invalid error 'EFOO': expected a name of errno(3) such as EXDEV"),
        ("no exdev", "column 4: invalid name 'exdev': expected "),
        ("calls>=1 calls<3", "column 10: unexpected 'calls<3' after the expectation"),
        ("", "column 1: missing name: expected "),
        ("\u{1b}[2J", "column 1: invalid name '\\u{1b}[2J': "),
    ] {
        for command in ["run", "trace"] {
            let run = Run::bare(launcher()).args([command, "--expect", "no error", "--expect"]);
            let output = run.args([expression, "touch", "ran"]).within(scratch.path()).output();
            assert_eq!(output.status, Some(125), "{expression:?} {output:#?}");
            let lines: Vec<_> = output.stderr.lines().collect();
            assert!(lines[0].starts_with("cfr: --expect '"), "{lines:?}");
            assert!(lines[0].contains(&format!("': {said}")), "{expression:?}: {lines:?}");
            assert_eq!(lines.len(), 1);
            assert!(!scratch.file("ran").exists());
        }
    }
}

// Which processes are checked.

#[test]
fn the_calls_of_all_processes_are_counted() {
    let scratch = Scratch::new();
    let place = scratch.path();
    scratch.random("a", 1000);
    scratch.random("c", 2000);
    let output = run(place, &["bytes=3000", "programs=3"], ["sh", "-c", "cp a b; cp c d"]).output();
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""));
    let output = run(place, &["bytes=1000"], ["sh", "-c", "cp a b & cp c d & wait"]).output();
    assert_eq!(output.status, Some(123), "{output:#?}");
    let targets = |output: &Output| {
        let mut names = Vec::new();
        for call in output.calls().iter().filter(|call| call.contains("000 (kernel)")) {
            names.extend(["/b>", "/d>"].into_iter().filter(|name| call.contains(name)));
        }
        names.sort_unstable();
        names
    };
    assert_eq!(targets(&output), ["/b>", "/d>"], "{output:#?}");
    if find_program("make").is_none() {
        return skip(
            "cli::expect::the_calls_of_all_processes_are_counted",
            "make is not installed",
        );
    }
    let makefile = "all: e f g\ne f g:\n\tcp a $@\n";
    scratch.write("Makefile", makefile.as_bytes());
    let make = ["make", "--silent", "-j4"];
    let output = run(place, &["bytes=3000", "programs>=4", "calls>=6"], make).output();
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
    let output = run(place, &["calls>=1"], make).output();
    assert_eq!(output.status, Some(123), "there is nothing to do: {output:#?}");
}

/// No expectation holds for a program that could not be observed.
#[test]
fn an_expectation_fails_if_a_program_could_not_be_observed() {
    const ALL: [&str; 7] = [
        "no error",
        "no call",
        "calls>=0",
        "calls>=1",
        "method!=emulated",
        "bytes=0",
        "error!=EXDEV",
    ];
    let scratch = Scratch::new();
    let place = scratch.path();
    scratch.random("a", 1000);
    let file = scratch.file("results");
    let none_holds = |run: Run, why: &str| {
        let output = run.within(place).output();
        assert_eq!(output.status, Some(123), "{output:#?}");
        for expression in ALL {
            let said = format!("cfr: expected {expression}, but libcfr.so was not loaded: ");
            let line = output.stderr.lines().find(|line| line.starts_with(&said));
            assert!(line.is_some_and(|line| line.contains(why)), "{said}: {output:#?}");
        }
        let results = results(&file);
        assert_eq!((&results["held"], &results["programs"]), (&json!(false), &json!(0)));
        assert!(results["unseen"].as_str().unwrap().contains(why), "{results:#}");
        let verdicts = results["expectations"].as_array().unwrap();
        assert!(verdicts.iter().all(|verdict| verdict["held"] == false));
    };
    let cfr = || {
        let run = Run::bare(launcher()).args(["run", "--reach=preload", "--results"]).args([&file]);
        run.args(expecting(&ALL)).args(["--"])
    };
    let program = compile("drivers/counted_calls.c", "counted-static", &["-static"]);
    none_holds(cfr().args([&program]).args(["ends", "return"]), "statically linked");
    // Its children are observed: that is enough for a lower bound and for nothing else.
    let text = "#include <stdlib.h>\nint main(void) { return system(\"cp a b\"); }\n";
    let starter = compile_text(text, "expect-static-starter", &["-static"]);
    let some = ["calls>=1", "bytes>0", "no emulated", "bytes<2M", "calls>=99"];
    let run = |expressions: &[&str], program: &Path| {
        let run = Run::bare(launcher()).args(["run", "--reach=preload"]);
        run.args(expecting(expressions)).args(["--"]).args([program]).within(place).output()
    };
    let output = run(&some, &starter);
    assert_eq!(output.status, Some(123), "{output:#?}");
    let failed: Vec<_> =
        output.stderr.lines().filter(|line| line.contains(": expected ")).collect();
    assert_eq!(failed.len(), 3, "{output:#?}");
    for (line, start) in failed.iter().zip([
        "cfr: expected no emulated, but no call was answered by emulated; but some calls could not be seen: ",
        "cfr: expected bytes<2M, but 1000 bytes moved; but some calls could not be seen: ",
        "cfr: expected calls>=99, but ",
    ]) {
        assert!(line.starts_with(start) && line.contains("nothing can be preloaded into it, "), "{line}");
    }
    assert!(!output.calls().is_empty(), "what was seen is shown: {output:#?}");
    assert_eq!(run(&some[..2], &starter).status, Some(0));
    // A Go program is loaded, but makes system calls without the C library.
    let text = "__asm__(\".section .gopclntab,\\\"a\\\",@progbits\\n.byte 1\\n.text\");\n\
        int main(void) { return 0; }\n";
    let go = compile_text(text, "expect-go", &[]);
    let output = run(&["no error", "calls>=0"], &go);
    assert_eq!(output.status, Some(123), "{output:#?}");
    let said = "cfr: expected no error, but no call failed; but some calls could not be seen: ";
    assert!(output.stderr.contains(said) && output.stderr.contains("Go program"), "{output:#?}");
    assert!(!output.stderr.contains("expected calls>=0"), "{output:#?}");
}

/// They may not open the launcher's counters: the supervisor passes them on.
#[test]
fn a_process_of_another_user_is_counted_with_a_supervisor_only() {
    let (Some(setpriv), true) = (find_program("setpriv"), is_root()) else {
        return skip(
            "cli::expect::a_process_of_another_user_is_counted_with_a_supervisor_only",
            "needs setpriv and root",
        );
    };
    let scratch = Scratch::new();
    scratch.open_to_all();
    scratch.random("a", 1000);
    let options = ["--reuid=64999", "--regid=64999", "--clear-groups", "cp", "a", "b"];
    let product = copy_product(&scratch.file("product"));
    let run = |reach: &str| {
        Run::bare(&product)
            .args(["run", reach, "--expect", "calls>=1", "--expect", "bytes=1000", "--"])
            .args([setpriv.to_str().unwrap()].into_iter().chain(options))
            .within(scratch.path())
            .output()
    };
    let output = run("--reach=all");
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
    fs::remove_file(scratch.file("b")).unwrap();
    let output = run("--reach=preload");
    assert_eq!(output.status, Some(123), "{output:#?}");
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!(lines[0], "cfr: expected calls>=1, but no call was answered");
    assert!(lines[3].starts_with("cfr: no copy was seen: "), "{lines:?}");
    assert_eq!(lines.len(), 4);
    assert_eq!(fs::read(scratch.file("b")).unwrap().len(), 1000);
}

/// In every mode of the inner one.
#[test]
fn the_outer_of_two_launchers_counts_and_shows_all_calls() {
    let scratch = Scratch::new();
    let place = scratch.path();
    scratch.random("a", 1000);
    for inner in [
        &["run"][..],
        &["run", "-c"],
        &["run", "--expect", "bytes=1000"],
        &["run", "--results", "w"],
        &["trace"],
        &["trace", "-c"],
        &["trace", "-o", "log"],
    ] {
        let words = || {
            let script = "\"$CFR\" \"$@\" cp a b; cp a c";
            ["sh", "-euc", script, "sh"].into_iter().chain(inner.iter().copied())
        };
        let run = |expression| run(place, &[expression], words()).env("CFR", launcher());
        let held = run("bytes=2000").output();
        assert_eq!(held.status, Some(0), "{inner:?} {held:#?}");
        assert!(!held.stderr.contains("expected"), "{inner:?} {held:#?}");
        let failed = run("bytes=1").output();
        assert_eq!(failed.status, Some(123), "{inner:?} {failed:#?}");
        let (_, shown) = failed.stderr.split_once("cfr: the calls:\n").unwrap();
        for name in ["/b>", "/c>"] {
            let is_it = |line: &&str| line.contains(name) && line.contains(" = 1000 (kernel)");
            assert_eq!(shown.lines().filter(is_it).count(), 1, "{inner:?} {name} {failed:#?}");
        }
    }
    // The inner one fails because of its own expectation, and the outer one passes its status on.
    let script = "\"$CFR\" run --expect 'no call' cp a b";
    let output = run(place, &["bytes=1000"], ["sh", "-c", script]).env("CFR", launcher()).output();
    assert_eq!(output.status, Some(123));
    assert!(output.stderr.contains("cfr: expected no call, but "), "{output:#?}");
    assert!(output.stderr.ends_with("cfr: all expectations hold; exit status 123 is that of sh\n"));
}

// Messages.

#[test]
fn a_failed_expectation_shows_at_most_the_last_40_calls() {
    let program = compile("drivers/counted_calls.c", "counted_calls", &[]);
    let scratch = Scratch::new();
    for (processes, threads, each) in [(1, 1, 40), (1, 1, 41), (1, 1, 1000), (8, 8, 50)] {
        let calls = processes * threads * each;
        let words = ["many".to_owned(), processes.to_string(), threads.to_string(), "3".to_owned()];
        let words = words.into_iter().chain([each.to_string()]).map(Into::into);
        let command = [program.clone().into_os_string()].into_iter().chain(words);
        let output = run(scratch.path(), &["no call"], command).output();
        assert_eq!(output.status, Some(123));
        let said = format!("cfr: expected no call, but {calls} calls were answered\n");
        assert!(output.stderr.starts_with(&said), "{output:#?}");
        let lines: Vec<_> = output.stderr.lines().skip(3).collect();
        assert_eq!(lines.len(), calls.min(40), "{output:#?}");
        for line in &lines {
            let shown = line.strip_prefix("cfr: ").and_then(parse_call);
            assert!(shown.is_some_and(|call| call.ends_with(" = 10 (kernel)")), "{line}");
        }
        let heading = match calls {
            40 => "cfr: the calls:".to_owned(),
            _ => format!("cfr: the last 40 of {calls} calls:"),
        };
        assert_eq!(output.stderr.lines().nth(2).unwrap(), heading);
        // In the order of the calls.
        let times = lines.iter().map(|line| line.split(' ').nth(2).unwrap());
        assert!(threads > 1 || times.is_sorted(), "{output:#?}");
    }
}

/// As in the log with the same settings.
#[test]
fn the_shown_calls_follow_the_log_settings() {
    let scratch = Scratch::new();
    let place = scratch.path();
    let name = format!("{}\u{1b}[2J\u{202e}", "n".repeat(200));
    scratch.random(&name, 1000);
    let shown = |options: &[&str]| {
        let run =
            Run::bare(launcher()).args(["run"]).args(options).args(["--expect", "no call", "cat"]);
        let output = run.args([&name]).within(place).stdout(scratch.file("b")).output();
        assert_eq!(output.status, Some(123), "{output:#?}");
        let is_harmful = |character: char| character.is_control() || character == '\u{202e}';
        assert!(output.stderr.lines().all(|line| !line.contains(is_harmful)), "{output:#?}");
        output
    };
    let by_default = shown(&[]).calls();
    assert_eq!(by_default.len(), 2, "{by_default:?}");
    assert!(by_default[0].contains(&"n".repeat(200)), "{by_default:?}");
    let without = shown(&["--paths", "no"]).calls();
    assert!(without[0].starts_with("copy_file_range(3, NULL, 1, NULL, "), "{without:?}");
    // They are text even if the log is JSON, and an error has its rule as in the log.
    let json = shown(&["--format", "json"]).calls();
    assert_eq!(json.len(), 2, "{json:?}");
    let faulty = shown(&["--inject", "error=EIO"]).calls();
    assert!(faulty[0].ends_with(" = -1 EIO (Input/output error) (none, INJECTED)"), "{faulty:?}");
    let refused = shown(&["--dialect", "linux-4.15"]).calls();
    assert!(
        refused[0].contains(" = -1 EINVAL (Invalid argument) (none, rule past-end)"),
        "{refused:?}"
    );
    // They are already in the user's own log.
    let above = shown(&["--log", "info"]);
    assert_eq!(above.calls().len(), 2);
    assert!(above.stderr.ends_with("cfr: the calls are logged above\n"), "{above:#?}");
    let log = scratch.file("log");
    let elsewhere = shown(&["--log", "info", "-o", "log"]);
    let said = format!("cfr: the calls are logged in {}\n", log.display());
    assert!(elsewhere.calls().is_empty() && elsewhere.stderr.ends_with(&said), "{elsewhere:#?}");
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2);
    // A log of errors only has no call.
    let quiet = shown(&["-o", "quiet"]);
    assert_eq!((quiet.calls().len(), scratch.file("quiet").metadata().unwrap().len()), (2, 0));
    // As in a trace.
    let run = Run::bare(launcher()).args(["trace", "--expect", "no call", "cat"]).args([&name]);
    let trace = run.within(place).stdout(scratch.file("b")).output();
    assert_eq!((trace.status, trace.calls().len()), (Some(123), 2));
    assert!(trace.stderr.ends_with("cfr: the calls are logged above\n"), "{trace:#?}");
}

/// Expectations change none of the program's settings.
#[test]
fn the_program_finds_the_same_settings_as_without_expectations() {
    let scratch = Scratch::new();
    let settings = |options: &[&str]| {
        let run = Run::bare(launcher()).args(["run"]).args(options).args(["env"]);
        let output = run.within(scratch.path()).ok();
        let lines = output.stdout.lines().filter(|line| line.starts_with("CFR_"));
        // Only with a supervisor, and another number for each run.
        let lines = lines.filter(|line| !line.starts_with("CFR_COOKIE="));
        let mut names: Vec<_> =
            lines.map(|line| line.split('/').next().unwrap().to_owned()).collect();
        names.sort();
        (names, output.stderr)
    };
    let plain = settings(&[]);
    assert_eq!(
        plain,
        (
            ["CFR_LOG=error", "CFR_STATS=", "CFR_STRICT=yes"].map(str::to_owned).to_vec(),
            String::new()
        )
    );
    assert_eq!(settings(&["--expect", "no call", "--results", "w"]), plain);
    let mut alone = settings(&["--reach=preload"]);
    assert_eq!(alone.0.len(), 2);
    alone.0.insert(1, "CFR_STATS=".to_owned());
    assert_eq!(alone, plain);
}

/// Every process of the program can write to them.
#[test]
fn garbage_in_the_counters_does_not_break_the_launcher() {
    let program = compile("drivers/counted_calls.c", "counted_calls", &[]);
    let scratch = Scratch::new();
    let file = scratch.file("results");
    for seed in 1..=40u64 {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string();
        let run = Run::bare(launcher()).args(["run", "--results"]).args([&file]);
        let run = run.args(expecting(&["no call", "method=kernel", "error=EXDEV", "hook=ioctl"]));
        let output = run.args([&program]).args(["garbage", &seed]).within(scratch.path()).output();
        assert!(matches!(output.status, Some(0 | 123)), "{seed}: {output:#?}");
        for line in output.stderr.lines() {
            assert!(line.starts_with("cfr: ") && !line.contains(char::is_control), "{line:?}");
        }
        results(&file);
    }
}

// The results file.

#[test]
fn the_results_file_holds_the_counts_and_each_verdict() {
    let scratch = Scratch::new();
    let place = scratch.path();
    scratch.random("a", 1000);
    let file = scratch.file("w");
    let cfr = |words: &[&str]| {
        let run = Run::bare(launcher()).args(["run", "--results", "w"]).args(words);
        run.within(place).output()
    };
    // Without expectations it holds what was counted.
    let output = cfr(&["cat", "a"]);
    assert_eq!(output.status, Some(0));
    let output = cfr(&["sh", "-c", "cat a > b; exit 4"]);
    assert_eq!((output.status, output.stderr.as_str()), (Some(4), ""));
    let seen = results(&file);
    let keys = |value: &Value| {
        let object = value.as_object().unwrap();
        object.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
    };
    let mut shown: Vec<_> = keys(&seen).into_iter().filter(|(key, _)| key != "summary").collect();
    shown.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = json!({
        "bytes": 1000, "calls": 2, "cfr_status": 4, "command": ["sh", "-c", "cat a > b; exit 4"],
        "expectations": [], "failure": null, "faults": [], "held": true, "programs": 2, "signal": null,
        "status": 4, "unseen": null,
    });
    let mut expected = keys(&expected);
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(shown, expected);
    // The summary is the one that -c writes.
    let summary = &seen["summary"];
    assert_eq!((&summary["program"], &summary["bytes"]), (&json!("sh"), &json!(1000)));
    assert_eq!(summary["methods"]["kernel"]["calls"], 2);
    let output = cfr(&["--summary=sum", "--format", "json", "cat", "a"]);
    assert_eq!(output.status, Some(0));
    let written = read_json(&fs::read_to_string(scratch.file("sum")).unwrap());
    assert_eq!(results(&file)["summary"], written["summary"]);
    // A failed expectation, with the actual value.
    let output = cfr(&[
        "--expect",
        "calls>=9",
        "--expect",
        "method=reflink",
        "sh",
        "-c",
        "cat a > b; kill -9 $$",
    ]);
    assert_eq!(output.status, Some(123));
    let seen = results(&file);
    assert_eq!((&seen["held"], &seen["cfr_status"]), (&json!(false), &json!(123)));
    assert_eq!((&seen["status"], &seen["signal"]), (&Value::Null, &json!(9)));
    assert_eq!(
        seen["expectations"],
        json!([
            { "expression": "calls>=9", "held": false, "actual": "2 calls were answered", "number": 2 },
            { "expression": "method=reflink", "held": false,
              "actual": "1000 bytes moved by kernel, none by reflink", "number": null },
        ])
    );
    // Ctrl-C.
    let output = cfr(&["--expect", "calls>=9", "sh", "-c", "kill -INT $$"]);
    assert_eq!(output.signal, Some(2));
    assert_eq!(
        (&results(&file)["cfr_status"], &results(&file)["signal"]),
        (&json!(130), &json!(2))
    );
    let left: Vec<_> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with('.')), "{left:?}");
}

/// The file of an earlier run is replaced.
#[test]
fn the_results_file_says_that_the_program_did_not_run() {
    let scratch = Scratch::new();
    let file = scratch.write("w", b"earlier");
    scratch.write("text", b"\0");
    let script = scratch.write("script", b"#!/no/such\n");
    Run::bare("chmod").args(["755"]).args([&script]).ok();
    for (words, status, why) in [
        (&["/no/such"][..], 127, "/no/such: no such program"),
        (&["./text"], 126, "./text: not executable (chmod +x)"),
        (&["./script"], 127, "./script: its interpreter or dynamic linker was not found"),
        (&["--log", "loud", "true"], 125, "invalid value 'loud' for --log: "),
        (&["--summary=/no/such/file", "true"], 125, "cannot write the summary to "),
        (&["--summary=/dev/full", "true"], 125, "cannot write the summary to /dev/full: "),
    ] {
        let run = Run::bare(launcher()).args(["run", "--results", "w", "--expect", "no error"]);
        let output = run.args(words).within(scratch.path()).output();
        assert_eq!(output.status, Some(status), "{output:#?}");
        let seen = results(&file);
        let failure = seen["failure"].as_str().unwrap();
        assert!(failure.starts_with(why), "{failure}");
        assert!(output.stderr.contains(&format!("cfr: {}", failure.lines().next().unwrap())));
        let has_run = words[0] == "--summary=/dev/full";
        assert_eq!((&seen["cfr_status"], &seen["held"]), (&json!(status), &json!(has_run)));
        if !has_run {
            assert_eq!(seen["expectations"][0]["actual"], "the program was not run");
            assert_eq!((&seen["summary"], &seen["status"]), (&Value::Null, &Value::Null));
        }
    }
    // While a program runs there is no file.
    let script = "test ! -e w && sleep 0";
    let run = Run::bare(launcher()).args(["run", "--results", "w", "sh", "-c", script]);
    run.within(scratch.path()).ok();
    assert!(file.exists());
}

#[test]
fn a_results_file_that_cannot_be_written_is_125() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.file("directory")).unwrap();
    Run::bare("mkfifo").args(["fifo"]).within(scratch.path()).ok();
    let tried = |file: &str, words: &[&str]| {
        let run = Run::bare(launcher()).args(["run", "--results", file]).args(words);
        run.within(scratch.path()).output()
    };
    for (file, why) in [
        ("missing/w", "No such file or directory (ENOENT)"),
        ("directory", "Is a directory (EISDIR)"),
        ("directory/.", "Is a directory (EISDIR)"),
        ("directory/w/x", "No such file or directory (ENOENT)"),
        ("/proc/w", "(ENOENT)"),
        ("", "No such file or directory (ENOENT)"),
    ] {
        let output = tried(file, &["touch", "ran"]);
        assert_eq!(output.status, Some(125), "{file}: {output:#?}");
        assert!(output.stderr.starts_with("cfr: "), "{file}: {output:#?}");
        assert!(
            output.stderr.ends_with(&format!("{why}\n")) || file.is_empty(),
            "{file}: {output:#?}"
        );
        assert!(!scratch.file("ran").exists(), "{file}: nothing has run");
    }
    // It could be written before the program ran, and cannot be afterwards.
    let output = tried("directory/w", &["rm", "-r", "directory"]);
    assert_eq!(output.status, Some(125), "{output:#?}");
    assert!(output.stderr.starts_with("cfr: cannot write the results to directory/w: "));
    let output = tried("/dev/full", &["true"]);
    let said = "cfr: cannot write the results to /dev/full: No space left on device (ENOSPC)\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(125), said));
    // A FIFO without a reader is an error at once, without waiting.
    let output = tried("fifo", &["true"]);
    assert_eq!(output.status, Some(125), "{output:#?}");
    assert!(output.stderr.ends_with("No such device or address (ENXIO)\n"), "{output:#?}");
    let pipe = tried("/dev/stdout", &["true"]);
    assert_eq!(pipe.status, Some(0));
    assert_eq!(read_json(&pipe.stdout)["held"], true);
}

/// Permissions are kept, and the target of a link is written.
#[test]
fn an_existing_results_file_keeps_its_permissions_and_its_link() {
    let scratch = Scratch::new();
    let file = scratch.write("file", b"earlier");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file", scratch.file("link")).unwrap();
    let run = Run::bare(launcher()).args(["run", "--results", "link", "true"]);
    run.within(scratch.path()).ok();
    assert_eq!(results(&file)["held"], true);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(scratch.file("link").is_symlink());
}

/// Two runs at once write to the same file: it is one run's, and whole.
#[test]
fn of_two_runs_at_once_one_leaves_a_whole_results_file() {
    let scratch = Scratch::new();
    let place: PathBuf = scratch.path().to_owned();
    scratch.random("a", 1000);
    let runs: Vec<_> = (0..8)
        .map(|number| {
            let place = place.clone();
            thread::spawn(move || {
                let target = format!("b{number}");
                let run = Run::bare(launcher()).args(["run", "--results", "same", "--expect"]);
                let run = run.args(["bytes=1000", "cp", "a", &target]).within(&place);
                (target, run.output())
            })
        })
        .collect();
    let mut targets = Vec::new();
    for run in runs {
        let (target, output) = run.join().unwrap();
        assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""));
        targets.push(target);
    }
    let seen = results(&scratch.file("same"));
    assert!(targets.iter().any(|target| seen["command"][2] == **target), "{seen:#}");
    assert_eq!((&seen["held"], &seen["bytes"]), (&json!(true), &json!(1000)));
    assert_eq!(fs::read_dir(&place).unwrap().count(), 1 + 8 + 1, "nothing else is left");
}

/// `/dev/stdout` leads to the file that the output is redirected to: it is written, not replaced.
#[test]
fn results_on_redirected_standard_output_keep_what_the_program_wrote() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let line = "echo before > out; \
                \"$0\" run --results /dev/stdout -- sh -c 'echo program; cp a b' >> out";
    Run::bare("sh").args(["-ec", line]).args([launcher()]).within(scratch.path()).ok();
    let out = fs::read_to_string(scratch.file("out")).unwrap();
    let json = out.strip_prefix("before\nprogram\n").unwrap_or_else(|| panic!("{out}"));
    assert!(read_json(json)["held"].is_boolean(), "{json}");
}

/// A pipe holds 64 KiB: the rest is written when the reader has read.
#[test]
fn long_results_wait_for_a_slow_reader() {
    let line = "word=$(head -c 100000 /dev/zero | tr '\\0' x); \
                \"$0\" run --results /dev/stdout -- true \"$word\" | (sleep 1; wc -c)";
    let output = Run::bare("sh").args(["-c", line]).args([launcher()]).output();
    let bytes: usize = output.stdout.trim().parse().unwrap();
    assert!(bytes > 100_000, "{output:#?}");
}

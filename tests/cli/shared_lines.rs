//! Lines that the library passes on through memory and the launcher writes: all are there, whole and
//! once, whatever becomes of their writers, and of the launcher.

use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, find_program, is_root, launcher, read_json, skip,
    until,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The lines of the calls of c-tests/drivers/many_lines.c.
struct Lines {
    /// The numbers of the calls of each worker.
    calls: BTreeMap<u64, BTreeSet<u64>>,
    /// The lines of calls that have not returned.
    unfinished: usize,
    lost: u64,
}

/// Reads a text log without paths. Panics for a line that is not whole, and for one that is there twice.
#[track_caller]
fn lines(log: &Path) -> Lines {
    let text = fs::read_to_string(log).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{:?}", text.lines().last());
    let mut lines = Lines { calls: BTreeMap::new(), unfinished: 0, lost: 0 };
    for line in text.lines() {
        if let Some(message) = line.strip_suffix(" lines lost") {
            lines.lost += message.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
            continue;
        }
        let (origin, call) =
            line.split_once(" copy_file_range(").unwrap_or_else(|| panic!("{line}"));
        let origin: Vec<f64> = origin.split(' ').map(|word| word.parse().unwrap()).collect();
        assert_eq!(origin.len(), 2, "{line}");
        if call.ends_with(" = ? (unfinished)") {
            lines.unfinished += 1;
            continue;
        }
        let number = call.split(['[', ']']).nth(1).and_then(|number| number.parse::<u64>().ok());
        let number = number.unwrap_or_else(|| panic!("{line}"));
        let rest = call.split_once("], ").unwrap().1;
        let duration = rest.strip_prefix("4, [0], 1, 0) = 0 (kernel) <").expect(line);
        assert!(duration.strip_suffix('>').is_some_and(|it| it.parse::<f64>().is_ok()), "{line}");
        let is_new = lines.calls.entry(number >> 32).or_default().insert(number & 0xffff_ffff);
        assert!(is_new, "twice: {line}");
    }
    lines
}

/// Checks that the log has a line for each call that the program says it has finished.
#[track_caller]
fn must_have_all(lines: &Lines, printed: &str) {
    for worker in printed.lines() {
        let (worker, finished) = worker.split_once(' ').unwrap();
        let (worker, finished) = (worker.parse().unwrap(), finished.parse::<u64>().unwrap());
        let calls = lines.calls.get(&worker).unwrap_or_else(|| panic!("no line of {worker}"));
        let is_missing = |number: &u64| !calls.contains(number);
        assert_eq!((0..finished).find(is_missing), None, "worker {worker} of {finished}");
    }
}

fn many_lines() -> String {
    compile("drivers/many_lines.c", "many_lines", &[]).display().to_string()
}

/// Runs the program under `cfr trace`.
fn trace(scratch: &Scratch, options: &[&str], words: &[&str]) -> Output {
    let run = Run::bare(launcher()).args(["trace", "--paths", "no", "-o", "log"]).args(options);
    run.args(["--"]).args(words).within(scratch.path()).output()
}

/// Runs the program to its end, and returns its lines.
#[track_caller]
fn lines_of(mode: &str, processes: u32, threads: u32, calls: u32) -> Lines {
    let scratch = Scratch::new();
    let [processes, threads, calls] = [processes, threads, calls].map(|count| count.to_string());
    let output = trace(&scratch, &[], &[&many_lines(), mode, &processes, &threads, &calls]);
    assert_eq!(output.status, Some(0), "{output:#?}");
    let lines = lines(&scratch.file("log"));
    must_have_all(&lines, &output.stdout);
    let said = match lines.lost {
        0 => String::new(),
        1 => "cfr: 1 line of the log was lost\n".to_owned(),
        lost => format!("cfr: {lost} lines of the log were lost\n"),
    };
    assert_eq!(output.stderr, said);
    lines
}

#[test]
fn all_lines_of_many_processes_and_threads_are_there() {
    let lines = lines_of("all", 4, 16, 2_000);
    let all = lines.calls.values().map(BTreeSet::len).sum::<usize>();
    assert_eq!((all, lines.unfinished, lines.lost), (128_000, 0, 0));
}

#[test]
fn a_killed_writer_costs_its_own_line_only() {
    const PROCESSES: usize = 200;
    const THREADS: usize = 2;
    let lines = lines_of("killed", PROCESSES as u32, THREADS as u32, 1_000_000);
    // Each worker was killed in one call or after it.
    let killed = PROCESSES * THREADS;
    assert!(lines.unfinished <= killed && lines.lost <= killed as u64, "{}", lines.lost);
}

/// A call in which a process is killed, at whatever moment, has one line: its own, or that of a call
/// that did not return. If it was counted before and has none, its line is said to be lost.
#[test]
fn a_killed_call_is_told_of_once() {
    // Fewer than the calls that are stored while they are carried out.
    let words = [&*many_lines(), "killed", "50", "1", "1000000"];
    for _ in 0..8 {
        let scratch = Scratch::new();
        let output = trace(&scratch, &["--results", "results"], &words);
        let lines = lines(&scratch.file("log"));
        must_have_all(&lines, &output.stdout);
        let results = fs::read_to_string(scratch.file("results")).unwrap();
        let summary = &read_json(&results)["summary"];
        let written = lines.calls.values().map(BTreeSet::len).sum::<usize>() as u64;
        // It may be killed between two instructions.
        let is_close = |counted: &Value, logged| counted.as_u64().unwrap().abs_diff(logged) <= 1;
        assert!(is_close(&summary["calls"], written + lines.lost), "{written}: {summary}");
        let unfinished = lines.unfinished as u64;
        assert!(is_close(&summary["unfinished"], unfinished), "{unfinished}: {summary}");
    }
}

#[test]
fn a_child_of_a_threaded_program_has_its_lines() {
    let lines = lines_of("forks", 40, 8, 2_000);
    assert_eq!(lines.lost, 0);
}

#[test]
fn a_signal_handler_has_its_lines() {
    let lines = lines_of("signals", 1, 1, 30_000);
    assert!(lines.calls.contains_key(&1) && lines.lost == 0);
}

/// A host whose filter ends it if it opens or writes a file.
#[test]
fn a_filtered_host_has_its_lines() {
    let lines = lines_of("guarded", 1, 1, 1_000);
    assert_eq!(lines.calls.get(&0).map(BTreeSet::len), Some(1_000));
}

/// The launcher takes no lines while it is stopped, and the ring is full.
#[test]
fn a_stopped_launcher_loses_no_line() {
    const SCRIPT: &str = "kill -STOP $PPID; \"$@\"; kill -CONT $PPID";
    let scratch = Scratch::new();
    let program = many_lines();
    let words = ["sh", "-c", SCRIPT, "sh", &program, "all", "2", "2", "10000"];
    let output = trace(&scratch, &["--reach", "preload"], &words);
    assert_eq!((output.status, &*output.stderr), (Some(0), ""));
    let lines = lines(&scratch.file("log"));
    must_have_all(&lines, &output.stdout);
    assert_eq!((lines.unfinished, lines.lost), (0, 0));
}

/// The launcher is killed before it has taken the lines. The process finds that when it goes on.
#[test]
fn a_killed_launcher_loses_no_line() {
    const SCRIPT: &str = "kill -STOP $PPID; \"$@\" > printed & until test -e paused; do sleep 0.01; \
                          done; kill -KILL $PPID; sleep 2; touch go; wait; touch done";
    let scratch = Scratch::new();
    let program = many_lines();
    let words = ["sh", "-c", SCRIPT, "sh", &program, "paused", "1", "1", "1000"];
    let output = trace(&scratch, &["--reach", "preload"], &words);
    assert_eq!(output.signal, Some(libc::SIGKILL), "{output:?}");
    until(|| scratch.file("done").exists(), "the program ends");
    let printed = fs::read_to_string(scratch.file("printed")).unwrap();
    assert_eq!(printed, "0 2000\n");
    let lines = lines(&scratch.file("log"));
    must_have_all(&lines, &printed);
    assert_eq!((lines.unfinished, lines.lost), (0, 0));
}

/// A process that makes no call any more writes them when it ends.
#[test]
fn the_lines_of_a_killed_launcher_are_written_at_the_end() {
    const SCRIPT: &str = "kill -STOP $PPID; \"$@\" > printed; kill -KILL $PPID; sleep 2";
    let scratch = Scratch::new();
    let program = many_lines();
    let words = ["sh", "-c", SCRIPT, "sh", &program, "all", "1", "1", "1000"];
    let output = trace(&scratch, &["--reach", "preload"], &words);
    assert_eq!(output.signal, Some(libc::SIGKILL), "{output:?}");
    let log = scratch.file("log");
    let has_last = || fs::read_to_string(&log).unwrap().contains("[999]");
    until(has_last, "the lines are written");
    must_have_all(&lines(&log), "0 1000");
}

/// A process that outlives the launcher and may not open the log: the supervisor takes its lines.
#[test]
fn another_users_process_that_outlives_the_launcher_has_its_lines() {
    const TEST: &str =
        "cli::shared_lines::another_users_process_that_outlives_the_launcher_has_its_lines";
    const SCRIPT: &str = "\"$@\" > printed 2> errors & until test -e paused; do sleep 0.01; done";
    if !is_root() {
        return skip(TEST, "needs root, to become another user");
    }
    let scratch = Scratch::new();
    let program = many_lines();
    let words = ["sh", "-c", SCRIPT, "sh", &program, "user", "1", "1", "30000"];
    let output = trace(&scratch, &["--reach", "all"], &words);
    assert_eq!(output.status, Some(0), "{output:#?}");
    scratch.write("go", b"");
    let printed = || fs::read_to_string(scratch.file("printed")).unwrap();
    until(|| printed() == "0 60000\n", "the program ends");
    let log = scratch.file("log");
    until(|| fs::read_to_string(&log).unwrap().contains("[59999]"), "the lines are written");
    let lines = lines(&log);
    must_have_all(&lines, &printed());
    assert_eq!((lines.unfinished, lines.lost), (0, 0));
    assert_eq!(fs::read_to_string(scratch.file("errors")).unwrap(), "");
}

/// A process that outlives the launcher writes its lines itself.
#[test]
fn a_process_that_outlives_the_launcher_has_its_lines() {
    const SCRIPT: &str = "\"$@\" 10; (until test -e go; do sleep 0.01; done; cd later; \
                          \"$@\" 10; touch done) > /dev/null 2>&1 &";
    let scratch = Scratch::new();
    let program = many_lines();
    fs::create_dir(scratch.file("later")).unwrap();
    let words = ["sh", "-c", SCRIPT, "sh", &program, "all", "1", "1"];
    let output = trace(&scratch, &["--reach", "preload"], &words);
    assert_eq!((output.status, &*output.stderr), (Some(0), ""));
    let log = scratch.file("log");
    let count = || fs::read_to_string(&log).unwrap().lines().count();
    assert_eq!(count(), 10);
    scratch.write("go", b"");
    until(|| scratch.file("later/done").exists(), "the program ends");
    assert_eq!(count(), 20);
}

/// A second later the file that was renamed gets no further line; the next line makes a new one.
#[test]
fn a_log_that_is_rotated_goes_on_in_a_new_file() {
    const SCRIPT: &str = "\"$@\" 10; until grep -q 9] log; do sleep 0.01; done; mv log log.1; sleep 1.6; \
                          \"$@\" 20 > printed";
    let scratch = Scratch::new();
    let program = many_lines();
    let words = ["sh", "-c", SCRIPT, "sh", &program, "all", "1", "1"];
    let output = trace(&scratch, &[], &words);
    assert_eq!((output.status, &*output.stderr), (Some(0), ""));
    must_have_all(&lines(&scratch.file("log.1")), "0 10");
    must_have_all(&lines(&scratch.file("log")), "0 20");
}

/// The disk becomes full in the middle of many lines that the launcher writes at once.
#[test]
fn each_line_is_whole_or_lost_if_the_disk_becomes_full() {
    const TEST: &str = "cli::shared_lines::each_line_is_whole_or_lost_if_the_disk_becomes_full";
    // Until all lines are in the ring.
    const SCRIPT: &str = "kill -STOP $PPID; \"$@\"; kill -CONT $PPID";
    const CALLS: usize = 2_000;
    let filesystems = Filesystems::mount_also(TEST, &["small-tmpfs"]);
    let Some(disk) = filesystems.get("small-tmpfs") else {
        return skip(TEST, "no tmpfs can be mounted");
    };
    let scratch = Scratch::new();
    let (program, calls) = (many_lines(), CALLS.to_string());
    let words = ["sh", "-c", SCRIPT, "sh", &program, "all", "1", "1", &calls];
    // Fewer bytes than are written at once, and more than one line.
    for room in [4 << 10, 20 << 10, 60 << 10] {
        let log = disk.join("log");
        fs::write(disk.join("rest"), vec![0; (4 << 20) - room]).unwrap();
        let run = Run::bare(launcher()).args(["trace", "--paths", "no", "--reach", "preload"]);
        let run = run.args(["-o"]).args([&log]).args(["--"]).args(words);
        let output = run.within(scratch.path()).output();
        assert_eq!(output.status, Some(0), "{output:#?}");
        let full = fs::read_to_string(&log).unwrap();
        assert_eq!(full.len(), room, "the disk is full");
        // A piece of a line was made blank.
        let (blank, whole): (Vec<_>, Vec<_>) =
            full.lines().partition(|line| line.trim().is_empty());
        assert!(blank.len() <= 1, "{blank:?}");
        let text: String = whole.iter().map(|line| format!("{line}\n")).collect();
        let lines = lines(&scratch.write("whole", text.as_bytes()));
        let written = lines.calls.values().map(BTreeSet::len).sum::<usize>();
        let lost = CALLS - written;
        let said = format!("cfr: {lost} lines of the log were lost");
        assert_eq!(output.stderr.lines().last(), Some(&*said), "{output:#?}");
        must_have_all(&lines, &format!("0 {written}"));
        fs::remove_file(log).unwrap();
    }
}

/// No descriptor, no write and no other call but the copy, and the question which process this is if
/// the program has paused.
#[test]
fn a_line_is_passed_on_without_a_system_call() {
    const NAME: &str = "cli::shared_lines::a_line_is_passed_on_without_a_system_call";
    let run = |scratch: &Scratch, words: &[&str]| trace(scratch, &["--reach", "preload"], words);
    let Some(mut more) = calls_of_2000_copies(NAME, run) else { return };
    for name in ["getpid", "gettid"] {
        assert!(more.remove(name).unwrap_or(0) <= 2_000, "{name}");
    }
    assert_eq!(more, BTreeMap::new());
}

/// Returns by name the system calls that 2,000 copies make besides the copies themselves. `run` runs the
/// command that it gets in the directory. `None` if `test` is skipped.
pub(super) fn calls_of_2000_copies(
    test: &str,
    run: impl Fn(&Scratch, &[&str]) -> Output,
) -> Option<BTreeMap<String, u64>> {
    let Some(strace) = find_program("strace") else {
        skip(test, "strace is not installed");
        return None;
    };
    let scratch = Scratch::new();
    let counts = |calls: &str| -> BTreeMap<String, u64> {
        let strace = strace.display().to_string();
        let traced = [&strace, "-f", "-c", "-U", "calls,name", "-o", "counts"];
        let program = compile("bench/calls.c", "bench_calls", &[]).display().to_string();
        let output = run(&scratch, &[&traced[..], &[&program, "copy", calls, "."]].concat());
        assert_eq!((output.status, &*output.stderr), (Some(0), ""));
        let rows = fs::read_to_string(scratch.file("counts")).unwrap();
        let rows = rows.lines().filter_map(|row| row.trim().split_once(' '));
        rows.filter_map(|(count, name)| Some((name.trim().to_owned(), count.parse().ok()?)))
            .filter(|(name, _)| name != "total")
            .collect()
    };
    let (few, many) = (counts("1000"), counts("3000"));
    let mut more: BTreeMap<_, _> = many
        .into_iter()
        .map(|(name, count)| {
            let more = count.saturating_sub(few.get(&name).copied().unwrap_or(0));
            (name, more)
        })
        .filter(|(_, more)| *more > 0)
        .collect();
    assert_eq!(more.remove("copy_file_range"), Some(2_000));
    Some(more)
}

/// Runs a program that damages the memory with the lines, and returns the lines of the log.
fn damaged(mode: &str, options: &[&str]) -> (Vec<String>, Output) {
    let scratch = Scratch::new();
    let program = compile("drivers/damages_memory.c", "damages_memory", &[]).display().to_string();
    let options = [&["--reach", "preload"], options].concat();
    let output = trace(&scratch, &options, &[&program, mode, "20"]);
    assert_eq!((output.status, &*output.stdout), (Some(0), "ok\n"), "{output:#?}");
    let log = fs::read(scratch.file("log")).unwrap();
    let is_of_line = |byte: &u8| !byte.is_ascii_control() || *byte == b'\n';
    let text = String::from_utf8_lossy(&log);
    assert!(log.iter().all(is_of_line), "{text:?}");
    (text.lines().map(str::to_owned).collect(), output)
}

/// The launcher writes no line that the library did not make.
#[test]
fn damaged_lines_are_lost() {
    let (lines, output) = damaged("lines", &["--summary"]);
    let calls = lines.iter().filter(|line| line.contains(" copy_file_range(")).count();
    let lost = output.stderr.lines().find_map(|line| line.strip_prefix("cfr:     lines lost"));
    let lost: usize = lost.unwrap_or_else(|| panic!("{output:#?}")).trim().parse().unwrap();
    assert!(lost > 0 && calls + lost == 21, "{lines:#?} {lost}");
}

/// Nothing that a program writes to that memory makes the launcher fail or wait.
#[test]
fn random_memory_costs_no_more_than_the_log() {
    for options in [&["--summary"][..], &["--summary", "--format", "json"], &["--progress"]] {
        damaged("all", options);
    }
}

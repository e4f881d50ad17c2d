//! A log without a file: its lines are on the launcher's standard error, wherever the processes of the
//! program have sent theirs.

use cfr_testkit::{Output, Run, Scratch, compile, find_program, launcher, read_json, skip, until};
use std::ffi::OsStr;
use std::fs;

/// Runs a script under `cfr trace`, with a file `a` of 100,000 bytes.
fn trace(options: &[&str], script: &str) -> (Output, Scratch) {
    let scratch = Scratch::new();
    scratch.random("a", 100_000);
    let run = Run::bare(launcher()).args(["trace"]).args(options).args(["--", "sh", "-c", script]);
    (run.within(scratch.path()).ok(), scratch)
}

/// Returns how often the log has the call that copies `a`.
fn copies(log: &str) -> usize {
    log.lines()
        .filter(|line| line.contains("copy_file_range(") && line.contains(" = 100000 ("))
        .count()
}

#[test]
fn a_program_gets_no_line_on_a_standard_error_of_its_own() {
    // What the script prints, as without cfr.
    for (script, printed, count) in [
        ("cp a b 2> /dev/null", "", 1),
        ("cp a b 2> own; cat own", "", 1),
        ("cp a b 2>&-", "", 1),
        ("test -z \"$(cp a b 2>&1)\" && echo empty", "empty\n", 1),
        ("cp a b 2>&1 | wc -c", "0\n", 1),
        ("exec 2> own; cp a b; cp a c; cat own", "", 2),
        ("cp a b; cp a c 2> /dev/null; cp a d", "", 3),
    ] {
        for reach in ["preload", "auto"] {
            let (output, _scratch) = trace(&["--reach", reach], script);
            assert_eq!(output.stdout, printed, "{script}");
            assert_eq!(copies(&output.stderr), count, "{script}: {output:#?}");
            let others: Vec<_> =
                output.stderr.lines().filter(|line| !line.starts_with("cfr: ")).collect();
            assert!(others.is_empty(), "{script}: {others:?}");
        }
    }
}

#[test]
fn lines_stand_in_order_among_a_programs_own_messages() {
    let script = "for i in 1 2 3; do echo before $i >&2; cp a b$i; echo after $i >&2; done";
    let (output, _scratch) = trace(&[], script);
    let order: Vec<_> = output
        .stderr
        .lines()
        .filter(|line| !line.starts_with("cfr: ") || copies(line) == 1)
        .map(|line| if line.starts_with("cfr: ") { "copy" } else { line })
        .collect();
    let expected: Vec<_> = (1..=3)
        .flat_map(|i| [format!("before {i}"), "copy".to_owned(), format!("after {i}")])
        .collect();
    assert_eq!(order, expected);
}

#[test]
fn a_standard_error_that_is_replaced_or_closed_gets_no_line() {
    let program = "\
import os
source, target = os.open('a', os.O_RDONLY), os.open('b', os.O_RDWR | os.O_CREAT)
os.copy_file_range(source, target, 11)
os.dup2(os.open('own', os.O_RDWR | os.O_CREAT), 2)
os.copy_file_range(source, target, 12)
os.close(2)
os.copy_file_range(source, target, 13)
os.open('own', os.O_RDWR)
os.copy_file_range(source, target, 14)
";
    let Some(python) = find_program("python3") else {
        let test = "cli::stderr_lines::a_standard_error_that_is_replaced_or_closed_gets_no_line";
        return skip(test, "python3 is not installed");
    };
    let scratch = Scratch::new();
    scratch.random("a", 100);
    let run = Run::bare(launcher()).args(["trace", "--"]).args([python]).args(["-c", program]);
    let output = run.within(scratch.path()).ok();
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{output:#?}");
    for (line, bytes) in lines.iter().zip(11..) {
        assert!(line.starts_with("cfr: ") && line.contains(&format!(" = {bytes} (")), "{line}");
    }
    assert_eq!(fs::read(scratch.file("own")).unwrap(), b"");
}

#[test]
fn a_log_file_that_is_a_standard_stream_is_that_of_the_launcher() {
    for name in ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"] {
        let (output, _scratch) = trace(&["-o", name], "cp a b 2> own; wc -c < own");
        assert_eq!((output.stdout.trim(), copies(&output.stderr)), ("0", 1), "{name}");
    }
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let (output, _scratch) = trace(&["-o", name], "cp a b > own; wc -c < own; cp a c >&2");
        assert_eq!((copies(&output.stdout), &*output.stderr), (2, ""), "{name}");
        assert!(output.stdout.lines().any(|line| line == "0"), "{name}: {}", output.stdout);
    }
}

#[test]
fn json_lines_arrive_too() {
    let (output, _scratch) = trace(&["--format", "json"], "cp a b 2> /dev/null");
    let copied = |line: &&str| read_json(line)["ret"] == 100_000;
    assert_eq!(output.stderr.lines().filter(copied).count(), 1, "{output:#?}");
}

/// Runs a script whose $1 is the launcher, $2 the program that makes many calls, and $3 the number of
/// `calls`. It writes the log to the file `log`, and makes the file `results`. Returns the log, and how many
/// lines were lost.
#[track_caller]
fn many_lines(script: &str, calls: u64) -> (String, u64) {
    let scratch = Scratch::new();
    let program = compile("drivers/many_lines.c", "many_lines", &[]);
    let words = [launcher().into_os_string(), program.into_os_string(), calls.to_string().into()];
    let run = Run::bare("sh").args(["-c", script, "sh"]).args(words);
    assert_eq!(run.within(scratch.path()).ok().stderr, "");
    assert_eq!(fs::read(scratch.file("own")).unwrap(), b"");
    let results = read_json(&fs::read_to_string(scratch.file("results")).unwrap());
    let lost = results["summary"]["lines_lost"].as_u64().unwrap();
    (fs::read_to_string(scratch.file("log")).unwrap(), lost)
}

fn is_call(line: &str) -> bool {
    line.starts_with("cfr: ") && line.contains(" copy_file_range(")
}

/// The launcher keeps the lines while nobody reads them, longer than a process would wait.
#[test]
fn lines_wait_in_memory_for_a_slow_reader() {
    const CALLS: usize = 3_000;
    let script = "\
\"$1\" trace --paths no --results results sh -c '\"$1\" paused 1 1 $2 2> own' sh \"$2\" \"$3\" 2>&1 > printed |
(while [ ! -e paused ]; do sleep 0.01; done; sleep 2; : > go; cat > log)";
    let (log, lost) = many_lines(script, CALLS as u64);
    assert!(log.lines().all(is_call), "{}", log.lines().last().unwrap());
    assert_eq!((log.lines().count(), lost), (2 * CALLS, 0));
}

/// A process waits for room in memory.
#[test]
fn many_threads_with_another_standard_error_lose_no_line() {
    let script = "\
\"$1\" trace --paths no --results results sh -c '\"$1\" all 4 16 $2 2> own' sh \"$2\" \"$3\" 2> log > printed";
    let (log, lost) = many_lines(script, 1_000);
    assert_eq!((log.lines().filter(|line| is_call(line)).count(), lost), (64_000, 0));
}

/// It waits for a second, and then drops lines. Their number begins like all messages.
#[test]
fn lines_that_nobody_reads_are_counted_as_lost() {
    const CALLS: u64 = 60_000;
    let script = "\
\"$1\" trace --paths no --results results sh -c '\"$1\" all 1 1 $2 2> own; : > ended' sh \"$2\" \"$3\" 2>&1 > printed |
(while [ ! -e ended ]; do sleep 0.01; done; cat > log)";
    let (log, lost) = many_lines(script, CALLS);
    let (calls, others): (Vec<_>, Vec<_>) = log.lines().partition(|line| is_call(line));
    let is_message = |line: &&str| {
        line.strip_prefix("cfr: ").is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()))
    };
    assert!(!others.is_empty() && others.iter().all(is_message), "{others:#?}");
    assert!(lost > 0 && calls.len() as u64 + lost == CALLS, "{} {lost}", calls.len());
}

/// A stream of the launcher that was closed when it began is like /dev/null.
#[test]
fn a_launcher_without_standard_streams_gives_its_lines_to_no_other_file() {
    for (options, closed, script) in [
        ("", "2>&-", "cp a b 2> own"),
        ("", "2>&-", "printf %s \"$(cp a b 2>&1)\" > own"),
        ("-o /dev/stderr", "2>&-", "cp a b 2> own"),
        ("-o /dev/stdout", ">&-", "cp a b > own"),
    ] {
        let scratch = Scratch::new();
        scratch.random("a", 100_000);
        let command = format!("\"$1\" trace {options} sh -c '{script}' {closed}");
        let launcher = launcher();
        let words = [OsStr::new("-c"), command.as_ref(), "sh".as_ref(), launcher.as_os_str()];
        let _ = Run::bare("sh").args(words).within(scratch.path()).ok();
        assert_eq!(fs::read_to_string(scratch.file("own")).unwrap(), "", "{command}");
        assert!(scratch.file("b").exists(), "{command}");
    }
}

/// The supervisor reads on.
#[test]
fn lines_of_processes_that_outlive_the_launcher_arrive() {
    let scratch = Scratch::new();
    scratch.random("a", 100_000);
    let script = "\
\"$1\" trace sh -c '(while [ ! -e go ]; do sleep 0.01; done; cp a b 2> own; : > done) &' 2> log
: > go; while [ ! -e done ]; do sleep 0.01; done";
    must_be_logged_in_the_end(script);
}

#[test]
fn lines_that_a_killed_launcher_has_not_written_arrive() {
    must_be_logged_in_the_end(
        "\
\"$1\" trace sh -c 'kill -STOP $PPID; cp a b 2> own; kill -KILL $PPID' 2> log
exit 0",
    );
}

/// Runs a script whose `cfr` sends its standard error to the file `log`, and waits for the line of its
/// copy.
#[track_caller]
fn must_be_logged_in_the_end(script: &str) {
    let scratch = Scratch::new();
    scratch.random("a", 100_000);
    let launcher = launcher();
    let words = [OsStr::new("-c"), script.as_ref(), "sh".as_ref(), launcher.as_os_str()];
    let _ = Run::bare("sh").args(words).within(scratch.path()).ok();
    let log = || fs::read_to_string(scratch.file("log")).unwrap();
    until(|| copies(&log()) == 1, "the line is written");
    assert_eq!(fs::read(scratch.file("own")).unwrap(), b"");
}

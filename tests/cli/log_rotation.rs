//! A log that logrotate(8) rotates while lines are written to it.

use cfr_testkit::{Run, Scratch, find_program, launcher, skip};
use std::collections::BTreeSet;
use std::fs;

/// How often the log is rotated.
const ROTATIONS: usize = 2;

/// A program that makes about a thousand calls a second until there is a file "stop". Each copies nothing from an
/// offset of its own, the number of the call. Prints how many it made.
const PROGRAM: &str = "\
import os, time
a = os.open('in', os.O_RDONLY)
b = os.open('out', os.O_WRONLY | os.O_CREAT, 0o600)
calls = 0
while not os.path.exists('stop'):
    for _ in range(10):
        assert os.copy_file_range(a, b, 1, calls, 0) == 0
        calls += 1
    time.sleep(0.01)
print(calls)
";

/// Rotates the log once lines are in the file of its name: those of a second may be in the renamed one.
const SCRIPT: &str = "\
rotated=0
{ until [ $rotated = $2 ]; do
    until [ -s log ]; do sleep 0.05; done
    sleep 0.2
    env -u LD_PRELOAD \"$1\" -f -s state conf || exit
    rotated=$((rotated + 1))
  done
  until [ -s log ]; do sleep 0.05; done
  true > stop; } &
python3 -c \"$3\" > calls; wait";

/// Rotates the log with these directives of logrotate.conf(5). Returns the number of calls, and the files
/// of the log from the oldest to the newest.
fn rotated(logrotate: &str, directives: &str) -> (u64, Vec<String>) {
    let scratch = Scratch::new();
    scratch.write("in", b"");
    let log = scratch.file("log");
    let configuration = format!("{} {{\nrotate 9\n{directives}\n}}\n", log.display());
    scratch.write("conf", configuration.as_bytes());
    let script = ["sh", "-c", SCRIPT, "sh", logrotate, &ROTATIONS.to_string(), PROGRAM];
    let options = ["trace", "--paths", "no", "--reach", "preload", "-o", "log", "--"];
    let run = Run::bare(launcher()).args(options).args(script);
    let output = run.within(scratch.path()).output();
    assert_eq!((output.status, &*output.stderr), (Some(0), ""), "{directives}");
    let calls = fs::read_to_string(scratch.file("calls")).unwrap();
    let mut files = Vec::new();
    for number in (1..=ROTATIONS).rev() {
        let compressed = scratch.file(&format!("log.{number}.gz"));
        files.push(match compressed.exists() {
            true => Run::bare("gzip").args(["-dc".as_ref(), compressed.as_os_str()]).ok().stdout,
            false => fs::read_to_string(scratch.file(&format!("log.{number}"))).unwrap(),
        });
    }
    files.push(fs::read_to_string(log).unwrap());
    (calls.trim().parse().unwrap(), files)
}

/// Returns the number of a call. Panics for a line that is not whole.
#[track_caller]
fn number(line: &str) -> u64 {
    let whole = || {
        let (number, rest) =
            line.split_once(" copy_file_range(3, [")?.1.split_once("], 4, [0], ")?;
        let duration = rest.strip_prefix("1, 0) = 0 (kernel) <")?.strip_suffix('>')?;
        duration.parse::<f64>().ok()?;
        number.parse().ok()
    };
    whole().unwrap_or_else(|| panic!("{line:?}"))
}

/// Returns the numbers of calls in these files. Panics for a call that has two lines.
#[track_caller]
fn numbers(files: &[String]) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for line in files.iter().flat_map(|file| file.lines()) {
        assert!(numbers.insert(number(line)), "twice: {line}");
    }
    numbers
}

fn logrotate(test: &str) -> Option<String> {
    for name in ["logrotate", "python3"] {
        if find_program(name).is_none() {
            skip(test, &format!("{name} is not installed"));
            return None;
        }
    }
    Some(find_program("logrotate")?.display().to_string())
}

/// Whether logrotate makes the new file or `cfr` does, and if the file before the last is compressed.
#[test]
fn no_line_is_lost_if_the_log_is_renamed() {
    let test = "cli::log_rotation::no_line_is_lost_if_the_log_is_renamed";
    let Some(logrotate) = logrotate(test) else { return };
    for directives in ["create", "nocreate", "create\ncompress\ndelaycompress"] {
        let (calls, files) = rotated(&logrotate, directives);
        assert!(files.iter().all(|file| file.ends_with('\n')), "{directives}");
        assert_eq!(numbers(&files), (0..calls).collect(), "{directives}");
    }
}

/// What is written after logrotate has copied the file and before it truncates it is lost, as for any
/// program. Everything else is there.
#[test]
fn only_lines_between_copy_and_truncation_are_lost() {
    let test = "cli::log_rotation::only_lines_between_copy_and_truncation_are_lost";
    let Some(logrotate) = logrotate(test) else { return };
    let (calls, mut files) = rotated(&logrotate, "copytruncate");
    // The copy may end within a write.
    for copy in &mut files[..ROTATIONS] {
        copy.truncate(copy.rfind('\n').map_or(0, |end| end + 1));
    }
    let found = numbers(&files);
    let is_lost = |number: &u64| !found.contains(number);
    let is_first = |number: &u64| is_lost(number) && (*number == 0 || !is_lost(&(number - 1)));
    let gaps: Vec<_> = (0..calls).filter(is_first).collect();
    assert!(gaps.len() <= ROTATIONS, "{gaps:?}");
    for gap in gaps {
        let before =
            files.iter().position(|file| file.lines().last().map(number) == gap.checked_sub(1));
        assert!(before.is_some(), "the lines before call {gap} are not the end of a file");
    }
}

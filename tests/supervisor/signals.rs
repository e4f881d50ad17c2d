//! Signals during supervised calls: nothing is copied twice, long copies end early, and the copy of a
//! killed program ends with it.

use super::{send, supervisor_of, trace};
use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, find_program, launcher, parse_call, skip, until,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

fn storm() -> PathBuf {
    compile("drivers/signal_storm.c", "signal_storm", &["-static"])
}

/// Runs the storm with these options. Returns the log.
#[track_caller]
fn storm_is_exact(options: &[&str], threads: usize, copies: usize, words: [&str; 2]) -> String {
    let scratch = Scratch::new();
    let log = scratch.file("log");
    let run = trace(&log, options).args([storm()]);
    let run = run.args([&threads.to_string(), &copies.to_string()]).args(words);
    let output = run.within(scratch.path()).ok();
    let line = format!("{copies} {copies} {copies} {copies}\n");
    assert_eq!(output.stdout, line.repeat(threads), "{words:?}: {output:#?}");
    fs::read_to_string(log).unwrap()
}

const WORDS: [[&str; 2]; 4] = [
    ["restart", "positions"],
    ["restart", "offsets"],
    ["interrupt", "positions"],
    ["interrupt", "offsets"],
];

#[test]
fn each_byte_is_copied_once_under_a_signal_storm() {
    for words in WORDS {
        for (threads, copies) in [(1, 12_500), (4, 3125)] {
            let log = storm_is_exact(&[], threads, copies, words);
            let copied = log.lines().filter_map(parse_call).filter(|call| call.contains(" = 1 "));
            // On a busy machine the watcher may interrupt a call, which its thread then makes itself.
            let own = "(let through: a signal came first)";
            let own = log.lines().filter(|line| line.ends_with(own)).count();
            let copied = copied.count();
            let all = threads * copies;
            assert!(copied <= all && all <= copied + own, "{words:?}: {copied} and {own}");
        }
    }
}

#[test]
fn each_byte_is_copied_once_by_the_emulation_and_under_faults() {
    for options in [
        &["--backend", "emulate"][..],
        &["--inject", "short=1"],
        &["--inject", "delay_enter=100:when=1+50"],
        &["--verify=yes"],
    ] {
        for words in WORDS {
            storm_is_exact(options, 2, 1000, words);
        }
    }
}

/// The kernel interrupts the supervisor's own requests too, if they wait for a lock: each third one here.
#[test]
fn an_answer_that_a_signal_interrupts_is_given_again() {
    let Some(strace) = find_program("strace") else {
        let test = "supervisor::signals::an_answer_that_a_signal_interrupts_is_given_again";
        return skip(test, "strace is not installed");
    };
    let scratch = Scratch::new();
    let run = Run::bare(strace).args(["-f", "-o", "/dev/null", "-e", "trace=ioctl"]);
    let run = run.args(["-e", "inject=ioctl:error=EINTR:when=3+3"]).args([launcher()]);
    let run = run.args(["trace", "--reach", "all", "-o", "log", "--"]).args([storm()]);
    let run = run.args(["1", "200", "interrupt", "offsets", "100000"]).within(scratch.path());
    assert_eq!(run.limit(Duration::from_secs(60)).ok().stdout, "200 200 200 200\n");
    let log = fs::read_to_string(scratch.file("log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(" = 1 (")).count(), 200, "{log}");
}

/// Calls that signals interrupt before the supervisor has seen them: it is stopped meanwhile.
const INTERRUPTED: usize = 20;

/// Runs the program that makes them under `cfr COMMAND`.
fn interrupted(command: &[&str]) -> Output {
    let scratch = Scratch::new();
    scratch.write("from", b"x");
    let program = compile("drivers/interrupted_calls.c", "interrupted_calls", &["-static"]);
    let run = Run::bare(launcher()).args(command).args(["--reach", "all", "--"]).args([&program]);
    let run = run.args([&INTERRUPTED.to_string(), "interrupt"]).within(scratch.path());
    let running = run.start();
    let supervisor = supervisor_of(&running);
    let target = scratch.file("to");
    until(|| target.exists(), "the program has begun");
    send(supervisor, libc::SIGSTOP);
    let states = || {
        let threads = fs::read_dir(format!("/proc/{supervisor}/task")).unwrap().flatten();
        let stats = threads.map(|thread| fs::read_to_string(thread.path().join("stat")));
        let state = |stat: String| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        stats.map(|stat| state(stat.unwrap_or_default())).collect::<Vec<_>>()
    };
    let all_are = |wanted| states().into_iter().all(|state| state == Some(wanted));
    until(|| all_are('T'), "the supervisor is stopped");
    scratch.write("go", b"");
    let done = scratch.file("done");
    until(|| done.exists(), "the calls were interrupted");
    send(supervisor, libc::SIGCONT);
    until(|| all_are('S'), "the supervisor waits");
    fs::remove_file(done).unwrap();
    let output = running.output();
    assert_eq!(output.stdout, format!("{INTERRUPTED}\n"), "{output:#?}");
    output
}

#[test]
fn calls_that_a_signal_ends_unseen_are_counted() {
    let why = "20 calls were interrupted before they were seen: they have failed with EINTR, or were \
               made again\n";
    let output = interrupted(&["trace"]);
    assert_eq!(output.stderr, format!("cfr: no copy was seen: {why}"), "{output:#?}");
    let output = interrupted(&["run", "--summary"]);
    let said = format!("cfr: the summary lacks calls: {why}");
    assert!(output.stderr.contains(&said), "{output:#?}");
    let failing =
        ["no EINTR", "errors=0", "calls=0", "calls<20", "calls!=7", "seccomp=0", "none<9"];
    let holding = ["calls<=20", "calls!=21", "bytes=0", "no end_of_file", "calls>=0", "no EIO"];
    let expressions = failing.into_iter().chain(holding);
    let options = expressions.flat_map(|expression| ["--expect", expression]);
    let output = interrupted(&["run"].into_iter().chain(options).collect::<Vec<_>>());
    assert_eq!(output.status, Some(123), "{output:#?}");
    for expression in failing {
        let line =
            output.stderr.lines().find(|line| line.contains(&format!("expected {expression},")));
        let line = line.unwrap_or_else(|| panic!("{expression}: {output:#?}"));
        assert!(line.ends_with(why.trim_end()), "{expression}: {output:#?}");
    }
    assert!(output.stderr.contains("7 of 13 expectations did not hold"), "{output:#?}");
}

/// What the program has seen is in the log or is counted.
#[test]
fn each_interrupted_call_of_a_storm_is_logged_or_counted() {
    let scratch = Scratch::new();
    let log = scratch.file("log");
    // The supervisor may come to the last of them after the program has ended.
    let script = "\"$@\"; sleep 1";
    let run = trace(&log, &["--summary"]).args(["sh", "-c", script, "sh"]).args([storm()]);
    let run = run.args(["2", "5000", "interrupt", "positions"]).within(scratch.path());
    let said = run.ok().stderr;
    let number = |text: &str, after: &str| -> usize {
        let before = text.find(after).map(|end| text[..end].rsplit(' ').next().unwrap());
        before.map_or(0, |number| number.parse().unwrap())
    };
    let seen = number(&said, " calls interrupted\n");
    let counted = number(&said, " calls were interrupted") + number(&said, " call was interrupted");
    let log = fs::read_to_string(log).unwrap();
    let logged = log
        .lines()
        .filter(|line| line.contains(" = -1 EINTR") || line.contains(" = ? (let through"));
    let logged = logged.count();
    assert!(seen <= counted + logged, "{seen} {counted} {logged} {said}");
}

/// Bytes that take long to copy.
const LONG: usize = 400_000_000;

/// Makes a file that takes long to copy.
fn long_source(directory: &Path) -> PathBuf {
    let source = directory.join("source");
    fs::write(&source, vec![b'x'; LONG]).unwrap();
    source
}

/// Returns a tmpfs, where pages are copied one by one and the processor's speed is the limit.
fn tmpfs(filesystems: &Filesystems, test: &str) -> Option<PathBuf> {
    let place = filesystems.get("tmpfs").map(Path::to_owned);
    if place.is_none() {
        skip(test, "no tmpfs");
    }
    place
}

fn long_copy() -> PathBuf {
    compile("drivers/long_copy.c", "long_copy", &["-static"])
}

#[test]
fn a_handler_ends_a_long_copy_early() {
    let test = "supervisor::signals::a_handler_ends_a_long_copy_early";
    let filesystems = Filesystems::mount(test);
    let Some(place) = tmpfs(&filesystems, test) else { return };
    let source = long_source(&place);
    let target = place.join("target");
    let bare = Run::bare(long_copy()).args([&source, &target]).args(["60"]).ok();
    if bare.stdout != "begins\nearly\n" {
        return skip(test, &format!("the copy is too fast: {bare:?}"));
    }
    for options in [&[][..], &["--backend", "emulate"]] {
        let log = place.join("log");
        let run = trace(&log, options).args([long_copy()]);
        let output = run.args([&source, &target]).args(["60"]).ok();
        assert_eq!(output.stdout, "begins\nearly\n", "{options:?} {output:#?}");
        let _ = fs::remove_file(&log);
    }
}

/// At most this many looks, 5 ms apart, until the size stays.
const MAX_LOOKS: usize = 2000;

#[test]
fn a_killed_programs_copy_ends() {
    let test = "supervisor::signals::a_killed_programs_copy_ends";
    let filesystems = Filesystems::mount(test);
    let Some(place) = tmpfs(&filesystems, test) else { return };
    let source = long_source(&place);
    let [target, log, go] = ["target", "log", "go"].map(|name| place.join(name));
    let size = || fs::metadata(&target).map_or(0, |found| found.len());
    // Alone, and below a shell that goes on.
    let alone = "exec \"$@\"";
    let below = "\"$@\"; ended=$?; until [ -e go ]; do sleep 0.01; done; exit $ended";
    for (script, options) in [
        (alone, &[][..]),
        (alone, &["--backend", "emulate"]),
        (below, &[]),
        (below, &["--backend", "emulate"]),
    ] {
        let run = trace(&log, options).args(["sh", "-c", script, "sh"]);
        let run = run.args([&long_copy(), &source, &target]).args(["0"]);
        let running = run.within(&place).start();
        until(|| size() > 0, "the copy has begun");
        let pid = child_named("long_copy", running.id());
        send(pid, libc::SIGKILL);
        let end = settled(&size);
        assert!(end < LONG as u64, "{script} {options:?}: the copy was not ended");
        fs::write(&go, "").unwrap();
        let output = running.output();
        assert_eq!(output.status, Some(128 + libc::SIGKILL), "{output:#?}");
        assert_eq!(size(), end, "{script} {options:?}");
        let logged = fs::read_to_string(&log).unwrap_or_default();
        let call = logged.lines().filter(|line| line.contains(" = ? (unfinished"));
        assert_eq!(call.count(), 1, "{script} {options:?}: {logged}");
        for file in [&target, &log, &go] {
            fs::remove_file(file).unwrap();
        }
    }
}

/// After its process was waited for, its target may be another's: a retry, for example, empties it.
#[test]
fn a_copy_ends_before_its_killed_process_is_waited_for() {
    /// The supervisor looks at the thread after so many bytes.
    const PIECE: u64 = 256 << 10;
    let test = "supervisor::signals::a_copy_ends_before_its_killed_process_is_waited_for";
    let filesystems = Filesystems::mount(test);
    let Some(place) = tmpfs(&filesystems, test) else { return };
    let source = long_source(&place);
    let program = compile("drivers/killed_copies.c", "killed_copies", &["-static"]);
    for call in ["copy", "send"] {
        for signal in ["9", "15"] {
            let run = trace(&place.join("log"), &[]).args([&program]);
            let run = run.args([&source, &place.join("target")]).args([call, signal, "12"]);
            let (after_wait, _) = growth(&run.ok());
            assert!(after_wait <= PIECE, "{call} {signal}: {after_wait} bytes");
        }
    }
}

/// Returns what `killed_copies` prints: the most bytes after the wait, and the fewest from 10 ms after the
/// signal on.
fn growth(output: &Output) -> (u64, u64) {
    let mut numbers = output.stdout.split_whitespace().map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// A busy machine can delay the supervisor in a round, but not in each. A copy on xfs and btrfs would share
/// the blocks at once.
#[test]
fn a_killed_programs_target_does_not_grow_10_ms_later() {
    const BYTES: usize = 100_000_000;
    const ROUNDS: usize = 6;
    let test = "supervisor::signals::a_killed_programs_target_does_not_grow_10_ms_later";
    let filesystems = Filesystems::mount(test);
    let Some(memory) = tmpfs(&filesystems, test) else { return };
    let program = compile("drivers/killed_copies.c", "killed_copies", &["-static"]);
    let source = memory.join("source");
    fs::write(&source, vec![b'x'; BYTES]).unwrap();
    let emulate = ["--backend", "emulate"];
    for (name, call, options) in [
        ("tmpfs", "copy", &[][..]),
        ("tmpfs", "send", &[]),
        ("tmpfs", "copy", &emulate),
        ("ext4", "copy", &[]),
        ("ext4", "send", &[]),
        ("ext4", "copy", &emulate),
        ("xfs", "send", &[]),
        ("xfs", "copy", &emulate),
        ("btrfs", "send", &[]),
        ("btrfs", "copy", &emulate),
    ] {
        let Some(place) = filesystems.get(name) else { continue };
        let (target, log) = (place.join("target"), memory.join("log"));
        let source = if name == "ext4" { place.join("source") } else { source.clone() };
        if !source.exists() {
            fs::write(&source, vec![b'x'; BYTES]).unwrap();
        }
        let run = trace(&log, options).args([&program, &source, &target]);
        let (_, later) = growth(&run.args([call, "9", &ROUNDS.to_string()]).ok());
        assert_eq!(later, 0, "{name} {call} {options:?}");
        let log = fs::read_to_string(&log).unwrap();
        assert!(log.lines().count() >= ROUNDS, "{name} {call} {options:?}: {log}");
        fs::remove_file(&target).unwrap();
    }
}

/// Waits until a size is the same in ten looks. Returns it.
fn settled(size: &impl Fn() -> u64) -> u64 {
    let (mut last, mut same) = (size(), 0);
    for _ in 0..MAX_LOOKS {
        thread::sleep(Duration::from_millis(5));
        let now = size();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if same == 10 {
            return now;
        }
    }
    panic!("the target still grows: {last}");
}

/// Returns the process with this name below process `above`.
fn child_named(name: &str, above: i32) -> i32 {
    let mut found = None;
    let shown = format!("{name} below {above}");
    until(
        || {
            found = super::descendants(above).into_iter().find(|(_, comm)| comm == name);
            found.is_some()
        },
        &shown,
    );
    found.unwrap().0
}

#[test]
fn calls_beside_a_long_copy_are_answered() {
    let test = "supervisor::signals::calls_beside_a_long_copy_are_answered";
    let filesystems = Filesystems::mount(test);
    let Some(place) = tmpfs(&filesystems, test) else { return };
    let source = long_source(&place);
    let log = place.join("log");
    // The calls of the storm are answered while the long copy is still in a delay.
    let script = "\"$1\" \"$2\" \"$3\" 0 > /dev/null & long=$!\n\
                  cd \"$5\" && \"$4\" 4 500 restart offsets && kill -9 $long && echo beside\n\
                  wait $long; exit 0";
    let output = trace(&log, &["--inject", "delay_enter=200s:path=*/source"])
        .args(["sh", "-c", script, "sh"])
        .args([&long_copy(), &source, &place.join("target"), &storm(), &place])
        .output();
    assert!(output.stdout.ends_with("beside\n"), "{output:#?}");
}

#[test]
fn a_stopped_programs_copy_stops_and_goes_on() {
    let test = "supervisor::signals::a_stopped_programs_copy_stops_and_goes_on";
    let filesystems = Filesystems::mount(test);
    let Some(place) = tmpfs(&filesystems, test) else { return };
    let source = long_source(&place);
    let (target, log) = (place.join("target"), place.join("log"));
    let size = || fs::metadata(&target).map_or(0, |found| found.len());
    let program = compile("drivers/keeps_copying.c", "keeps_copying", &["-static"]);
    let run = trace(&log, &[]).args([&program, &source, &target]);
    let running = run.args(["1000000000", "0", "done"]).within(&place).start();
    until(|| size() > 0, "the copy has begun");
    let pid = child_named("keeps_copying", running.id());
    send(pid, libc::SIGSTOP);
    let stopped = settled(&size);
    assert!(stopped < LONG as u64, "the copy was not stopped");
    send(pid, libc::SIGCONT);
    running.output();
    let done = fs::read_to_string(place.join("done")).unwrap();
    assert_eq!(done, format!("{LONG} bytes, 0 errors, equal\n"));
    let calls = fs::read_to_string(&log).unwrap();
    let calls: Vec<_> = calls.lines().filter_map(parse_call).collect();
    assert!(calls[0].contains(&format!(" = {stopped} (")), "{calls:#?}");
}

/// It ends the thread that copies.
#[test]
fn a_copy_ends_with_an_exec_beside_it() {
    let test = "supervisor::signals::a_copy_ends_with_an_exec_beside_it";
    let filesystems = Filesystems::mount(test);
    let Some(place) = tmpfs(&filesystems, test) else { return };
    let source = long_source(&place);
    let program = compile("drivers/execs_beside.c", "execs_beside", &["-static"]);
    for options in [&[][..], &["--backend", "emulate"]] {
        let (target, log) = (place.join("target"), place.join("log"));
        let run = trace(&log, options).args([&program, &source, &target]);
        let output = run.args(["sh", "-c", "sleep 0.1; wc -c < \"$0\""]).args([&target]).ok();
        let size = fs::metadata(&target).unwrap().len();
        assert!(size < LONG as u64, "{options:?}: the copy was not ended");
        assert_eq!(output.stdout.trim(), size.to_string(), "{options:?}");
        fs::remove_file(&target).unwrap();
        fs::remove_file(&log).unwrap();
    }
}

//! The launcher is killed while it starts the program: the program does not begin, or all its calls are
//! answered and logged once.

use super::send;
use super::trace;
use cfr_testkit::{Run, Running, Scratch, compile, find_program, launcher, parse_call, skip};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How many runs the program itself ends the launcher of.
const KILLS: usize = 20;
/// The last moment at which the launcher is killed, and the time between two: its start takes some
/// milliseconds.
const LAST_US: u64 = 12_000;
const STEP_US: usize = 100;

/// A static program that copies, and executes one that is preloaded and copies too.
struct Started {
    scratch: Scratch,
    programs: [PathBuf; 2],
}

impl Started {
    fn new() -> Started {
        let scratch = Scratch::new();
        scratch.random("from", 1000);
        let source = "drivers/copies_at_start.c";
        let programs = [("copies_at_start", &["-static"][..]), ("copies_at_start_preloaded", &[])];
        Started { scratch, programs: programs.map(|(name, flags)| compile(source, name, flags)) }
    }

    fn start(&self, way: &str) -> Running {
        let _ = fs::remove_file(self.scratch.file("log"));
        let [first, second] = &self.programs;
        let run: Run = trace(&self.scratch.file("log"), &[]).args([first]).args([way]);
        run.args([second]).within(self.scratch.path()).start()
    }

    /// Waits for the end of the whole tree, and returns how many calls were made and logged: all or none
    /// were made, and none twice.
    #[track_caller]
    fn made_and_logged(&self, running: Running, when: &str) -> (usize, usize) {
        let output = running.output();
        let log = fs::read_to_string(self.scratch.file("log")).unwrap_or_default();
        let logged = log.lines().filter_map(parse_call).count();
        let made = output.stdout.lines().count();
        assert!(output.stdout.lines().all(|line| line == "copied"), "{when}: {output:#?}\n{log}");
        assert!(made == 0 || made == 2, "{when}: {output:#?}\n{log}");
        assert!(logged <= made, "{when}: {output:#?}\n{log}");
        (made, logged)
    }
}

#[test]
fn a_program_may_kill_its_launcher_at_once() {
    let started = Started::new();
    for _ in 0..KILLS {
        assert_eq!(started.made_and_logged(started.start("kill"), "by the program"), (2, 2));
    }
}

#[test]
fn a_launcher_may_be_killed_at_any_moment_of_its_start() {
    let started = Started::new();
    for after in (0..=LAST_US).step_by(STEP_US) {
        let running = started.start("live");
        thread::sleep(Duration::from_micros(after));
        running.send(libc::SIGKILL);
        // A launcher that is killed when the program has ended may leave lines that it has not written.
        started.made_and_logged(running, &format!("after {after} us"));
    }
}

/// Ctrl-C and Ctrl-\ are for the program, also if they come before it begins.
#[test]
fn a_launcher_may_be_interrupted_at_any_moment_of_its_start() {
    const TEST: &str =
        "supervisor::start::a_launcher_may_be_interrupted_at_any_moment_of_its_start";
    // A start has several: signals come before, between and after them.
    const DELAYED: &str = "inject=clone,clone3,fork,vfork:delay_enter=200000";
    let Some(strace) = find_program("strace") else {
        return skip(TEST, "strace is not installed");
    };
    let scratch = Scratch::new();
    let interrupt = &|signal, reach, after_ms| {
        let words = ["-f", "-o", "/dev/null", "-e", "trace=clone,clone3,fork,vfork", "-e", DELAYED];
        let run = Run::bare(&strace).args(words).args([launcher()]);
        let run = run.args(["trace", "--reach", reach, "-o", "log", "sleep", "30"]);
        let running = run.within(scratch.path()).start();
        thread::sleep(Duration::from_millis(after_ms));
        // The group.
        send(-running.id(), signal);
        let output = running.output();
        let ended = output.signal.or(output.status.map(|status| status - 128));
        assert_eq!(
            ended,
            Some(signal),
            "{signal} --reach {reach} after {after_ms} ms: {output:#?}"
        );
    };
    // They sleep almost always.
    thread::scope(|scope| {
        for after_ms in (100..1500).step_by(200) {
            for (signal, reach) in
                [(libc::SIGINT, "all"), (libc::SIGQUIT, "all"), (libc::SIGINT, "preload")]
            {
                scope.spawn(move || interrupt(signal, reach, after_ms));
            }
        }
    });
}

/// A process that has no room for the stats leaves its calls to the supervisor.
#[test]
fn a_call_is_logged_once_however_little_memory_its_process_has() {
    const FIRST_KB: usize = 2_800;
    const LAST_KB: usize = 10_000;
    const STEP_KB: usize = 50;
    let started = Started::new();
    let log = started.scratch.file("log");
    let [_, program] = &started.programs;
    let [mut by_library, mut left] = [0, 0];
    for limit in (FIRST_KB..=LAST_KB).step_by(STEP_KB) {
        let _ = fs::remove_file(&log);
        let script = format!("ulimit -v {limit}; exec \"$0\" live");
        let run = trace(&log, &[]).args(["sh", "-c", &script]).args([program]);
        let output = run.within(started.scratch.path()).output();
        let log = fs::read_to_string(&log).unwrap_or_default();
        let calls: Vec<_> = log.lines().filter_map(parse_call).collect();
        let copied = output.stdout.matches("copied\n").count();
        assert_eq!(calls.len(), copied, "{limit} KB: {output:#?}\n{log}");
        let is_loaded = !output.stderr.contains("ld.so");
        for call in calls.iter().filter(|_| is_loaded) {
            *if call.contains("supervised") { &mut left } else { &mut by_library } += 1;
        }
    }
    assert!(left > 0 && by_library > 0, "{left} left, {by_library} by the library");
}

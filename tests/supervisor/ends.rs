//! The launcher or the supervisor ends before the program: no call fails on that account.

use super::{descendants, keeps_copying, send, supervisor_of, trace};
use cfr_testkit::{Run, Running, Scratch, launcher, parse_call, read_json, until};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// A program that copies a file, and what it leaves.
struct Copying {
    scratch: Scratch,
    bytes: usize,
}

/// How many bytes a program copies by one call, and its pause between calls in microseconds.
const SHORT: [&str; 2] = ["4096", "500"];
const LONG: [&str; 2] = ["1000000000", "0"];
/// Bytes that [`LONG`] takes long to copy.
const LARGE: usize = 400_000_000;

impl Copying {
    fn new(bytes: usize) -> Copying {
        let scratch = Scratch::new();
        fs::write(scratch.file("from"), vec![b'x'; bytes]).unwrap();
        Copying { scratch, bytes }
    }

    /// Starts the launcher with the program.
    fn start(&self, size: [&str; 2], options: &[&str]) -> Running {
        trace(&self.log(), options).args(keeps_copying(size)).within(self.scratch.path()).start()
    }

    fn log(&self) -> PathBuf {
        self.scratch.file("log")
    }

    fn await_begin(&self) {
        let target = self.scratch.file("to");
        until(|| fs::metadata(&target).is_ok_and(|found| found.len() > 0), "copies");
    }

    /// Waits until the program is in a call.
    fn await_begin_of_call(&self, launcher: &Running) {
        let call = format!("{} ", libc::SYS_copy_file_range);
        let is_in_call = |(pid, _): &(i32, String)| {
            let found = fs::read_to_string(format!("/proc/{pid}/syscall"));
            found.is_ok_and(|found| found.starts_with(&call))
        };
        until(|| descendants(launcher.id()).iter().any(is_in_call), "a call");
    }

    /// Waits until the program has copied everything without an error.
    #[track_caller]
    fn assert_completed(&self) {
        let expected = format!("{} bytes, 0 errors, equal\n", self.bytes);
        assert_eq!(self.await_done(), expected);
    }

    /// The result of one call may lack what was moved before the supervisor was killed.
    #[track_caller]
    fn assert_equal(&self) {
        let done = self.await_done();
        assert!(done.ends_with(" bytes, 0 errors, equal\n"), "{done}");
    }

    /// Waits for what the program says when it has copied everything.
    #[track_caller]
    fn await_done(&self) -> String {
        let done = self.scratch.file("done");
        until(|| done.exists(), "the program has copied all");
        fs::read_to_string(done).unwrap()
    }

    fn logged(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap();
        log.lines().filter_map(parse_call).collect()
    }
}

#[test]
fn a_program_goes_on_after_its_launcher_was_killed_between_calls() {
    let copying = Copying::new(2_000_000);
    let launcher = copying.start(SHORT, &[]);
    copying.await_begin();
    launcher.send(libc::SIGKILL);
    copying.assert_completed();
    // All are logged: the supervisor lives as long as the program.
    assert_eq!(copying.logged().len(), 2_000_000usize.div_ceil(4096) + 1);
    assert_eq!(launcher.output().signal, Some(libc::SIGKILL));
}

#[test]
fn a_program_goes_on_after_its_launcher_was_killed_during_a_call() {
    for options in [&[][..], &["--backend", "emulate"]] {
        let copying = Copying::new(LARGE);
        let launcher = copying.start(LONG, options);
        copying.await_begin();
        launcher.send(libc::SIGKILL);
        copying.assert_completed();
        assert_eq!(launcher.output().signal, Some(libc::SIGKILL));
    }
}

fn kill(pid: i32) {
    send(pid, libc::SIGKILL);
}

/// On a busy machine it may not have seen the end of the program yet. No process runs, so a zero holds.
#[test]
fn a_supervisor_that_is_late_is_waited_for() {
    let run = Run::bare(launcher()).args(["run", "--reach", "all", "--expect", "calls=0", "cat"]);
    let mut running = run.start();
    let input = running.stdin();
    let supervisor = supervisor_of(&running);
    let has_ended = || descendants(running.id()).iter().all(|(_, name)| name != "cat");
    until(|| !has_ended(), "cat");
    send(supervisor, libc::SIGSTOP);
    drop(input);
    until(has_ended, "the end of cat");
    // Longer than processes may take to end after the program.
    thread::sleep(Duration::from_millis(500));
    send(supervisor, libc::SIGCONT);
    let output = running.output();
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
}

#[test]
fn a_killed_supervisor_is_started_again() {
    let said = "cfr: the supervisor has ended too early; it is started again\n";
    let is_only_said = || {
        let copying = Copying::new(1_000_000);
        // It waits between its calls almost always.
        let launcher = copying.start(["4096", "5000"], &[]);
        copying.await_begin();
        kill(supervisor_of(&launcher));
        copying.assert_equal();
        let output = launcher.output();
        assert_eq!(output.status, Some(0), "{output:#?}");
        assert!(output.stderr.starts_with(said), "{output:#?}");
        assert!(copying.logged().len() > 200);
        output.stderr == said
    };
    // If it was killed in a call, the launcher says more.
    assert!((0..5).any(|_| is_only_said()));
}

/// Then the launcher lets all calls through, and an expectation that needs their results fails.
#[test]
fn a_supervisor_that_is_killed_too_often_is_given_up() {
    const KILLS: usize = 9;
    let copying = Copying::new(1_000_000);
    let run = Run::bare(launcher()).args(["run", "--reach", "all", "--expect", "no error", "--"]);
    let run = run.args(keeps_copying(["1000", "3000"])).within(copying.scratch.path());
    let running = run.start();
    copying.await_begin();
    let mut last = 0;
    for _ in 0..KILLS {
        until(|| supervisor_of(&running) != last, "another supervisor");
        last = supervisor_of(&running);
        kill(last);
    }
    copying.assert_equal();
    let output = running.output();
    assert_eq!(output.status, Some(123), "{output:#?}");
    let again = output.stderr.matches("it is started again").count();
    assert_eq!(again, KILLS - 1, "{output:#?}");
    assert!(output.stderr.contains("there is no supervisor any more"), "{output:#?}");
    assert!(output.stderr.contains(" let through, with unknown results"), "{output:#?}");
}

/// The program makes the call itself.
#[test]
fn a_killed_supervisors_call_is_answered() {
    let copying = Copying::new(LARGE);
    let launcher = copying.start(LONG, &[]);
    copying.await_begin();
    kill(supervisor_of(&launcher));
    copying.assert_equal();
    assert_eq!(launcher.output().status, Some(0));
}

/// The program makes it itself, and the log says that its line is not there.
#[test]
fn the_line_of_a_killed_supervisors_call_is_counted_as_lost() {
    let copying = Copying::new(100_000);
    let launcher = copying.start(["4096", "0"], &["--inject", "delay_enter=3s:when=1"]);
    copying.await_begin_of_call(&launcher);
    // The call is received at once, and delayed.
    thread::sleep(Duration::from_millis(500));
    kill(supervisor_of(&launcher));
    copying.assert_completed();
    let output = launcher.output();
    let said = "cfr: the supervisor has ended too early; it is started again\n\
                cfr: 1 line of the log was lost\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), said), "{output:#?}");
    assert_eq!(copying.logged().len(), 100_000usize.div_ceil(4096));
    let log = copying.log();
    let report = Run::bare(cfr_testkit::launcher()).args(["report", "--format", "json"]);
    let report = read_json(&report.args([log]).ok().stdout);
    assert_eq!(report["lost"], 1, "{report}");
}

/// Whatever the supervisor was doing.
#[test]
fn a_supervisor_is_killed_at_any_moment() {
    for pause in 0..7 {
        let copying = Copying::new(1_000_000);
        let launcher = copying.start(["512", "50"], &[]);
        copying.await_begin();
        thread::sleep(Duration::from_millis(2 * pause));
        kill(supervisor_of(&launcher));
        copying.assert_equal();
        assert_eq!(launcher.output().status, Some(0));
        let log = fs::read_to_string(copying.log()).unwrap();
        let lost =
            log.lines().find_map(|line| line.strip_suffix(" lines lost")?.rsplit(' ').next());
        let lost: usize = lost.map_or(0, |lost| lost.parse().unwrap());
        assert!(copying.logged().len() + lost > 1_000_000 / 512, "{pause} {lost}");
    }
}

#[test]
fn a_daemon_copies_after_the_launchers_end() {
    for to_standard_error in [false, true] {
        let copying = Copying::new(1_000_000);
        let daemon = "\"$@\" > /dev/null 2>&1 < /dev/null &";
        let log = copying.log();
        let mut run = trace(&log, &[]);
        if to_standard_error {
            run = cfr_testkit::Run::bare(cfr_testkit::launcher());
            run = run.args(["trace", "--reach", "all", "--"]);
        }
        let run = run.args(["sh", "-c", daemon, "sh"]).args(keeps_copying(SHORT)).args(["go"]);
        // It returns at the end of file of standard error, and the daemon waits.
        let output = run.within(copying.scratch.path()).ok();
        assert!(output.stderr.contains("processes that it started still run"), "{output:#?}");
        assert!(!copying.scratch.file("done").exists());
        copying.scratch.write("go", b"");
        copying.assert_completed();
        if !to_standard_error {
            // The supervisor may still be writing the last line.
            let calls = 1_000_000usize.div_ceil(4096) + 1;
            until(|| copying.logged().len() >= calls, "the lines");
            assert_eq!(copying.logged().len(), calls);
        }
    }
}

#[test]
fn all_processes_are_waited_for_if_wanted() {
    let copying = Copying::new(100_000);
    let daemon = "\"$@\" > /dev/null 2>&1 < /dev/null &";
    let run = trace(&copying.log(), &["--wait-all"]).args(["sh", "-c", daemon, "sh"]);
    let output = run.args(keeps_copying(SHORT)).within(copying.scratch.path()).ok();
    assert_eq!(output.stderr, "", "{output:#?}");
    assert!(copying.scratch.file("done").exists());
    copying.assert_completed();
    assert_eq!(copying.logged().len(), 100_000usize.div_ceil(4096) + 1);
}

//! Copies in the library in hosts that make it difficult
//! (c-tests/drivers/emulation_in_hostile_hosts.c), under dialects whose copies cross filesystems,
//! with and without a log.

use cfr_testkit::{Run, Scratch, compile, library};
use std::fs;

#[track_caller]
fn run(how: &str) {
    let program =
        compile("drivers/emulation_in_hostile_hosts.c", "emulation_in_hostile_hosts", &[]);
    for (dialect, backend) in
        [("linux-5.3", "auto"), ("freebsd-14", "auto"), ("extended", "emulate")]
    {
        for log in ["off", "info"] {
            let (data, logs) = (Scratch::new(), Scratch::new());
            let file = logs.file("log");
            let mut run = Run::bare(&program)
                .args([file.as_os_str(), how.as_ref()])
                .within(data.path())
                .env("LD_PRELOAD", library())
                .env("CFR_DIALECT", dialect)
                .env("CFR_BACKEND", backend)
                .env("CFR_LOG", log);
            // A limit on file sizes applies to a log file too, but not to a pipe.
            if how != "limit" {
                run = run.env("CFR_LOG_FILE", &file);
            }
            let output = run.output();
            assert_eq!(output.status, Some(0), "{dialect}, log {log}: {output:?}");
            let calls = fs::read_to_string(data.file("calls")).unwrap();
            let calls: usize = calls.lines().map(|line| line.parse::<usize>().unwrap()).sum();
            let text = match how {
                "limit" => output.stderr,
                _ => fs::read_to_string(&file).unwrap_or(output.stderr),
            };
            let lines = text.lines().filter(|line| line.contains(" (emulated) ")).count();
            // A handler that never returns prevents the line of its call.
            let expected = if log == "off" { 0 } else { calls };
            let fits = if how == "limit" { lines <= expected } else { lines == expected };
            assert!(calls > 0 && fits, "{dialect}: {calls} calls, {lines} lines");
        }
    }
}

#[test]
fn a_handler_on_a_small_stack_can_copy() {
    run("handler");
}

#[test]
fn more_threads_than_buffers_can_copy() {
    run("threads");
}

#[test]
fn children_of_threads_can_copy() {
    run("forks");
}

#[test]
fn a_handler_that_never_returns_may_leave_a_copy() {
    run("limit");
}

#[test]
fn signals_end_copies_and_are_not_lost() {
    run("signals");
}

#[test]
fn a_copy_keeps_the_locks_and_the_lease_of_the_host() {
    run("locks");
}

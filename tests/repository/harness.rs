//! The harness: its programs start in the same way however the tests were started, and none is waited
//! for without a limit.

use cfr_testkit::{Output, Run, compile, project};
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A program has only the standard descriptors, and ignores and blocks no signal.
#[test]
fn a_program_has_default_signals_and_no_other_descriptor() {
    // The C library refuses to change its own two.
    const OF_THE_C_LIBRARY: u64 = 0b11 << 31;
    let status = Run::bare("cat").args(["/proc/self/status"]).ok().stdout;
    for key in ["SigBlk:\t", "SigIgn:\t"] {
        let signals = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let signals = u64::from_str_radix(signals, 16).unwrap();
        assert_eq!(signals & !OF_THE_C_LIBRARY, 0, "{status}");
    }
    // ls(1) has the directory open.
    assert_eq!(Run::bare("ls").args(["/proc/self/fd"]).ok().stdout, "0\n1\n2\n3\n");
}

/// Tests that send signals or count descriptors pass.
#[test]
fn the_tests_pass_with_signals_ignored_and_blocked_and_with_open_descriptors() {
    const TESTS: [&str; 6] = [
        "cli::launcher::sigint_and_sigquit_do_not_end_the_launcher_before_the_program",
        "cli::probe::a_signal_leaves_no_file",
        "cli::report::a_signal_leaves_no_file",
        "cli::sweep::a_signal_leaves_no_process_and_no_file",
        "preload::hazards::the_descriptor_of_the_log_is_high_and_closed_on_exec",
        "repository::harness::a_program_has_default_signals_and_no_other_descriptor",
    ];
    let starter = compile("drivers/started_badly.c", "started_badly", &[]);
    let tests = std::env::current_exe().unwrap();
    let run = Run::bare(starter).args([tests]).args(["--exact"]).args(TESTS).output();
    let Output { status, stdout, .. } = &run;
    assert_eq!(*status, Some(0), "{run:#?}");
    assert!(stdout.contains(&format!("{} passed; 0 failed", TESTS.len())), "{stdout}");
}

/// The message has the command line and what was written.
#[test]
fn a_program_that_does_not_end_is_killed_with_its_children() {
    let begun = Instant::now();
    for script in ["echo begun; sleep 1000 & sleep 1001", "echo begun; sleep 1002 &"] {
        let run = Run::bare("sh").args(["-c", script]).limit(Duration::from_millis(500));
        let failure = catch_unwind(AssertUnwindSafe(|| run.output())).unwrap_err();
        let said = failure.downcast_ref::<String>().unwrap();
        assert!(
            said.contains(script) && said.contains("500ms") && said.contains("begun"),
            "{said}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(500), "the children hold the output open");
}

/// Returns the text in quotes behind each `mark`.
fn quoted_behind<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    let begins = text.split(mark).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    begins.filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

/// A skip with another name could not be allowed, and would not be found.
#[test]
fn every_skip_names_a_test_or_a_module() {
    let listed = Run::bare(std::env::current_exe().unwrap()).args(["--list"]).ok().stdout;
    let tests: BTreeSet<_> =
        listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let modules: BTreeSet<_> =
        tests.iter().filter_map(|name| Some(name.rsplit_once("::")?.0)).collect();
    let folders: BTreeSet<_> = tests.iter().filter_map(|name| name.split("::").next()).collect();
    let mut found = 0;
    for folder in folders {
        for file in fs::read_dir(project().join("tests").join(folder)).unwrap().flatten() {
            // The marks are here.
            if file.path().ends_with(file!()) {
                continue;
            }
            let text = fs::read_to_string(file.path()).unwrap();
            for mark in ["skip(", "const TEST: &str =", "let test =", "mount(", "mount_also("] {
                for name in quoted_behind(&text, mark) {
                    // What follows is a part of the test.
                    let name = name.split(',').next().unwrap_or_default();
                    let is_one = tests.contains(name) || modules.contains(name);
                    assert!(is_one, "{}: {mark} {name:?}", file.path().display());
                    found += 1;
                }
            }
        }
    }
    assert!(found > 100, "{found}");
}

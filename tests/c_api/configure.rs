//! cfr_configure and cfr_stats: the program's own settings, and what it has copied.

use super::Linked;
use cfr_testkit::{Run, is_foreign, launcher, parse_text, skip};
use std::fs;

fn passes(mode: &str) {
    let linked = Linked::new("configures");
    let output = linked.run([mode]).output();
    assert_eq!((output.stdout.as_str(), output.status), ("ok\n", Some(0)), "{output:#?}");
}

#[test]
fn a_setting_that_cannot_be_set_changes_nothing() {
    passes("errors");
}

#[test]
fn settings_change_while_others_copy() {
    passes("threads");
}

#[test]
fn stats_are_of_this_process_and_never_zeros_that_nothing_has_counted() {
    passes("stats");
}

#[test]
fn a_child_counts_from_zero() {
    if is_foreign() {
        let test = "c_api::configure::a_child_counts_from_zero";
        return skip(test, "qemu ignores madvise(MADV_WIPEONFORK)");
    }
    passes("fork");
}

#[test]
fn a_log_that_is_open_stays_the_same() {
    let linked = Linked::new("configures");
    let output = linked.run(["again"]).output();
    assert_eq!((output.stdout.as_str(), output.status), ("ok\n", Some(0)), "{output:#?}");
    let log = fs::read(linked.scratch.file("log")).unwrap();
    // The first, one of three in each round, and the last.
    assert_eq!(parse_text(&log, "").unwrap().calls, 102);
}

/// Runs `configures set WORDS` with these variables. Returns what it prints and its standard error.
fn set(words: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let linked = Linked::new("configures");
    let mut run = linked.run([&["set"], words].concat());
    for (variable, value) in variables {
        run = run.env(variable, value);
    }
    let output = run.ok();
    (output.stdout.strip_suffix("ok\n").unwrap().to_owned(), output.stderr)
}

#[test]
fn the_program_sets_what_the_environment_may_set() {
    let user = [("CFR_BACKEND", "emulate"), ("CFR_DIALECT", "linux"), ("CFR_LOG", "info")];
    // Without a word of the program's the environment decides.
    let (printed, log) = set(&[], &user);
    assert_eq!(printed, "linux-5.19 emulated error=0 flags=0\n1000\n");
    assert_eq!(log.matches(" copy_file_range(").count(), 2, "{log}");
    // The program's value wins.
    let (printed, log) = set(&["backend=kernel"], &user);
    assert_eq!(printed, "linux-5.19 kernel error=0 flags=0\n1000\n");
    assert_eq!(log.matches(" copy_file_range(").count(), 2, "{log}");
    // The environment may set nothing, before or after the program's own.
    for words in
        [["environment=none", "dialect=freebsd-14"], ["dialect=freebsd-14", "environment=none"]]
    {
        let (printed, log) = set(&words, &user);
        assert_eq!(printed, "freebsd-14 kernel error=0 flags=0\n1000\n", "{words:?}");
        assert_eq!(log, "", "{words:?}");
    }
    // It may set these.
    let (printed, log) = set(&["environment=log,backend"], &user);
    assert_eq!(printed, "extended emulated error=0 flags=0\n1000\n");
    assert_eq!(log.matches(" copy_file_range(").count(), 2, "{log}");
    // And all again.
    let (printed, _) = set(&["environment=none", "environment=all"], &user);
    assert_eq!(printed, "linux-5.19 emulated error=0 flags=0\n1000\n");
    // Faults of the user's.
    let faults = [("CFR_INJECT", "error=EIO")];
    assert_eq!(set(&[], &faults).0, "extended none error=5 flags=0\n-1\n");
    assert_eq!(set(&["environment=none"], &faults).0, "extended kernel error=0 flags=0\n1000\n");
    assert_eq!(
        set(&["environment=none", "environment=all"], &faults).0,
        "extended none error=5 flags=0\n-1\n"
    );
    // A value of the environment gives way to a contradicting one of the program.
    let flags = [("CFR_DEFAULT_FLAGS", "COPY_FR_COPY")];
    assert_eq!(set(&["dialect=linux"], &flags).0, "linux-5.19 kernel error=0 flags=0\n1000\n");
    assert_eq!(set(&["paths=no"], &flags).0.split_once(" error").unwrap().1, "=0 flags=1\n1000\n");
}

#[test]
fn a_program_logs_and_sums_up_by_its_own_settings() {
    let linked = Linked::new("configures");
    let words =
        ["set", "log=info", "log_file=own.%e", "log_format=json", "summary=sum", "log=loud"];
    let output = linked.run(words).ok();
    assert_eq!(output.stderr, "");
    assert!(output.stdout.starts_with("log: Invalid argument\nextended kernel"), "{output:#?}");
    let log = fs::read_to_string(linked.scratch.file("own.configures")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
    let summary = fs::read_to_string(linked.scratch.file("sum")).unwrap();
    assert!(summary.contains("\"calls\":2"), "{summary}");
    // A file that the environment names for a log that the program switches on.
    let variables = [("CFR_LOG_FILE", "relative")];
    let linked = Linked::new("configures");
    let mut run = linked.run(["set", "log=info"]);
    for (variable, value) in variables {
        run = run.env(variable, value);
    }
    run.ok();
    let log = fs::read(linked.scratch.file("relative")).unwrap();
    assert_eq!(parse_text(&log, "").unwrap().calls, 2);
}

/// What the launcher needs for its verdict is not the environment's.
#[test]
fn the_launcher_knows_that_a_program_has_switched_its_log_off() {
    if is_foreign() {
        let test = "c_api::configure::the_launcher_knows_that_a_program_has_switched_its_log_off";
        return skip(test, "the launcher is one of this machine");
    }
    let linked = Linked::new("configures");
    let trace = |words: &[&str]| {
        let program = linked.program();
        Run::bare(launcher())
            .args(["run", "--reach", "preload", "--expect", "calls=0", "--"])
            .args([program])
            .args(words)
            .env("LD_LIBRARY_PATH", linked.scratch.path())
            .within(linked.scratch.path())
            .output()
    };
    for words in [&["set"][..], &["set", "environment=none"]] {
        let output = trace(words);
        assert_eq!(output.status, Some(123), "{words:?}: {output:#?}");
    }
}

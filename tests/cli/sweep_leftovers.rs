//! `cfr sweep --check-failed` and `--check-files`: what a program leaves after a failure, and after
//! a success.

use super::sweep::{assert_rows, duplicate, matrix, object, scratch, sweep};
use cfr_testkit::{Output, Scratch, compile, skip, until};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;

/// Runs c-tests/drivers/what_is_left.c in new directories that have `a`, and with `old` also an older
/// `b`.
fn leftovers(scratch: &Scratch, way: &str, old: bool, options: &[&str]) -> Output {
    let _ = fs::remove_dir_all(scratch.file("from"));
    fs::create_dir(scratch.file("from")).unwrap();
    duplicate(&scratch.file("a"), &scratch.file("from/a"));
    if old {
        fs::write(scratch.file("from/b"), "old content").unwrap();
    }
    let all = [&["--fresh", "--from", "from", "--format", "json"], options];
    let faults: &[_] = if options.contains(&"--faults") { &[] } else { &["--faults", "EIO"] };
    let program = compile("drivers/what_is_left.c", "what_is_left", &[]);
    sweep(scratch, &[&all.concat(), faults].concat(), [program.as_os_str(), way.as_ref()]).output()
}

const FILES: [&str; 3] = ["--check-files", "a", "b"];

#[track_caller]
fn whys(report: &Value) -> Vec<&str> {
    let mut whys: Vec<_> = report["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["why"].as_str().unwrap())
        .collect();
    whys.dedup();
    whys
}

#[test]
fn files_are_right_after_every_failure_of_a_careful_program() {
    let scratch = scratch();
    for way in ["renames", "moves"] {
        for old in [false, true] {
            let output = leftovers(&scratch, way, old, &FILES);
            assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{way} {old}");
            let report = object(&output);
            assert_rows(&matrix(&report), "copy_file_range", &[("EIO", "failed")]);
            assert_eq!(
                (&report["checked"], &report["outcomes"]["damaged"]),
                (&true.into(), &0.into())
            );
            assert!(report["cases"][0]["files"].is_null());
        }
    }
}

#[test]
fn a_partial_target_after_a_failure_is_damage() {
    let scratch = scratch();
    let report = object(&leftovers(&scratch, "in_place", false, &FILES));
    let rows = [("EIO", "DAMAGED")];
    assert_rows(&matrix(&report), "copy_file_range", &rows);
    assert_eq!(
        whys(&report),
        [
            "exit status 1, but b is incomplete: 0 of 20000 bytes (--check-files)",
            "exit status 1, but b is incomplete: 5001 of 20000 bytes (--check-files)",
            "exit status 1, but b is incomplete: 15003 of 20000 bytes (--check-files)",
            "exit status 1, but b is incomplete: 0 of 20000 bytes (--check-files)",
            "exit status 1, but b is incomplete: 1650 of 20000 bytes (--check-files)",
            "exit status 1, but b is incomplete: 5000 of 20000 bytes (--check-files)",
        ]
    );
    assert_eq!(report["cases"][0]["files"], "b is incomplete: 0 of 20000 bytes");
    assert_eq!(report["bad"], 6);
    // The old content is lost.
    let output = leftovers(&scratch, "in_place", true, &FILES);
    assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
    assert_eq!(output.status, Some(1));
}

#[test]
fn a_source_that_a_failed_program_removes_or_truncates_is_damage() {
    let scratch = scratch();
    for (way, why) in [
        ("loses", "exit status 1, but a is gone (--check-files)"),
        (
            "rolls_back",
            "exit status 1, but a has changed: 0 bytes instead of 20000 (--check-files)",
        ),
    ] {
        let output = leftovers(&scratch, way, false, &FILES);
        assert_eq!(output.status, Some(1));
        let report = object(&output);
        assert_rows(&matrix(&report), "copy_file_range", &[("EIO", "DAMAGED")]);
        assert_eq!(whys(&report), [why]);
    }
}

#[test]
fn files_are_compared_after_a_success() {
    let scratch = scratch();
    let short = [&FILES[..], &["--faults", "short=7"]].concat();
    let program = compile("drivers/error_handling.c", "error_handling", &[]);
    let run = |options: &[&str], way: &str| {
        let words = [program.as_os_str(), way.as_ref()];
        object(&sweep(&scratch, options, words).output())
    };
    let options = [&short[..], &["--format", "json", "--setup", "rm -f b"]].concat();
    let report = run(&options, "careful");
    assert_rows(&matrix(&report), "copy_file_range", &[("short=7", "passed")]);
    let report = run(&options, "assumes");
    assert_rows(&matrix(&report), "copy_file_range", &[("short=7", "WRONG")]);
    let whys = whys(&report);
    assert_eq!(whys[0], "exit status 0, but b differs from a at offset 7 (--check-files)");
    assert_eq!(whys[2], "exit status 0, but b is incomplete: 15010 of 20000 bytes (--check-files)");
    // A moved file has its bytes at the other name.
    for way in ["renames", "moves"] {
        let output = leftovers(&scratch, way, true, &["--faults", "short=1", FILES[0], "a", "b"]);
        assert_eq!(object(&output)["outcomes"]["passed"], 5, "{output:#?}");
    }
}

#[test]
fn the_run_without_a_fault_must_pass_the_check_of_files() {
    let scratch = scratch();
    for (way, files, said) in [
        (
            "spoils",
            &FILES[..],
            "--check-files after the run without a fault failed: a has changed: 0 bytes instead of 20000",
        ),
        ("renames", &["--check-files", "a", "c"], "failed: c is missing"),
        ("renames", &["--check-files", "d", "b"], "--check-files: no file d before the run"),
        (
            "renames",
            &["--check-files", ".", "b"],
            "--check-files: cannot read .: not a regular file",
        ),
        (
            "renames",
            &["--check-files", "a", "./a"],
            "--check-files: a and ./a are the same file; expected a source and its target",
        ),
        ("renames", &["--check-files", "a"], "--check-files"),
        ("renames", &["--check-failed", "false"], ""),
    ] {
        let output = leftovers(&scratch, way, false, files);
        let status = if said.is_empty() { 1 } else { 125 };
        assert_eq!(output.status, Some(status), "{output:#?}");
        assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
    }
}

#[test]
fn a_link_to_the_source_is_no_copy() {
    let scratch = scratch();
    for link in ["ln -f a b", "ln -sf a b"] {
        let script = format!("cp a b || {link}");
        let options = [&FILES[..], &["--faults", "EIO", "--format", "json", "--setup", "rm -f b"]];
        let output =
            sweep(&scratch, &options.concat(), ["sh", "-c", script.as_str()].map(OsStr::new));
        let report = object(&output.output());
        let why = "exit status 0, but b is no copy: it is the file a (--check-files)";
        assert_eq!(whys(&report)[0], why, "{link}");
    }
}

/// Each run would find the others' target.
#[test]
fn runs_with_a_common_target_are_made_one_after_the_other() {
    let scratch = scratch();
    fs::create_dir(scratch.file("from")).unwrap();
    duplicate(&scratch.file("a"), &scratch.file("from/a"));
    let target = scratch.file("common").display().to_string();
    let lock = scratch.file("lock").display().to_string();
    let script = format!(
        "mkdir {lock} || exit 9; sleep .02; cp a {target} || {{ rm -f {target}; false; }}; s=$?; rmdir {lock}; exit $s"
    );
    for target in [target.as_str(), "../common"] {
        let options = ["--fresh", "--from", "from", "--check-files", "a", target];
        let run = |more: &[&str]| {
            let options = [&options[..], &["--faults", "EIO", "--format", "json"], more].concat();
            sweep(&scratch, &options, ["sh", "-c", script.as_str()].map(OsStr::new)).output()
        };
        if !target.starts_with('.') {
            let setup = format!("rm -f {target}");
            let output = run(&["--setup", &setup]);
            assert_eq!(object(&output)["bad"], 0);
            assert!(!output.stdout.contains("exit status 9"), "{output:#?}");
        }
        let output = run(&["-j", "2"]);
        let said = format!(
            "cfr: invalid value for -j: expected 1, because all runs have {target} in common \
             (--check-files)\n"
        );
        assert_eq!((output.status, output.stderr), (Some(125), said));
    }
}

/// Each pair is checked.
#[test]
fn several_pairs_of_files_are_checked() {
    let scratch = scratch();
    let setup = "cp a a2; cp a a3";
    let script = "cp a2 b2 && cp --reflink=never a b; cp a3 b3";
    let pairs = ["a", "b", "a2", "b2", "a3", "b3"];
    let pairs = pairs.chunks(2).flat_map(|pair| ["--check-files", pair[0], pair[1]]);
    let options = ["--fresh", "--from", "from", "--setup", setup, "--format", "json"];
    let options: Vec<_> = options.into_iter().chain(pairs).collect();
    leftovers(&scratch, "renames", false, &[]);
    let faults = [&options[..], &["--faults", "EIO", "--hooks", "copy_file_range"]].concat();
    let report = object(&sweep(&scratch, &faults, ["sh", "-c", script]).output());
    if report["cases"].as_array().is_none_or(Vec::is_empty) {
        return skip("cli::sweep_leftovers::several_pairs_of_files_are_checked", "no calls of cp");
    }
    // Each cp counts its own calls, so the first call of each fails.
    assert_eq!(report["cases"][0]["outcome"], "damaged");
    assert!(report["cases"][0]["files"].as_str().unwrap().starts_with("b2 "), "{report:#}");
}

#[test]
fn check_failed_runs_after_a_failure_only() {
    let scratch = scratch();
    let check = "test -e b && { echo b is there; exit 3; }; cmp a ../../a";
    let options = ["--faults", "EIO,short=9", "--check-failed", check];
    let output = leftovers(&scratch, "in_place", false, &options);
    let report = object(&output);
    let rows = [("EIO", "DAMAGED"), ("short=9", "passed")];
    assert_rows(&matrix(&report), "copy_file_range", &rows);
    assert_eq!(output.status, Some(1));
    let first = &report["cases"][0];
    assert_eq!(first["why"], "exit status 1, but --check-failed: exit status 3");
    assert_eq!(first["check"], 3);
    assert!(first["output"].as_str().unwrap().ends_with("b is there\n"), "{first:#}");
    assert_eq!(report["checked"], false, "a wrong copy counts as passed");
    let check = "test ! -e b && cmp a ../../a";
    let options = ["--faults", "EIO,short=9", "--check-failed", check];
    let output = leftovers(&scratch, "renames", false, &options);
    let rows = [("EIO", "failed"), ("short=9", "passed")];
    assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
    assert_eq!(output.status, Some(0));
}

/// A signal that the fault sends ends the program; a check has the time limit of a run.
#[test]
fn check_failed_runs_after_a_death_and_may_hang() {
    let scratch = scratch();
    let options = ["--faults", "signal", "--signal", "TERM", "--check-failed", "exit 1"];
    let report = object(&leftovers(&scratch, "renames", false, &options));
    assert_rows(&matrix(&report), "copy_file_range", &[("signal", "DAMAGED")]);
    assert_eq!(whys(&report), ["killed by SIGTERM, but --check-failed: exit status 1"]);
    let options = ["--timeout", "2", "--check-failed", "sleep 100"];
    let report = object(&leftovers(&scratch, "renames", false, &options));
    assert_rows(&matrix(&report), "copy_file_range", &[("EIO", "HUNG")]);
    assert_eq!(whys(&report), ["exit status 1; --check-failed: not finished after 2.0 s"]);
    until(|| fs::read_dir(scratch.file("tmp")).unwrap().next().is_none(), "nothing is left");
}

#[test]
fn damage_is_a_failure_in_junit_and_in_capitals_in_text() {
    let scratch = scratch();
    let program = compile("drivers/what_is_left.c", "what_is_left", &[]);
    let options = ["--setup", "rm -f b", "--faults", "EIO", "--junit", "x"];
    let options = [&options[..], &FILES].concat();
    let output = sweep(&scratch, &options, [program.as_os_str(), "in_place".as_ref()]).output();
    assert!(
        output.stdout.contains("\nEIO  DAMAGED  DAMAGED  DAMAGED  DAMAGED  DAMAGED  DAMAGED\n"),
        "{output:#?}"
    );
    assert!(output.stdout.contains(": 6 damaged; 6 bad, in capitals\n"), "{}", output.stdout);
    let said = "DAMAGED EIO at the second copy_file_range: exit status 1, but b is incomplete: 5001 of 20000 bytes";
    assert!(output.stdout.contains(said), "{}", output.stdout);
    assert!(!output.stdout.contains("Without --check"), "{}", output.stdout);
    let xml = fs::read_to_string(scratch.file("x")).unwrap();
    assert_eq!(xml.matches("<failure type=\"damaged\"").count(), 6, "{xml}");
}

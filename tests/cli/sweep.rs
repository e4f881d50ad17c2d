//! `cfr sweep`: what it reports of programs with known weaknesses, how it runs them, and what it
//! leaves.

use cfr_testkit::{
    Output, Run, Scratch, compile, compile_rust, find_program, launcher, library,
    read_foreign_json, read_json, skip, until,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// c-tests/drivers/error_handling.c.
fn copier() -> PathBuf {
    compile("drivers/error_handling.c", "error_handling", &[])
}

/// Creates a directory with a file `a` to copy, and one for temporary files.
pub(super) fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.random("a", 20_000);
    fs::create_dir(scratch.file("tmp")).unwrap();
    scratch
}

/// Prepares `cfr sweep` with these options and this command, in that directory.
pub(super) fn sweep<S: AsRef<OsStr>>(
    scratch: &Scratch,
    options: &[&str],
    command: impl IntoIterator<Item = S>,
) -> Run {
    let run = Run::bare(launcher()).args(["sweep"]).args(options).args(["--"]).args(command);
    run.within(scratch.path()).env("TMPDIR", scratch.file("tmp"))
}

/// Copies a program so that every user may execute it.
pub(super) fn duplicate(from: &Path, to: &Path) {
    fs::write(to, fs::read(from).unwrap()).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The options of most tests: parallel runs, each on a copy of `a`, and a check.
pub(super) fn fresh<'a>(scratch: &Scratch, more: &[&'a str]) -> Vec<&'a str> {
    fs::create_dir_all(scratch.file("from")).unwrap();
    duplicate(&scratch.file("a"), &scratch.file("from/a"));
    let all = ["--fresh", "--from", "from", "--check", "cmp a b", "--format", "json"];
    all.into_iter().chain(more.iter().copied()).collect()
}

#[track_caller]
pub(super) fn object(output: &Output) -> Value {
    read_json(&output.stdout)
}

/// Returns the outcomes of each fault, by position, of its only hook: `passed*3 wrong` is three
/// alike and another. Bad outcomes are in capitals.
pub(super) fn matrix(report: &Value) -> BTreeMap<String, Vec<String>> {
    let mut matrix: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for case in report["cases"].as_array().unwrap() {
        let outcome = case["outcome"].as_str().unwrap();
        let shown = if case["bad"] == true { outcome.to_uppercase() } else { outcome.to_owned() };
        let fault = case["fault"].as_str().unwrap();
        let hook = case["hook"].as_str().unwrap();
        matrix.entry(format!("{fault} {hook}")).or_default().push(shown);
    }
    matrix
}

/// Checks that the rows of these faults all have this outcome.
#[track_caller]
pub(super) fn assert_rows(
    matrix: &BTreeMap<String, Vec<String>>,
    hook: &str,
    rows: &[(&str, &str)],
) {
    for (faults, outcomes) in rows {
        for fault in faults.split(' ') {
            let row = matrix.get(&format!("{fault} {hook}")).unwrap_or_else(|| panic!("{fault}"));
            let outcomes: Vec<_> = outcomes.split(' ').collect();
            assert!(
                row == &outcomes || outcomes.len() == 1 && row.iter().all(|one| one == outcomes[0]),
                "{fault}: {row:?}, and not {outcomes:?}"
            );
        }
    }
}

const ENDS: &str = "EIO ENOSPC EDQUOT EFBIG ENOMEM EOVERFLOW ETXTBSY EBADF EACCES EISDIR EAGAIN";
const FALLBACKS: &str = "ENOSYS EXDEV EOPNOTSUPP EPERM EINVAL";
const PARTS: &str = "short=1 short=50% zero signal";

// Programs with known weaknesses.

#[test]
fn a_program_that_handles_every_fault_passes() {
    let scratch = scratch();
    let output = sweep(&scratch, &fresh(&scratch, &[]), [copier()]).output();
    let report = object(&output);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""));
    let rows = [(FALLBACKS, "passed"), (PARTS, "passed"), (ENDS, "failed"), ("EINTR", "passed")];
    assert_rows(&matrix(&report), "copy_file_range", &rows);
    assert_eq!(report["baseline"]["hooks"][0]["calls"], 4);
    // First, second, last, all, middle and end; EINTR, EAGAIN and short=1 not at every call.
    assert_eq!(report["cases"].as_array().unwrap().len(), 21 * 6 - 3);
    assert_eq!(report["outcomes"]["passed"], 58);
    assert_eq!(report["outcomes"]["failed"], 65);
    assert_eq!(report["bad"], 0);
    for case in report["cases"].as_array().unwrap() {
        let call = match case["position"].as_str().unwrap() {
            "first" => Value::from(1),
            "second" | "middle" => Value::from(2),
            "end" => Value::from(3),
            "last" => Value::from(4),
            _ => Value::Null,
        };
        assert_eq!(case["call"], call, "{case:#}");
        assert!(case["injected"].as_u64() >= Some(1), "{case:#}");
    }
    assert_left_nothing(&scratch);
}

#[test]
fn a_program_that_ignores_short_counts_is_wrong() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "assumes".as_ref()];
    let output = sweep(&scratch, &fresh(&scratch, &[]), words).output();
    assert_eq!(output.status, Some(1));
    let report = object(&output);
    let rows = [(PARTS, "WRONG"), (ENDS, "failed"), (FALLBACKS, "failed"), ("EINTR", "failed")];
    assert_rows(&matrix(&report), "copy_file_range", &rows);
    assert_eq!(report["bad"], 23);
    // The faults have the same effect without the sweep.
    for case in report["cases"].as_array().unwrap().iter().filter(|case| case["bad"] == true) {
        let faults = case["inject"].as_str().unwrap();
        let _ = fs::remove_file(scratch.file("b"));
        let run = Run::bare(launcher()).args(["run", "--inject", faults, "--"]).args(words);
        assert_eq!(run.within(scratch.path()).output().status, Some(0), "{case:#}");
        let [a, b] = ["a", "b"].map(|name| fs::read(scratch.file(name)).unwrap());
        assert!(a != b, "{case:#}");
    }
}

#[test]
fn a_program_that_repeats_for_ever_hangs() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "insists".as_ref()];
    let options = fresh(&scratch, &["--faults", "zero,short", "--timeout", "5"]);
    let output = sweep(&scratch, &options, words).output();
    let rows =
        [("short=1 short=50%", "passed"), ("zero", "passed passed passed HUNG passed passed")];
    assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
    assert_eq!(output.status, Some(1));
    assert_left_nothing(&scratch);
}

/// Also if a shell reports it.
#[test]
fn a_program_that_crashes_is_reported() {
    let scratch = scratch();
    let program = copier();
    let script = format!("{} aborts; exit $?", program.display());
    let direct = [program.as_os_str(), "aborts".as_ref()];
    let by_shell = ["sh", "-c", &script].map(OsStr::new);
    for words in [&direct[..], &by_shell[..]] {
        let options = fresh(&scratch, &["--faults", "EIO,EXDEV,short"]);
        let output = sweep(&scratch, &options, words).output();
        let rows = [("EIO", "CRASHED"), ("EXDEV short=1 short=50%", "passed")];
        assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
        assert_eq!(output.status, Some(1));
    }
}

#[test]
fn a_program_that_stops_at_eintr_is_wrong() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "interrupted".as_ref()];
    let options = fresh(&scratch, &["--faults", "EINTR,EIO,signal"]);
    let output = sweep(&scratch, &options, words).output();
    let rows = [("EINTR", "WRONG"), ("EIO", "failed"), ("signal", "passed")];
    assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
}

/// The signal was asked for: the program has not crashed.
#[test]
fn a_death_by_an_injected_signal_is_not_a_crash() {
    let scratch = scratch();
    let options = fresh(&scratch, &["--faults", "signal,EINTR", "--signal", "TERM"]);
    let report = object(&sweep(&scratch, &options, [copier()]).output());
    assert_rows(&matrix(&report), "copy_file_range", &[("signal EINTR", "failed")]);
    assert_eq!(report["cases"][0]["signal"], "SIGTERM");
}

#[test]
fn a_program_that_no_longer_makes_the_call_is_missed() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "once".as_ref()];
    let options = ["--faults", "EIO,short", "--format", "json"];
    let output = sweep(&scratch, &options, words).output();
    let rows = [("EIO short=1 short=50%", "missed")];
    assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
    assert_eq!(output.status, Some(0));
    // It copies again if its file is removed before each run.
    let options = [&options[..], &["--setup", "rm -f b"]].concat();
    let output = sweep(&scratch, &options, words).output();
    let rows = [("EIO", "failed"), ("short=1 short=50%", "passed")];
    assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
}

#[test]
fn must_pass_makes_failing_cases_bad() {
    let scratch = scratch();
    let bad = |list| {
        let options = fresh(&scratch, &["--faults", "ENOSYS,EIO,short", "--must-pass", list]);
        let output = sweep(&scratch, &options, [copier()]).output();
        let report = object(&output);
        assert_eq!(output.status, Some(if report["bad"] == 0 { 0 } else { 1 }));
        report["bad"].as_u64().unwrap()
    };
    assert_eq!(bad("ENOSYS,short"), 0);
    // After a part of a copy it may fail.
    assert_eq!(bad("EIO"), 4);
    assert_eq!(bad("all"), 4);
}

/// A fault that the program must pass proves nothing if it meets no call.
#[test]
fn must_pass_of_a_fault_that_met_no_call_is_an_error() {
    let scratch = scratch();
    let output = sweep(&scratch, &fresh(&scratch, &["--must-pass", "ESPIPE"]), [copier()]).output();
    let said = "cfr: --must-pass ESPIPE proves nothing: no call of the program can have this result, so it was not tried\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(125), said));
    assert_eq!(object(&output)["bad"], 0);
    let program = copier();
    let words = [program.as_os_str(), "once".as_ref()];
    let options = ["--faults", "EIO,short", "--must-pass", "short"];
    let output = sweep(&scratch, &options, words).output();
    let said = "cfr: --must-pass short proves nothing: the fault applied to no call\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(125), said));
    let passes = sweep(&scratch, &[&options[..], &["--setup", "rm -f b"]].concat(), words);
    assert_eq!(passes.output().status, Some(0));
}

// Real programs.

#[test]
fn gnu_cp_falls_back_before_the_first_byte_only() {
    let scratch = scratch();
    let version = Run::bare("cp").args(["--version"]).output().stdout;
    if !version.contains("GNU coreutils") {
        return skip("cli::sweep::gnu_cp_falls_back_before_the_first_byte_only", "cp is not GNU's");
    }
    let report = object(&sweep(&scratch, &fresh(&scratch, &[]), ["cp", "a", "b"]).output());
    let matrix = matrix(&report);
    if !matrix.contains_key("EIO copy_file_range") {
        return skip(
            "cli::sweep::gnu_cp_falls_back_before_the_first_byte_only",
            "cp does not call copy_file_range here",
        );
    }
    // It copies in another way after these errors, and after a 0 before the first byte. A 0 after it
    // is the end of the file for cp.
    for fault in ["ENOSYS", "EXDEV", "EOPNOTSUPP", "EINVAL", "zero"] {
        assert_eq!(matrix[&format!("{fault} copy_file_range")][0], "passed", "{matrix:?}");
    }
    let rows =
        [("short=1 short=50% signal", "passed"), ("EIO EACCES EAGAIN ENOSPC ENOMEM", "failed")];
    assert_rows(&matrix, "copy_file_range", &rows);
    assert_eq!(matrix["EPERM copy_file_range"][0], "passed");
    // A reflink is all or nothing, and is not interrupted.
    assert!(matrix.contains_key("EXDEV ioctl"), "{matrix:?}");
    for fault in PARTS.split(' ').chain(["EINTR"]) {
        assert!(!matrix.contains_key(&format!("{fault} ioctl")), "{matrix:?}");
    }
    let bad = report["cases"].as_array().unwrap().iter().filter(|case| case["bad"] == true);
    let bad: Vec<_> = bad.map(|case| case["id"].as_str().unwrap()).collect();
    assert_eq!(bad, ["zero@copy_file_range:middle", "zero@copy_file_range:end"]);
}

#[test]
fn rusts_fs_copy_handles_missing_calls_and_short_counts() {
    let scratch = scratch();
    let program = compile_rust("fs_copy");
    let words = [program.as_os_str(), "a".as_ref(), "b".as_ref()];
    let report = object(&sweep(&scratch, &fresh(&scratch, &[]), words).output());
    let matrix = matrix(&report);
    for fault in ["ENOSYS", "EXDEV", "EINVAL", "short=1", "short=50%"] {
        assert_eq!(matrix[&format!("{fault} copy_file_range")][0], "passed", "{matrix:?}");
    }
    for fault in ["EINTR", "EIO", "EACCES"] {
        assert_eq!(matrix[&format!("{fault} copy_file_range")][0], "failed", "{matrix:?}");
    }
}

/// Several processes that copy different numbers of times.
#[test]
fn every_hook_and_process_has_its_cases() {
    let scratch = scratch();
    if find_program("python3").is_none() {
        return skip(
            "cli::sweep::every_hook_and_process_has_its_cases",
            "python3 is not installed",
        );
    }
    let send = "import os; s, t = os.open('a', 0), os.open('b', os.O_WRONLY | os.O_CREAT); [os.sendfile(t, s, None, 5000) for _ in range(4)]";
    let script = format!("python3 -c \"{send}\"; cat a > c; {} careful", copier().display());
    let options = fresh(&scratch, &["--list"]);
    let list = object(&sweep(&scratch, &options, ["sh", "-c", &script]).output());
    let hooks = &list["baseline"]["hooks"];
    let calls = |name: &str| {
        let mut hooks = hooks
            .as_array()
            .unwrap()
            .iter()
            .filter(|hook| hook["hook"].as_str().unwrap().trim_end_matches("64") == name);
        hooks.next().unwrap_or_else(|| panic!("{name}: {hooks:?}"))["calls"].as_u64().unwrap()
    };
    assert_eq!((calls("sendfile"), calls("copy_file_range")), (4, 4), "{hooks:#}");
    let cases = list["cases"].as_array().unwrap();
    let last = cases
        .iter()
        .find(|case| case["fault"] == "ESPIPE" && case["position"] == "last" && case["call"] == 4);
    let hook = last.unwrap()["hook"].as_str().unwrap();
    assert_eq!(last.unwrap()["inject"], format!("error=ESPIPE:hook={hook}:when=4"));
    assert!(last.unwrap()["outcome"].is_null(), "nothing was tried");
}

// How it runs them.

/// Removes the times and the command lines, which differ.
fn without_times(mut report: Value) -> Value {
    let timeless = |object: &mut Value| {
        let is_kept = |key: &str| !key.ends_with("_ns") && key != "reproduce";
        object.as_object_mut().unwrap().retain(|key, _| is_kept(key));
    };
    timeless(&mut report);
    timeless(&mut report["baseline"]);
    report["cases"].as_array_mut().unwrap().iter_mut().for_each(timeless);
    report
}

#[test]
fn a_parallel_sweep_has_the_results_of_a_sequential_one() {
    let scratch = scratch();
    let program = copier();
    for way in ["careful", "assumes", "says"] {
        let words = [program.as_os_str(), way.as_ref()];
        let run = |options: &[&str]| {
            let output = sweep(&scratch, options, words).output();
            (output.status, without_times(object(&output)))
        };
        let one = run(&fresh(&scratch, &["-j", "1"]));
        assert_eq!(run(&fresh(&scratch, &["-j", "8"])), one, "{way}");
        let here = ["--setup", "rm -f b", "--check", "cmp a b", "--format", "json"];
        assert_eq!(run(&here), one, "{way}");
    }
}

#[test]
fn each_case_runs_in_a_directory_of_its_own() {
    let scratch = scratch();
    fresh(&scratch, &[]);
    // A program in the new directory, and one in the current directory; relative paths are
    // resolved here.
    duplicate(&copier(), &scratch.file("from/inner"));
    duplicate(&copier(), &scratch.file("outer"));
    let options = ["--fresh", "--from", "from", "--faults", "EIO", "--format", "json"];
    let inner = object(&sweep(&scratch, &options, ["./inner"]).output());
    let outer = object(&sweep(&scratch, &options, ["./outer"]).output());
    for report in [&inner, &outer] {
        assert_eq!(report["outcomes"]["failed"], 6, "{report:#}");
    }
    assert!(!scratch.file("b").exists(), "something ran here");
    // Whether the directories are new, and have what the setup makes.
    let setup = "test ! -e b && test ! -e seen && echo \"$LD_PRELOAD\" > seen && pwd >> ../places";
    let check = "test \"$(cat seen)\" = '' && test \"$PWD\" != \"$OLD\" && cmp a b";
    let options = fresh(&scratch, &["--setup", setup, "--faults", "ENOSYS"]);
    let options: Vec<_> =
        options.into_iter().map(|word| if word == "cmp a b" { check } else { word }).collect();
    let run = sweep(&scratch, &options, [copier()]).env("OLD", scratch.path());
    let output = run.env("LD_PRELOAD", library()).output();
    assert_eq!(object(&output)["outcomes"]["passed"], 6, "{output:#?}");
    let places = fs::read_to_string(scratch.file("tmp/places")).unwrap();
    let mut places: Vec<_> = places.lines().collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 7, "{places:?}");
    fs::remove_file(scratch.file("tmp/places")).unwrap();
    assert_left_nothing(&scratch);
}

#[test]
fn keep_keeps_the_directories_of_bad_cases() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "assumes".as_ref()];
    let options = fresh(&scratch, &["--keep", "--faults", "EIO,zero"]);
    let report = object(&sweep(&scratch, &options, words).output());
    let kept = fs::read_dir(scratch.file("tmp")).unwrap().count();
    assert_eq!(kept, 6);
    for case in report["cases"].as_array().unwrap() {
        let directory = case["directory"].as_str();
        assert_eq!(directory.is_some(), case["bad"] == true, "{case:#}");
        if let Some(directory) = directory {
            let directory = Path::new(directory);
            let [a, b] = ["a", "b"].map(|name| fs::read(directory.join(name)).unwrap());
            assert_ne!(a, b);
        }
    }
    let options: Vec<_> =
        options.into_iter().map(|word| if word == "json" { "text" } else { word }).collect();
    let output = sweep(&scratch, &options, words).output();
    assert_eq!(output.stdout.matches("\n    kept: /").count(), 6, "{}", output.stdout);
}

/// And the command that reproduces a case has them.
#[test]
fn the_settings_of_the_library_pass_through() {
    let scratch = scratch();
    let options = fresh(&scratch, &["--backend", "emulate", "--faults", "EIO,short"]);
    let run = sweep(&scratch, &options, [copier()]).env("CFR_LOG_FILE", scratch.file("log"));
    let output = run.env("CFR_INJECT", "delay_exit=1us").output();
    let rows = [("EIO", "failed"), ("short=1 short=50%", "passed")];
    let report = object(&output);
    assert_rows(&matrix(&report), "copy_file_range", &rows);
    let again = report["cases"][0]["reproduce"].as_str().unwrap();
    let all = "cfr sweep --check 'cmp a b' --fresh --from from --backend emulate --only EIO@";
    assert!(again.starts_with(all), "{again}");
    assert_eq!(output.stderr, "");
    assert!(!scratch.file("log").exists(), "a log of hundreds of runs");
    // Faults at hooks that are not watched have no effect.
    let options = fresh(&scratch, &["--hooks", "ioctl"]);
    let output = sweep(&scratch, &options, [copier()]).output();
    assert_eq!(output.status, Some(125));
    assert!(output.stderr.contains("watched hook (--hooks)"), "{}", output.stderr);
}

// What it prints.

#[test]
fn the_text_is_a_table_of_faults_and_positions() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "assumes".as_ref()];
    let options = ["--setup", "rm -f b", "--check", "cmp a b", "--faults", "EIO,short=1"];
    let output = sweep(&scratch, &options, words).output();
    let lines: Vec<_> = output.stdout.lines().collect();
    let table = [
        "         copy_file_range",
        "         first   second  last    every   middle  end",
        "EIO      failed  failed  failed  failed  failed  failed",
        "short=1  WRONG   WRONG   WRONG   -       WRONG   WRONG",
        "",
    ];
    assert_eq!(lines[..5], table);
    assert!(lines[5].starts_with("11 cases in ") && lines[5].ends_with("; 5 bad, in capitals"));
    let again = format!(
        "    cfr sweep --check 'cmp a b' --setup 'rm -f b' --only short=1@copy_file_range:second -- {} assumes",
        program.display()
    );
    let at = lines.iter().position(|line| *line == again).expect("a command line");
    assert_eq!(
        lines[at - 1],
        "WRONG short=1 at the second copy_file_range: exit status 0, but --check: exit status 1"
    );
    assert_eq!(lines[at + 1], "    faults: short=1:hook=copy_file_range:when=2");
    assert!(lines[at + 2].starts_with("    | a b differ"), "{lines:#?}");
    assert!(!output.stdout.contains("Without --check"));
    let output = sweep(&scratch, &["--faults", "EIO"], words).output();
    assert!(output.stdout.contains("\nWithout --check or --check-files, "), "{}", output.stdout);
    assert_eq!(output.status, Some(0));
    // The cases alone.
    let output = sweep(&scratch, &["--faults", "EIO,EINTR", "--list"], words).output();
    let hook = "hook=copy_file_range";
    let (eio, eintr) = (format!("error=EIO:{hook}"), format!("error=EINTR:signal=SIGURG:{hook}"));
    let third = format!("short=33%:{hook}:when=1");
    let half = format!("short=50%:{hook}:when=1..2");
    let expected = [
        ("EIO@copy_file_range:first", format!("{eio}:when=1")),
        ("EIO@copy_file_range:second", format!("{eio}:when=2")),
        ("EIO@copy_file_range:last", format!("{eio}:when=4")),
        ("EIO@copy_file_range:every", eio.clone()),
        ("EIO@copy_file_range:middle", format!("{eio}:when=2;{third}")),
        ("EIO@copy_file_range:end", format!("{eio}:when=3;{half}")),
        ("EINTR@copy_file_range:first", format!("{eintr}:when=1")),
        ("EINTR@copy_file_range:second", format!("{eintr}:when=2")),
        ("EINTR@copy_file_range:last", format!("{eintr}:when=4")),
        ("EINTR@copy_file_range:middle", format!("{eintr}:when=2;{third}")),
        ("EINTR@copy_file_range:end", format!("{eintr}:when=3;{half}")),
    ];
    let listed: Vec<_> = output.stdout.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(listed.len(), expected.len(), "{}", output.stdout);
    for ((id, faults), (expected, as_injected)) in listed.into_iter().zip(expected) {
        assert_eq!((id, faults.trim_start()), (expected, as_injected.as_str()));
    }
    // Some of them.
    let options = ["--only", "EINTR@copy_file_range:end", "--only", "EIO@copy_file_range:last"];
    let output = sweep(&scratch, &[&options[..], &["--list"]].concat(), words).output();
    let ids: Vec<_> = output.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(ids, ["EINTR@copy_file_range:end", "EIO@copy_file_range:last"]);
}

/// Nothing that the program prints breaks a format or commands a terminal.
#[test]
fn text_json_and_junit_are_written_in_one_run() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "says".as_ref(), "\u{1b}]<&\n\u{202e}'".as_ref()];
    let options = fresh(
        &scratch,
        &["--faults", "EIO,short,zero", "--must-pass", "EIO", "--json", "j", "--junit", "x"],
    );
    let options: Vec<_> =
        options.into_iter().map(|word| if word == "json" { "text" } else { word }).collect();
    let output = sweep(&scratch, &options, words).output();
    assert_eq!(output.status, Some(1), "{output:#?}");
    assert!(output.stdout.contains("| \\u{1b}[2J<&>]]>\"'\\u{1}\u{fffd}"), "{}", output.stdout);
    let json = fs::read_to_string(scratch.file("j")).unwrap();
    for text in [&output.stdout, &json] {
        let harmful = |character: char| character.is_control() && character != '\n';
        assert!(!text.contains(harmful) && !text.contains('\u{202e}'), "{text:?}");
    }
    let report = read_json(&json);
    assert_eq!(report["bad"], 4);
    let said = report["cases"][0]["output"].as_str().unwrap();
    assert!(said.contains("\u{1b}[2J<&>]]>\"'\u{1}"), "{said:?}");
    if find_program("python3").is_none() {
        return skip(
            "cli::sweep::text_json_and_junit_are_written_in_one_run",
            "python3 is not installed",
        );
    }
    let reader = "import json, sys, xml.etree.ElementTree as tree
root = tree.parse('x').getroot()
suite, = root
cases = [[c.get('classname'), c.get('name'), float(c.get('time')) >= 0, [(e.tag, e.get('type')) for e in c], ''.join(c.itertext())] for c in suite]
print(json.dumps([root.tag, [int(suite.get(k)) for k in ('tests', 'failures', 'errors', 'skipped')], cases]))";
    let output = Run::bare("python3").args(["-c", reader]).within(scratch.path()).ok();
    let read = read_foreign_json(&output.stdout);
    assert_eq!(read[0], "testsuites");
    assert_eq!(read[1], serde_json::json!([23, 4, 0, 0]));
    let cases = read[2].as_array().unwrap();
    for (test, case) in cases.iter().zip(report["cases"].as_array().unwrap()) {
        assert_eq!(test[0], "error_handling.copy_file_range");
        let name = test[1].as_str().unwrap();
        assert!(name.starts_with(case["fault"].as_str().unwrap()), "{name}");
        let children = test[3].as_array().unwrap();
        let is_failure = children.contains(&serde_json::json!(["failure", "failed"]));
        assert_eq!(is_failure, case["bad"] == true, "{test:#}");
        let text = test[4].as_str().unwrap();
        let has_failed = case["outcome"] == "failed";
        assert_eq!(text.contains("\\u{1b}[2J<&>]]>\"'\\u{1}"), has_failed, "{text:?}");
    }
}

/// Hung and crashed cases are errors in JUnit, missed ones are skipped.
#[test]
fn junit_has_errors_for_hangs_and_crashes_and_skips_for_missed_cases() {
    let scratch = scratch();
    let program = copier();
    for (way, options, element) in [
        ("aborts", &["--setup", "rm -f b"][..], "<error type=\"crashed\""),
        ("waits", &["--setup", "rm -f b", "--timeout", "2"], "<error type=\"hung\""),
        ("once", &[], "<skipped message=\"the fault applied to no call\"/>"),
    ] {
        let more = ["--faults", "EIO", "--junit", "x"];
        let options = [options, &more].concat();
        sweep(&scratch, &options, [program.as_os_str(), way.as_ref()]).output();
        let xml = fs::read_to_string(scratch.file("x")).unwrap();
        assert_eq!(xml.matches(element).count(), 6, "{xml}");
        let _ = fs::remove_file(scratch.file("b"));
    }
}

#[test]
fn a_terminal_shows_a_progress_line() {
    const TEST: &str = "cli::sweep::a_terminal_shows_a_progress_line";
    let scratch = scratch();
    let Some(script) = find_program("script") else {
        return skip(TEST, "script is not installed");
    };
    fresh(&scratch, &[]);
    let command = format!(
        "stty cols 100; {} sweep --fresh --from from --check 'cmp a b' --faults zero,EIO -- {} assumes > table",
        launcher().display(),
        copier().display()
    );
    let run = Run::bare(script).args(["-qec", &command, "/dev/null"]).within(scratch.path());
    let all = run.output().stdout;
    let lines: Vec<_> = all.split("\r\u{1b}[K").skip(1).collect();
    assert!(
        lines.iter().any(|line| line.starts_with("[....................] 0/12, 0 bad")),
        "{all:?}"
    );
    let last = lines.iter().rfind(|line| line.starts_with('[')).unwrap();
    assert!(last.starts_with("[####################] 12/12, 6 bad, 0:00 left"), "{all:?}");
    assert_eq!(lines.last(), Some(&""), "the line is gone: {all:?}");
}

// What does not start.

#[test]
fn a_failing_baseline_ends_the_sweep() {
    let scratch = scratch();
    let program = copier();
    let program = program.to_str().unwrap();
    for (options, words, status, said) in [
        (&[][..], &["false"][..], 125, "the run without a fault failed: exit status 1"),
        (&[], &["sh", "-c", "echo no file >&2; exit 3"], 125, "exit status 3\n    no file\n"),
        (&[], &["sh", "-c", "kill -SEGV $$"], 125, "killed by SIGSEGV"),
        (&["--timeout", "0.3"], &["sleep", "100"], 125, "not finished after 0.3 s"),
        (&["--check", "cmp a c"], &[program], 125, "--check after the run without a fault failed"),
        (
            &["--setup", "echo no room; exit 9"],
            &[program],
            125,
            "--setup failed: exit status 9\n    no room",
        ),
        (&[], &["true"], 125, "no call that a fault could hit: no copy was "),
        (&["--faults", "zero"], &["sh", "-c", "exit 0"], 125, "no call that a fault could hit"),
        (&[], &["./missing"], 127, "no such program"),
        (&[], &["/dev/null"], 126, "not a regular file"),
        (&["-j", "4"], &["cp"], 125, "-j needs --fresh: without it the runs are in one directory"),
        (&["--from", "from"], &["cp"], 125, "--from needs --fresh: without it "),
        (&["--keep"], &["cp"], 125, "--keep needs --fresh: without it "),
        (&["--faults", "short=5:when=2"], &["cp"], 125, "invalid value 'short=5:when=2'"),
        (&["--faults", "short=100%"], &["cp"], 125, "short=N% (1 to 99)"),
        (&["--faults", "short=0"], &["cp"], 125, "invalid value 'short=0' for --faults"),
        (&["--faults", "short=5;zero"], &["cp"], 125, "invalid value 'short=5;zero'"),
        (&["--only", "EIO"], &[program], 125, "expected FAULT@HOOK:POSITION as in the report"),
        (
            &["--only", "EIO@read:first"],
            &[program],
            125,
            "invalid value 'EIO@read:first' for --only",
        ),
        (&["--only", "short@ioctl:first"], &[program], 125, "invalid value 'short@ioctl:first'"),
        (
            &["--only", "EIO@ioctl:first"],
            &[program],
            125,
            "--only EIO@ioctl:first: the program has no call for EIO@ioctl:first; --list prints the cases",
        ),
        (&["--only", "EIO@ioctl:first", "--faults", "EIO"], &["cp"], 125, "--faults"),
        (&["--inject", "eror=EIO"], &["cp"], 125, "invalid value 'eror=EIO' for --inject"),
        (
            &["--inject", &"zero;".repeat(11)],
            &["cp"],
            125,
            "expected at most 10, because a case adds up to 6",
        ),
        (
            &["--inject", "error=EIO"],
            &[program],
            125,
            "the run with only the faults of --inject and --profile failed: exit status 1",
        ),
        (&["--profile", "vms"], &["cp"], 125, "invalid profile 'vms': expected "),
        (
            &["--faults", "EIO,short", "--must-pass", "EIO,EXDEV"],
            &["cp"],
            125,
            "--must-pass EXDEV: --faults does not have this fault, so it is not tried",
        ),
        (
            &["--faults", "EFOO"],
            &["cp"],
            125,
            "invalid value 'EFOO' for --faults: expected one or more of short, short=BYTES, ",
        ),
        (&["--faults", "EIO,short=x"], &["cp"], 125, "invalid value 'short=x' for --faults"),
        (&["--must-pass", ""], &["cp"], 125, "invalid value '' for --must-pass"),
        (&["--faults", ""], &["cp"], 125, "invalid value '' for --faults: expected one or more of"),
        (&["--signal", "SIGNOPE"], &["cp"], 125, "invalid value 'SIGNOPE' for --signal: expected "),
        (&["--timeout", "0"], &["cp"], 125, "expected seconds, or a number with a unit"),
        (&["--timeout", "-1"], &["cp"], 125, "--timeout"),
        (&["--junit", "no/x"], &["cp"], 125, "cannot write no/x: No such file or directory"),
        (
            &["--json", "x", "--junit", "./x"],
            &["cp"],
            125,
            "--json and --junit name the same file, ./x: expected two files",
        ),
        (
            &["--dialect", "dos"],
            &["cp"],
            125,
            "invalid value 'dos' for --dialect: expected extended, ",
        ),
    ] {
        let output = sweep(&scratch, options, words).output();
        assert_eq!(output.status, Some(status), "{options:?} {words:?}: {output:#?}");
        assert!(output.stderr.contains(said), "{options:?} {words:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{words:?}");
    }
    // An old or an empty report must not be taken for this sweep's.
    scratch.write("report", b"the last one's");
    let options = ["--json", "report", "--junit", "new"];
    assert_eq!(sweep(&scratch, &options, ["false"]).output().status, Some(125));
    assert!(!scratch.file("report").exists() && !scratch.file("new").exists());
    let output = sweep(&scratch, &[], ["sh", "-c", "printf '\\033[2J'; exit 1"]).output();
    assert!(output.stderr.ends_with("\n    \\u{1b}[2J\n"), "{}", output.stderr);
}

#[test]
fn a_missing_directory_for_temporary_files_is_named_once() {
    let scratch = scratch();
    let missing = scratch.file("missing");
    let shown = missing.display();
    for (options, what) in [(&["--fresh"][..], "a directory"), (&[], "a log")] {
        let run = sweep(&scratch, options, ["cp", "a", "b"]).env("TMPDIR", &missing);
        let output = run.output();
        let said =
            format!("cfr: cannot create {what} in {shown}: No such file or directory (ENOENT)\n");
        assert_eq!((output.status, output.stderr), (Some(125), said), "{options:?}");
    }
}

// What it leaves.

/// Returns the processes that run in this directory or below.
fn processes_in(directory: &Path) -> Vec<String> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.parse::<u32>().ok()
    });
    let there = numbers.filter(|pid| {
        let place = fs::read_link(format!("/proc/{pid}/cwd"));
        place.is_ok_and(|place| place.starts_with(directory))
    });
    there
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

#[track_caller]
fn assert_left_nothing(scratch: &Scratch) {
    let tmp = scratch.file("tmp");
    let left: Vec<_> = fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    // A killed process may still be ending.
    until(|| processes_in(&tmp).is_empty(), "no process is left");
}

/// With all processes that it has started.
#[test]
fn a_hung_program_is_killed_with_its_children() {
    let scratch = scratch();
    let program = copier();
    let words = [program.as_os_str(), "waits".as_ref()];
    let options = fresh(&scratch, &["--faults", "EIO", "--timeout", "2"]);
    let report = object(&sweep(&scratch, &options, words).output());
    assert_eq!(report["outcomes"]["hung"], 6);
    assert_left_nothing(&scratch);
}

#[test]
fn a_signal_leaves_no_process_and_no_file() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let scratch = scratch();
        let program = copier();
        let words = [program.as_os_str(), "waits".as_ref()];
        let options = fresh(&scratch, &["--faults", "EIO", "--timeout", "5m", "-j", "3"]);
        let running = sweep(&scratch, &options, words).start();
        let tmp = scratch.file("tmp");
        until(|| processes_in(&tmp).len() == 6, "three runs, each with a child");
        running.send(signal);
        assert_eq!(running.output().signal, Some(signal));
        assert_left_nothing(&scratch);
    }
}

/// With SIGCHLD ignored, the kernel reaps the children.
#[test]
fn a_sweep_runs_with_signals_ignored() {
    let scratch = scratch();
    let options = fresh(&scratch, &["--faults", "EIO,zero"]).join("' '");
    let script = format!(
        "trap '' CHLD PIPE XFSZ; exec \"$CFR\" sweep '{options}' -- {}",
        copier().display()
    );
    let run = Run::bare("bash").args(["-c", &script]).env("CFR", launcher());
    let output = run.within(scratch.path()).env("TMPDIR", scratch.file("tmp")).output();
    let rows = [("EIO", "failed"), ("zero", "passed")];
    assert_rows(&matrix(&object(&output)), "copy_file_range", &rows);
}

/// The cases that have ended are reported, and the sweep ends by the signal.
#[test]
fn an_interrupted_sweep_reports_what_has_ended() {
    for (signal, name) in [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM")] {
        let scratch = Scratch::new();
        scratch.random("a", 50_000);
        // The third run, of the second case, hangs.
        let script = "cp a b; n=$(cat n 2>&- || echo 0); echo $((n+1)) > n; \
                      [ $n -lt 2 ] || { echo $$ > hangs; exec sleep 600; }";
        let files = ["--json", "report.json", "--junit", "report.xml", "--html", "report.html"];
        let faults = ["--faults", "EINTR,EINVAL", "--timeout", "600"];
        let run = Run::bare(launcher()).args(["sweep"]).args(files).args(faults);
        let running = run.args(["--", "sh", "-c", script]).within(scratch.path()).start();
        until(|| scratch.file("hangs").exists(), "the second case hangs");
        running.send(signal);
        let output = running.output();
        assert_eq!((output.signal, output.stderr.as_str()), (Some(signal), ""), "{output:#?}");
        let text = |file: &str| fs::read_to_string(scratch.file(file)).unwrap();
        let report = read_json(&text("report.json"));
        assert_eq!(
            (report["cases"].as_array().unwrap().len(), &report["interrupted"]),
            (1, &name.into())
        );
        let said = format!("Interrupted by {name}: the other cases were not run.\n");
        assert!(output.stdout.starts_with(' ') && output.stdout.contains(&said), "{output:#?}");
        let message = format!("message=\"interrupted by {name}\"");
        assert!(
            text("report.xml").contains(&message) && text("report.xml").contains("errors=\"1\"")
        );
        assert!(text("report.html").contains("the other cases were not run"));
        let hung = text("hangs");
        until(|| !Path::new("/proc").join(hung.trim()).exists(), "the program is killed");
    }
}

/// Its log has no name that says anything to users.
#[test]
fn the_progress_shows_no_descriptor() {
    const TEST: &str = "cli::sweep::the_progress_shows_no_descriptor";
    let Some(script) = find_program("script") else {
        return skip(TEST, "script is not installed");
    };
    let scratch = Scratch::new();
    fs::create_dir(scratch.file("data")).unwrap();
    scratch.write("data/a", b"x");
    let command = "\"$CFR\" sweep --fresh --from data --faults EIO -- cp a b";
    let run = Run::bare(script).args(["-qefc", command, "shown"]).within(scratch.path());
    let output = run.env("CFR", launcher()).ok();
    assert!(output.stdout.contains("\u{1b}[K[") && !output.stdout.contains("/fd/"), "{output:#?}");
}

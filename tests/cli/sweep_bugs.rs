//! Bugs by which programs lose data, planted in small programs: the sweep names the case that shows
//! each, and none for the same program without the bug.

use super::sweep::{fresh, object, scratch, sweep};
use cfr_testkit::{Run, Scratch, compile, launcher};
use serde_json::Value;
use std::path::PathBuf;

/// c-tests/drivers/planted_bugs.c.
fn program() -> PathBuf {
    compile("drivers/planted_bugs.c", "planted_bugs", &[])
}

/// Sweeps the program, which copies `a` to `b`.
#[track_caller]
fn swept(scratch: &Scratch, way: &str, options: &[&str]) -> Value {
    let program = program();
    let words = [program.to_str().unwrap(), way, "a", "b"];
    object(&sweep(scratch, &fresh(scratch, options), words).output())
}

fn ids(report: &Value, is_chosen: impl Fn(&Value) -> bool) -> Vec<&str> {
    let cases = report["cases"].as_array().unwrap().iter();
    cases.filter(|case| is_chosen(case)).map(|case| case["id"].as_str().unwrap()).collect()
}

/// Returns the names of the bad cases.
fn bad(report: &Value) -> Vec<&str> {
    ids(report, |case| case["bad"] == true)
}

#[test]
fn a_program_without_a_bug_has_no_bad_case() {
    let scratch = scratch();
    let report = swept(&scratch, "right", &["--must-pass", "ENOSYS,EXDEV,EINTR,short,signal"]);
    assert_eq!(bad(&report), Vec::<&str>::new());
    // Each fault at the calls that it can hit, and those of sendfile after the first that leads there.
    let tried = |id: &str| !ids(&report, |case| case["id"] == id).is_empty();
    for id in [
        "EXDEV@copy_file_range:middle",
        "zero@copy_file_range:end",
        "ENOSYS@copy_file_range:every+EIO@sendfile:first",
        "ENOSYS@copy_file_range:middle+short=50%@sendfile:every",
    ] {
        assert!(tried(id), "{id}: {report:#}");
    }
    assert!(!tried("EXDEV@copy_file_range:every+EIO@sendfile:first"), "one for each hook");
}

#[test]
fn each_planted_bug_is_found() {
    let scratch = scratch();
    for (way, options, expected) in [
        (
            "restarts",
            &["--faults", "EXDEV,EIO"][..],
            &["EXDEV@copy_file_range:middle", "EXDEV@copy_file_range:end"][..],
        ),
        (
            "loses_tail",
            &["--faults", "EXDEV,EIO"],
            &["EXDEV@copy_file_range:middle", "EXDEV@copy_file_range:end"],
        ),
        (
            "first_fallback",
            &["--faults", "EXDEV,ENOMEM"],
            &[
                "EXDEV@copy_file_range:every+ENOMEM@sendfile:first",
                "EXDEV@copy_file_range:every+ENOMEM@sendfile:every",
                "EXDEV@copy_file_range:every+ENOMEM@sendfile:middle",
                "EXDEV@copy_file_range:every+ENOMEM@sendfile:end",
                "EXDEV@copy_file_range:middle+ENOMEM@sendfile:first",
                "EXDEV@copy_file_range:middle+ENOMEM@sendfile:every",
                "EXDEV@copy_file_range:middle+ENOMEM@sendfile:middle",
                "EXDEV@copy_file_range:middle+ENOMEM@sendfile:end",
            ],
        ),
        (
            "full",
            &["--faults", "ENOSPC,EDQUOT"],
            &[
                "ENOSPC@copy_file_range:first",
                "ENOSPC@copy_file_range:every",
                "ENOSPC@copy_file_range:middle",
                "ENOSPC@copy_file_range:end",
            ],
        ),
        (
            "interrupted",
            &["--faults", "EINTR,EIO", "--must-pass", "EINTR"],
            &[
                "EINTR@copy_file_range:first",
                "EINTR@copy_file_range:middle",
                "EINTR@copy_file_range:end",
            ],
        ),
        (
            "zero_is_end",
            &["--faults", "zero,short"],
            &["zero@copy_file_range:middle", "zero@copy_file_range:end"],
        ),
        (
            "one_sendfile",
            &["--faults", "EXDEV,short=50%"],
            &[
                "EXDEV@copy_file_range:every+short=50%@sendfile:first",
                "EXDEV@copy_file_range:every+short=50%@sendfile:every",
                "EXDEV@copy_file_range:middle+short=50%@sendfile:first",
                "EXDEV@copy_file_range:middle+short=50%@sendfile:every",
            ],
        ),
    ] {
        let report = swept(&scratch, way, options);
        let found = bad(&report);
        let missing = expected.iter().find(|id| !found.contains(id));
        assert_eq!(missing, None, "{way}: {found:#?}");
        let right = swept(&scratch, "right", options);
        assert_eq!(bad(&right), Vec::<&str>::new(), "{way}");
    }
}

/// Supervised calls are told apart by their system calls.
#[test]
fn the_fallback_of_a_static_program_is_swept() {
    let scratch = scratch();
    let program = compile("drivers/planted_bugs.c", "planted_bugs_static", &["-static"]);
    let words = [program.to_str().unwrap(), "first_fallback", "a", "b"];
    let options = fresh(&scratch, &["--faults", "EXDEV,ENOMEM"]);
    let report = object(&sweep(&scratch, &options, words).output());
    let found = "EXDEV@copy_file_range:middle+ENOMEM@sendfile:first";
    assert!(bad(&report).contains(&found), "{report:#}");
}

/// The command line of a case runs it alone, with the files and the check.
#[test]
fn the_printed_line_repeats_a_case() {
    let scratch = scratch();
    let report = swept(&scratch, "one_sendfile", &["--faults", "EXDEV,short", "--setup", "test a"]);
    let cases = report["cases"].as_array().unwrap();
    let bad: Vec<_> = cases.iter().filter(|case| case["bad"] == true).collect();
    assert!(bad.iter().any(|case| case["after"] == "EXDEV at every copy_file_range"), "{report:#}");
    for case in [bad[0], bad[bad.len() - 1]] {
        let again = case["reproduce"].as_str().unwrap();
        let id = case["id"].as_str().unwrap();
        assert!(again.contains(&format!(" --only {id} -- ")), "{again}");
        let script = again.replacen("cfr", "\"$CFR\"", 1);
        let run = Run::bare("sh").args(["-c", &script]).env("CFR", launcher());
        let output = run.within(scratch.path()).env("TMPDIR", scratch.file("tmp")).output();
        assert_eq!(output.status, Some(1), "{output:#?}");
        assert!(output.stdout.contains("\n1 case in "), "{}", output.stdout);
        assert!(output.stdout.contains("1 wrong; 1 bad"), "{}", output.stdout);
        assert!(output.stdout.contains(case["inject"].as_str().unwrap()), "{}", output.stdout);
    }
}

/// Two faults are kept, and the third is tried. FICLONE would be the fourth.
#[test]
fn fallbacks_of_fallbacks_are_tried_to_a_depth_that_ends() {
    let scratch = scratch();
    let report = swept(&scratch, "deep", &["--faults", "EINVAL,EINTR"]);
    assert_eq!(bad(&report), Vec::<&str>::new());
    let all = ids(&report, |_| true);
    let third = "EINVAL@copy_file_range:every+EINVAL@sendfile:every+EINVAL@syscall:first";
    assert!(all.contains(&third), "{all:#?}");
    assert_eq!(all.iter().map(|id| id.matches('+').count()).max(), Some(2));
    assert!(!all.iter().any(|id| id.contains("ioctl")), "{all:#?}");
    // One fault is kept for each new hook, before the first byte and after it.
    let kept = |id: &str| id.rsplit_once('+').map(|(kept, _)| kept.to_owned());
    let mut kept: Vec<_> = all.iter().copied().filter_map(kept).collect();
    kept.dedup();
    assert_eq!(kept.len(), 2 + 3, "{kept:#?}");
}

/// All runs have the faults of `--inject` and `--profile`, and so has the baseline.
#[test]
fn a_base_environment_holds_in_every_run() {
    let scratch = scratch();
    let base = "error=EXDEV:hook=copy_file_range";
    for options in [["--inject", base], ["--profile", "cross-before-5.3"]] {
        let profile = &[&options[..], &["--faults", "short=50%"]].concat();
        let report = swept(&scratch, "one_sendfile", profile);
        let hooks = report["baseline"]["hooks"].as_array().unwrap();
        let hooks: Vec<_> = hooks.iter().map(|hook| hook["hook"].as_str().unwrap()).collect();
        assert_eq!(hooks, ["copy_file_range", "sendfile"], "{options:?}");
        let bad = bad(&report);
        assert_eq!(bad[0], "short=50%@sendfile:first", "{report:#}");
        let again = report["cases"][0]["reproduce"].as_str().unwrap();
        assert!(again.contains(&options.join(" ")), "{again}");
        // A case's own fault decides about its call.
        let other = swept(&scratch, "right", &[&options[..], &["--faults", "EIO"]].concat());
        let first = &other["cases"][0];
        assert_eq!(
            (&first["id"], &first["injected"]),
            (&"EIO@copy_file_range:first".into(), &1.into())
        );
        assert_eq!(first["outcome"], "failed");
    }
}

/// Returns a script that copies `a` to the files of these numbers, each by a process.
fn script(numbers: std::ops::RangeInclusive<u8>, between: &str) -> String {
    let program = program();
    let lines = numbers.map(|number| format!("{} right a b{number}", program.display()));
    lines.collect::<Vec<_>>().join(between)
}

/// Faults in all children make the last one fail, too. One child alone shows the bug.
#[test]
fn one_failed_child_that_is_ignored_is_found() {
    let scratch = scratch();
    let all = fresh(&scratch, &["--faults", "EIO,short=50%"]);
    let check = "for number in 1 2 3 4; do cmp a b$number || exit; done";
    let options: Vec<_> =
        all.into_iter().map(|word| if word == "cmp a b" { check } else { word }).collect();
    let swept = |between| {
        let script = script(1..=4, between);
        object(&sweep(&scratch, &options, ["sh", "-c", &script]).output())
    };
    let report = swept("; ");
    let expected = ["target1", "target2", "target3"].map(|at| format!("EIO@copy_file_range:{at}"));
    assert_eq!(bad(&report), expected);
    let cases = report["cases"].as_array().unwrap();
    let second = cases.iter().find(|case| case["id"] == expected[1]).unwrap();
    assert_eq!((&second["target"], &second["injected"]), (&"b2".into(), &1.into()));
    assert_eq!(second["inject"], "error=EIO:hook=copy_file_range:per=tree:when=2");
    let last = "EIO@copy_file_range:target4";
    let last = cases.iter().find(|case| case["id"] == last).unwrap();
    assert_eq!(last["outcome"], "failed");
    assert_eq!(bad(&swept(" && ")), Vec::<&str>::new());
    // All targets have one column, with the worst of their results.
    let text: Vec<_> =
        options.iter().map(|word| if *word == "json" { "text" } else { *word }).collect();
    let script = script(1..=4, "; ");
    let output = sweep(&scratch, &text, ["sh", "-c", &script]).output();
    let lines: Vec<_> = output.stdout.lines().collect();
    let table = [
        "           copy_file_range",
        "           first   every   middle  end     targets",
        "EIO        failed  failed  failed  failed  WRONG",
        "short=50%  passed  passed  passed  passed  passed",
    ];
    assert_eq!(lines[..4], table);
    let heading =
        "WRONG EIO at the first copy_file_range to target 2, b2: exit status 0, but --check";
    assert!(lines.iter().any(|line| line.starts_with(heading)), "{}", output.stdout);
    let again = lines.iter().find(|line| line.contains(":target2 -- ")).unwrap();
    let run = Run::bare("sh").args(["-c", &again.trim().replacen("cfr", "\"$CFR\"", 1)]);
    let run = run.env("CFR", launcher()).env("TMPDIR", scratch.file("tmp"));
    let output = run.within(scratch.path()).output();
    assert!(output.stdout.contains("1 wrong; 1 bad"), "{output:#?}");
}

/// Also among many, whichever it is.
#[test]
fn each_child_of_many_that_is_ignored_is_found() {
    const CHILDREN: u8 = 12;
    let scratch = scratch();
    let check = "for number in $(seq 12); do cmp a b$number || exit; done";
    let options: Vec<_> = fresh(&scratch, &["--faults", "EIO"])
        .into_iter()
        .map(|word| if word == "cmp a b" { check } else { word })
        .collect();
    for ignored in 1..=CHILDREN {
        let lines = (1..=CHILDREN).map(|number| {
            let line = script(number..=number, "");
            if number == ignored { line } else { format!("{line} || exit 1") }
        });
        let script = format!("{}; true", lines.collect::<Vec<_>>().join("\n"));
        let report = object(&sweep(&scratch, &options, ["sh", "-c", &script]).output());
        let expected = format!("EIO@copy_file_range:target{ignored}");
        assert!(bad(&report).contains(&expected.as_str()), "{ignored}: {report:#}");
    }
}

/// EIO is tried at more targets than the other faults. What was not tried is said.
#[test]
fn targets_are_tried_up_to_a_number() {
    let scratch = scratch();
    let list = |count, faults| {
        let options = ["--faults", faults, "--list", "--format", "json"];
        let report =
            object(&sweep(&scratch, &options, ["sh", "-c", &script(1..=count, "; ")]).output());
        let cases = report["cases"].as_array().unwrap().iter();
        let at = cases.filter(|case| case["position"].as_str().unwrap().starts_with("target"));
        at.cloned().collect::<Vec<_>>()
    };
    let numbers = |cases: &[Value], fault: &str| {
        let of_fault = cases.iter().filter(|case| case["fault"] == fault);
        let number = |case: &Value| {
            let position = case["position"].as_str().unwrap();
            position.strip_prefix("target").unwrap().parse::<usize>().unwrap()
        };
        of_fault.map(number).collect::<Vec<_>>()
    };
    let some = [1, 3, 6, 9, 11, 14, 17, 20];
    let cases = list(20, "EXDEV,EIO,short=50%");
    assert_eq!(numbers(&cases, "EIO"), (1..=20).collect::<Vec<_>>());
    assert_eq!(numbers(&cases, "EXDEV"), some);
    assert_eq!(numbers(&cases, "short=50%"), some);
    let last = cases.iter().rfind(|case| case["fault"] == "EIO").unwrap();
    assert_eq!((&last["target"], &last["call"]), (&"b20".into(), &20.into()));
    // Without EIO it is the first error.
    let cases = list(20, "short=50%,EPERM,EXDEV");
    assert_eq!(numbers(&cases, "EPERM"), (1..=20).collect::<Vec<_>>());
    assert_eq!(numbers(&cases, "EXDEV"), some);
    let cases = numbers(&list(80, "EIO"), "EIO");
    assert_eq!((cases.len(), cases.first(), cases.last()), (64, Some(&1), Some(&80)));
    // One target needs no case of its own.
    assert_eq!(list(1, "EIO"), Vec::<Value>::new());
}

#[test]
fn targets_that_are_not_tried_are_named() {
    let scratch = scratch();
    let from = scratch.file("from");
    std::fs::create_dir_all(from.join("d")).unwrap();
    for number in 1..=66 {
        std::fs::write(from.join(format!("s{number}")), "content").unwrap();
    }
    let (junit, page) = (scratch.file("junit.xml"), scratch.file("page.html"));
    let swept = |sources: &str, faults, format| {
        let mut options = vec!["--fresh", "--from", "from", "--hooks", "copy_file_range"];
        options.extend(["--faults", faults, "--format", format]);
        let files = ["--junit", junit.to_str().unwrap(), "--html", page.to_str().unwrap()];
        let script = format!("cp {sources} d");
        let run = sweep(&scratch, &[&options[..], &files].concat(), ["sh", "-c", &script]);
        let output = run.output();
        let read = |path| std::fs::read_to_string(path).unwrap();
        (output, [read(&junit), read(&page)])
    };
    let (output, files) = swept("s*", "EIO", "json");
    let expected = serde_json::json!([{
        "hook": "copy_file_range", "after": null, "targets": 66, "fault": "EIO", "tried": 64,
        "tried_again": null,
    }]);
    assert_eq!(object(&output)["targets"], expected);
    for file in files {
        assert!(file.contains("64 of 66 targets of copy_file_range were tried with EIO"), "{file}");
    }
    let (output, _) = swept("s1?", "EIO,short=50%", "text");
    let sentence =
        "\n10 of 10 targets of copy_file_range were tried with EIO, 8 with each other fault.\n";
    assert!(output.stdout.contains(sentence), "{output:#?}");
    let (output, files) = swept("s[1-8]", "EIO,short=50%", "json");
    assert_eq!(object(&output)["targets"], serde_json::json!([]));
    assert!(files.iter().all(|file| !file.contains("targets of copy_file_range")));
}

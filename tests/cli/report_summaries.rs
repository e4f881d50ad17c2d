//! `cfr report`: what went by read and write, from summaries; targets that never got a byte; and files
//! that are no logs.

use cfr_testkit::{Output, Run, Scratch, launcher, read_json};
use serde_json::{Value, json};
use std::fs;

fn report(scratch: &Scratch, words: &[&str]) -> Output {
    Run::bare(launcher()).args(["report"]).args(words).within(scratch.path()).output()
}

fn summarized(scratch: &Scratch, words: &[&str]) -> Value {
    let words = [&["--format", "json"][..], words].concat();
    let output = report(scratch, &words);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
    read_json(&output.stdout)
}

/// Returns a directory with the summary of a program that fell back to write(2), its log, and the
/// results of a program that only writes.
fn fallen_back() -> Scratch {
    let scratch = Scratch::new();
    scratch.random("a", 3_000_000);
    let run = |words: &[&str]| {
        Run::bare(launcher()).args(["run"]).args(words).within(scratch.path()).output()
    };
    run(&[
        "--inject",
        "error=EXDEV:hook=copy_file_range;error=EXDEV:hook=ioctl",
        "--summary=summary",
        "--log",
        "info",
        "-o",
        "log",
        "--format",
        "json",
        "cp",
        "a",
        "b",
    ]);
    let expected = ["--expect", "written_otherwise=3000000", "--results", "results"];
    let written =
        run(&[&expected[..], &["dd", "if=a", "of=c", "bs=1000000", "status=none"]].concat());
    assert_eq!(written.status, Some(0), "{written:#?}");
    scratch
}

/// Text, JSON and page tell it, and the sums of a log stay its own.
#[test]
fn what_was_written_otherwise_is_reported_with_its_refusals() {
    let scratch = fallen_back();
    let refused = summarized(&scratch, &["log"])["errors"].as_u64().unwrap();
    assert!(refused >= 1);
    let sums = &summarized(&scratch, &["summary", "results"])["summaries"];
    for (key, expected) in [
        ("count", json!(2)),
        ("calls", json!(refused)),
        ("bytes", json!(0)),
        ("errors", json!(refused)),
        ("written_otherwise", json!(6_000_000)),
        ("unknown", json!(0)),
    ] {
        assert_eq!(sums[key], expected, "{key}: {sums:#}");
    }
    let first = &sums["first"];
    assert_eq!((&first["program"], &first["command"]), (&json!("cp"), &json!(["cp", "a", "b"])));
    let paths = ["a", "b"].map(|name| scratch.file(name).display().to_string());
    let never = &sums["never_copied"]["rows"][0];
    assert_eq!([&never["source"], &never["target"]], [&paths[0], &paths[1]], "{sums:#}");
    assert_eq!(never["errors"], refused);

    let otherwise = format!("2.86 MiB by write(2) and its like, after {refused} refusals\n");
    let never = format!("never copied       {refused} refusals:  {} -> {}\n", paths[0], paths[1]);
    let text = report(&scratch, &["summary"]).stdout;
    assert!(text.starts_with("summaries\n  summaries          1, of cp\n  run "), "{text}");
    let run = first["start"].as_str().unwrap();
    assert!(text.contains(run) && text.contains(": cp a b\n"), "{text}");
    for line in [&otherwise, &never] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let both = report(&scratch, &["log", "summary"]).stdout;
    assert!(both.starts_with("calls\n") && both.contains(&otherwise), "{both}");
    assert_eq!(summarized(&scratch, &["log", "summary"])["calls"], refused, "the log's alone");

    for logs in [&["summary"][..], &["log", "summary"]] {
        let page = report(&scratch, &[&["--html", "-"], logs].concat()).stdout;
        for text in ["written otherwise", "2.86 MiB", &format!("after {refused} refusals")] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(page.contains(run), "{page}");
        let (_, table) = page.split_once("<table id=\"refused-pairs\"").unwrap();
        assert!(table.contains(&paths[1]), "{table}");
    }
}

/// An old kernel, or processes that still run.
#[test]
fn an_unknown_amount_is_not_zero() {
    let scratch = fallen_back();
    let known = fs::read_to_string(scratch.file("summary")).unwrap();
    let unknown = known.replace("\"written_otherwise\":3000000", "\"written_otherwise\":null");
    assert_ne!(known, unknown);
    scratch.write("unknown", unknown.as_bytes());
    let sums = &summarized(&scratch, &["unknown"])["summaries"];
    assert_eq!((&sums["written_otherwise"], &sums["unknown"]), (&Value::Null, &json!(1)));
    let text = report(&scratch, &["unknown"]).stdout;
    assert!(text.contains("written otherwise  unknown\n"), "{text}");
    let text = report(&scratch, &["unknown", "summary"]).stdout;
    assert!(text.contains("; unknown in 1 of 2\n"), "{text}");
    let page = report(&scratch, &["--html", "-", "unknown", "summary"]).stdout;
    assert!(page.contains("is unknown in 1 of 2 summaries."), "{page}");
}

/// A target that another process or another method copied is not one of them.
#[test]
fn targets_that_got_no_byte_are_told_with_how_the_others_came() {
    let line = |target: &str, method: &str, bytes: u64, error: Option<&str>| {
        let ret = if error.is_some() { -1 } else { bytes.cast_signed() };
        let line = json!({
            "time": "2026-11-25T01:24:40.904838Z", "pid": 42, "call": "copy_file_range",
            "hook": "copy_file_range", "path_in": "/a", "path_out": target, "ret": ret,
            "error": error, "bytes": bytes, "method": method, "duration_ns": 1000,
        });
        format!("{line}\n")
    };
    let scratch = Scratch::new();
    let lines = [
        line("/refused", "none", 0, Some("EXDEV")),
        line("/refused", "kernel", 0, Some("EOPNOTSUPP")),
        line("/copied", "none", 0, Some("EXDEV")),
        line("/copied", "emulated", 70, None),
        line("/copied", "kernel", 30, None),
        line("/empty", "kernel", 0, None),
        line("/once", "none", 0, Some("EIO")),
    ];
    scratch.write("log", lines.concat().as_bytes());
    let found = summarized(&scratch, &["log"]);
    let never = json!({"count": 2, "rows": [
        {"target": "/refused", "cut": false, "errors": 2},
        {"target": "/once", "cut": false, "errors": 1},
    ]});
    assert_eq!(found["never_copied"], never);
    let first = &found["targets"]["rows"][0];
    assert_eq!(first["target"], "/copied");
    let methods = json!([
        {"method": "emulated", "bytes": 70}, {"method": "kernel", "bytes": 30},
    ]);
    assert_eq!(first["methods"], methods);
    assert_eq!([&first["calls"], &first["bytes"], &first["errors"]], [3, 100, 1]);
    assert_eq!(found["targets"]["distinct"], 4);

    let text = report(&scratch, &["log"]).stdout;
    let never = "never copied: every call was refused\n  refusals\n         2  /refused\n";
    assert!(text.contains(never), "{text}");
    assert!(text.contains("  /copied (emulated 70 B, kernel 30 B)\n"), "{text}");
    let text = report(&scratch, &["--top", "1", "log"]).stdout;
    assert!(text.contains("            (1 other targets)\n"), "{text}");
    let page = report(&scratch, &["--html", "-", "log"]).stdout;
    let (_, table) = page.split_once("<table id=\"never-copied\"").unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    assert!(table.contains("/refused") && !table.contains("/copied"), "{table}");
    assert!(page.contains("emulated 70 B, kernel 30 B"), "{page}");
}

/// If rows were given up, a target without a byte in its own may have had one in another.
#[test]
fn too_many_targets_are_not_said_to_be_never_copied() {
    let mut log = String::new();
    for number in 0..10_001 {
        log += &format!(
            "{{\"time\":\"2026-11-25T01:24:40.904838Z\",\"pid\":1,\"call\":\"copy_file_range\",\
             \"hook\":\"copy_file_range\",\"path_out\":\"/{number}\",\"ret\":-1,\"error\":\"EIO\",\
             \"method\":\"kernel\",\"duration_ns\":1}}\n"
        );
    }
    let scratch = Scratch::new();
    scratch.write("log", log.as_bytes());
    let found = summarized(&scratch, &["log"]);
    assert_eq!((&found["errors"], &found["never_copied"]), (&json!(10_001), &Value::Null));
}

#[test]
fn a_file_without_a_line_of_a_log_is_refused() {
    let scratch = fallen_back();
    let table = "cfr: summary of cp, 1 program: 2 calls, 2 errors\ncfr:   hook\n";
    scratch.write("table", table.as_bytes());
    scratch.write("other", b"cc -c main.c\n{\"summary\":{\"calls\":1}}\n\n");
    let other = "has no line of a log and no summary; expected a log, or a summary written with \
                 --format json\n";
    for (file, said) in
        [("other", other), ("table", "is a summary as a table; write it with --format json\n")]
    {
        for words in [&[file][..], &["log", file], &["--html", "page.html", file]] {
            let output = report(&scratch, words);
            let seen = (output.status, output.stdout.as_str(), output.stderr.as_str());
            assert_eq!(seen, (Some(125), "", format!("cfr: {file} {said}").as_str()));
        }
        assert!(!scratch.file("page.html").exists());
    }
}

/// A program that makes no copy leaves an empty log, which is not an error.
#[test]
fn an_empty_log_is_named() {
    let scratch = fallen_back();
    scratch.write("empty", b"");
    scratch.write("blank", b"  \n\n");
    let text = report(&scratch, &["empty", "blank"]).stdout;
    assert!(text.starts_with("no calls\n"), "{text}");
    assert!(text.contains("  empty logs          2, the first is empty\n"), "{text}");
    let found = summarized(&scratch, &["log", "empty"]);
    assert_eq!(found["empty"], json!({"count": 1, "first": "empty"}));
    let page = report(&scratch, &["--html", "-", "log", "empty"]).stdout;
    assert!(page.contains("Empty: 1 log, the first is empty."), "{page}");
    assert_eq!(summarized(&scratch, &["log"])["empty"], json!({"count": 0, "first": null}));
}

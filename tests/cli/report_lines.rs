//! `cfr report`: compressed logs, and reports about some lines only.

use cfr_testkit::{Output, Run, Scratch, find_program, launcher, read_json, skip};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;

fn report<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Run {
    Run::bare(launcher()).args(["report"]).args(words)
}

/// Returns a line of a log: a call of a second, which copied a byte.
fn line(second: u32, comm: &str, source: &str, target: &str) -> String {
    let line = json!({
        "time": format!("2020-11-30T09:00:{second:02}.500000Z"), "pid": 42, "comm": comm,
        "call": "copy_file_range", "hook": "copy_file_range", "path_in": source,
        "path_out": target, "ret": 1, "method": "kernel", "duration_ns": 1000,
    });
    format!("{line}\n")
}

fn log() -> String {
    [
        line(0, "cp", "/src/a.db", "/dst/a"),
        line(1, "cp", "/src/b", "/dst/b.db"),
        line(2, "python3", "/src/c", "/dst/c"),
        line(3, "cp", "/src/c", "/dst/d"),
    ]
    .concat()
}

/// Two files of which the log has the same name: it was cut.
#[test]
fn a_row_of_names_that_were_cut_says_so() {
    let scratch = Scratch::new();
    scratch.write("a", b"x");
    let directory = vec!["d".repeat(200); 8].join("/");
    fs::create_dir_all(scratch.file(&directory)).unwrap();
    let script = format!("cp a {directory}/one; cp a {directory}/two; cp a b");
    for format in ["json", "text"] {
        let _ = fs::remove_file(scratch.file("log"));
        let run = Run::bare(launcher()).args(["trace", "--format", format, "-o", "log", "--"]);
        run.args(["sh", "-c", &script]).within(scratch.path()).ok();
        let log = scratch.file("log");
        let output = report(["--format", "json"]).args([&log]).ok();
        let report_of = read_json(&output.stdout);
        for table in ["pairs", "targets"] {
            let rows = report_of[table]["rows"].as_array().unwrap().iter();
            let rows: Vec<_> = rows.map(|row| (&row["cut"], row["bytes"].as_u64())).collect();
            let expected = [(&json!(true), Some(2)), (&json!(false), Some(1))];
            assert_eq!(rows, expected, "{format} {table}");
        }
        let text = report(["--top", "10"]).args([&log]).ok().stdout;
        let is_marked = |line: &str| line.contains("... (cut in the log: one file or several)");
        let (long, others): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.contains("dddd"));
        assert!(long.len() > 2 && long.iter().all(|line| is_marked(line)), "{format} {text}");
        assert!(!others.iter().any(|line| line.contains("cut")), "{format} {text}");
    }
}

/// The compressed files of a log, if this machine has the program.
fn compressed(test: &str, scratch: &Scratch, program: &str, content: &str) -> Option<Vec<u8>> {
    if find_program(program).is_none() {
        skip(test, &format!("{program} is not installed"));
        return None;
    }
    let file = scratch.write("plain", content.as_bytes());
    let packed = scratch.file("packed");
    let command = format!("{program} -c < \"$0\" > \"$1\"");
    Run::bare("sh").args(["-c", &command]).args([&file, &packed]).ok();
    Some(fs::read(packed).unwrap())
}

/// As logrotate leaves them, also several in one file; the name does not matter.
#[test]
fn compressed_logs_are_read() {
    const TEST: &str = "cli::report_lines::compressed_logs_are_read";
    let scratch = Scratch::new();
    let plain = scratch.write("log", log().repeat(20_000).as_bytes());
    let expected = report(["--format", "json"]).args([&plain]).ok().stdout;
    for program in ["gzip", "zstd"] {
        let [Some(whole), Some(half)] =
            [20_000, 10_000].map(|count| compressed(TEST, &scratch, program, &log().repeat(count)))
        else {
            continue;
        };
        for content in [whole.clone(), [&half[..], &half[..]].concat()] {
            let packed = scratch.write("log.1", &content);
            let found = report(["--format", "json"]).args([&packed]).ok();
            assert_eq!((found.stdout.as_str(), found.stderr.as_str()), (expected.as_str(), ""));
            assert_eq!(report(["--format", "json", "-"]).input(&content).ok().stdout, expected);
        }
        // A frame without data, as zstd --adapt and pzstd write it.
        if program == "zstd" {
            let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &whole[..]].concat();
            let packed = scratch.write("log.1", &[&whole[..], &skipped[..]].concat());
            let found = read_json(&report(["--format", "json"]).args([&packed]).ok().stdout);
            assert_eq!(found["calls"], 160_000);
        }
        // A file that is cut off or damaged is an error, not a shorter log.
        let mut damaged = whole.clone();
        damaged[whole.len() / 2..].reverse();
        for content in [whole[..whole.len() / 2].to_vec(), damaged, whole[..6].to_vec()] {
            let packed = scratch.write("log.1", &content);
            let Output { status, stdout, stderr, .. } = report([&packed]).output();
            assert_eq!((status, stdout.as_str()), (Some(125), ""), "{program}: {stderr}");
            assert!(stderr.starts_with("cfr: cannot read "), "{program}: {stderr}");
            if program == "zstd" {
                let is_cut = stderr.ends_with(": unexpected end of file\n");
                assert_eq!(is_cut, content.len() < whole.len(), "{stderr}");
            }
        }
    }
}

/// Calls that are left out are in no sum, and their number is told.
#[test]
fn a_report_may_be_about_some_calls() {
    let scratch = Scratch::new();
    let log = scratch.write("log", log().as_bytes());
    let found = |words: &[&str]| {
        let run = report(["--format", "json"]).args(words).args([&log]);
        let found: Value = read_json(&run.ok().stdout);
        let number = |key: &str| found[key].as_u64().unwrap();
        (number("calls"), number("left_out"))
    };
    for (words, calls) in [
        (&[][..], 4),
        (&["--path", "*.db"], 2),
        (&["--path", "/src/*"], 4),
        (&["--path", "/dst/*b*"], 1),
        (&["--path", "c"], 2),
        (&["--path", "src"], 0),
        (&["--comm", "cp"], 3),
        (&["--comm", "py*"], 1),
        (&["--path", "c", "--comm", "cp"], 1),
        (&["--since", "2020-11-30T09:00:02Z"], 2),
        (&["--since", "2020-11-30 09:00:01.5"], 3),
        (&["--since", "2020-11-30T09:00:01.500001Z"], 2),
        (&["--since", "200000h"], 4),
        (&["--since", "1s"], 0),
    ] {
        assert_eq!(found(words), (calls, 4 - calls), "{words:?}");
    }
    let text = report(["--comm", "python3"]).args([&log]).ok().stdout;
    assert!(text.contains("  lines left out      3\n"), "{text}");
    assert!(!text.contains("/src/a.db"), "{text}");
    let page = report(["--comm", "python3", "--html", "-"]).args([&log]).ok().stdout;
    assert!(
        page.contains("By --path, --comm or --since, 3 lines of the log are left out."),
        "{page}"
    );
    let trace = report(["--path", "c", "--chrome", "-"]).args([&log]).ok().stdout;
    assert_eq!(trace.matches("\"ph\":\"X\"").count(), 2, "{trace}");
    let text = report(["--path", "none"]).args([&log]).ok().stdout;
    assert!(text.starts_with("no calls\n") && text.contains("lines left out      4\n"), "{text}");
    for word in ["", "yesterday", "-5s", "2020-13-01T00:00:00Z"] {
        let output = report([format!("--since={word}")]).args([&log]).output();
        assert_eq!(output.status, Some(125), "{word:?}: {output:#?}");
        assert!(output.stderr.contains("expected 2026-11-30T09:00:00Z or a time ago"), "{word:?}");
    }
}

/// Other data behind a compressed log are said to be what they are.
#[test]
fn data_behind_a_compressed_log_are_named() {
    const TEST: &str = "cli::report_lines::data_behind_a_compressed_log_are_named";
    for (program, suffix) in [("gzip", "gz"), ("zstd", "zst")] {
        let Some(compress) = find_program(program) else {
            skip(TEST, &format!("{program} is not installed"));
            continue;
        };
        let scratch = Scratch::new();
        scratch.write("log", b"cfr: something\n");
        Run::bare(compress).args(["-q", "log"]).within(scratch.path()).ok();
        let name = format!("log.{suffix}");
        let mut bytes = fs::read(scratch.file(&name)).unwrap();
        bytes.extend_from_slice(b"trailing garbage");
        fs::write(scratch.file(&name), bytes).unwrap();
        let output = Run::bare(launcher()).args(["report", &name]).within(scratch.path()).output();
        let said = format!(
            "cfr: cannot read {name}: data that are not of {program} follow the compressed data\n"
        );
        assert_eq!((output.status, output.stderr), (Some(125), said));
    }
}

//! `cfr report` of a text log: it has the numbers of the JSON log of the same calls.

use cfr_testkit::{Filesystems, Output, Run, Scratch, compile, launcher, read_json};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn report(log: &Path) -> Value {
    let output = Run::bare(launcher()).args(["report", "--format", "json"]).args([log]).ok();
    assert_eq!(output.stderr, "");
    read_json(&output.stdout)
}

fn trace(place: &Path, options: &[&str], words: &[&str]) -> Output {
    let run = Run::bare(launcher()).args(["trace"]).args(options).args(["--"]).args(words);
    run.within(place).output()
}

/// Runs these words with a text log and with a JSON log, and compares what their reports have in
/// common.
#[track_caller]
fn assert_same(place: &Path, options: &[&str], words: &[&str]) -> Value {
    let [text, json] = ["text", "json"].map(|format| {
        for name in ["b", "d"] {
            let _ = fs::write(place.join(name), b"");
        }
        let log = format!("log.{format}");
        let _ = fs::remove_file(place.join(&log));
        trace(place, &[options, &["--format", format, "-o", &log]].concat(), words);
        report(&place.join(log))
    });
    for key in [
        "calls", "errors", "zero", "differ", "injected", "delayed", "let_through", "unfinished",
        "shared", "not_shared", "processes", "lost", "foreign",
    ] {
        assert_eq!(text[key], json[key], "{key}: {options:?} {words:?}\n{text:#}\n{json:#}");
    }
    let rows = |report: &Value, table: &str, keys: &[&str]| {
        let rows = report[table]["rows"].as_array().unwrap().iter();
        let row = |row: &Value| keys.iter().map(|key| row[key].to_string()).collect::<Vec<_>>();
        let mut rows: Vec<_> = rows.map(row).collect();
        rows.sort();
        rows
    };
    for (table, keys) in [
        ("methods", &["method", "calls", "errors"][..]),
        ("hooks", &["hook", "request", "calls", "errors"]),
        ("pairs", &["source", "target", "calls", "errors"]),
    ] {
        assert_eq!(rows(&text, table, keys), rows(&json, table, keys), "{table}: {words:?}");
    }
    let failures = |report: &Value| {
        let failures = report["failures"].as_array().unwrap().iter();
        let rules = |failure: &Value| {
            let rules = failure["rules"].as_array().unwrap().iter();
            rules.map(|rule| rule["rule"].clone()).collect::<Vec<_>>()
        };
        let shown =
            |failure: &Value| (failure["error"].clone(), failure["calls"].clone(), rules(failure));
        failures.map(shown).collect::<Vec<_>>()
    };
    assert_eq!(failures(&text), failures(&json));
    // The line of a reflink of a whole file does not tell its size.
    if !words.contains(&"--reflink=always") {
        assert_eq!(
            (&text["bytes"], &text["copies"]),
            (&json["bytes"], &json["copies"]),
            "{words:?}"
        );
    }
    let time = |report: &Value| report["latency_ns"].is_object();
    assert_eq!(time(&text), time(&json));
    text
}

/// A place with a source whose name needs every kind of escape.
fn hostile(place: &Path) -> String {
    let name = "s <a>, 1) = 7 (kernel) \\\"\n\u{1}9é";
    fs::write(place.join(name), vec![b'x'; 20_000]).unwrap();
    name.to_owned()
}

#[test]
fn a_text_log_has_the_numbers_of_the_json_log() {
    let scratch = Scratch::new();
    scratch.random("a", 100_000);
    let place = scratch.path();
    let name = hostile(place);
    let python = "import os, shutil, sys\n\
                  a, b = os.open(sys.argv[1], os.O_RDONLY), os.open('b', os.O_WRONLY)\n\
                  os.copy_file_range(a, b, 100, 5, 7)\n\
                  os.sendfile(b, a, 3, 50)\n\
                  os.sendfile(b, a, None, 50)\n\
                  os.copy_file_range(a, b, 1 << 40)\n";
    let found = assert_same(place, &[], &["python3", "-c", python, &name]);
    let path = found["pairs"]["rows"][0]["source"].as_str().unwrap();
    assert!(path.ends_with(&name), "{path:?}");
    assert_same(place, &[], &["cp", &name, "b"]);
    assert_same(place, &["--paths", "no"], &["cp", "a", "b"]);
    assert_same(place, &["--log", "debug"], &["cp", "a", "b"]);
    for fault in ["error=EIO", "short=10:when=1", "zero", "delay_exit=1ms", "error=EXDEV:when=1"] {
        assert_same(place, &["--inject", fault], &["cp", "a", "b"]);
    }
    assert_same(place, &["--dialect", "linux-5.3"], &["cp", "a", "b"]);
    assert_same(place, &["--default-flags", "COPY_FR_COPY"], &["cat", "a"]);
    assert_same(place, &["--reach", "all"], &["busybox", "cp", "a", "b"]);
    let ends = compile("drivers/ends_in_call.c", "ends_in_call", &[]);
    let killed = ["--inject", "signal=SIGKILL"];
    for call in ["copy_file_range", "syscall", "FICLONE", "FICLONERANGE", "sendfile"] {
        assert_same(place, &killed, &[ends.to_str().unwrap(), call, "a", "b"]);
    }
}

/// Requests of ioctl that succeed, one with several targets.
#[test]
fn reflinks_and_dedupes_of_a_text_log_are_counted() {
    let filesystems =
        Filesystems::mount("cli::report_text_log::reflinks_and_dedupes_of_a_text_log_are_counted");
    for (_, place) in filesystems.iter().filter(|(name, _)| matches!(*name, "xfs" | "btrfs")) {
        let scratch = Scratch::below(place);
        let source = scratch.random("a", 1 << 20);
        scratch.write("same", &fs::read(&source).unwrap());
        scratch.write("other", &vec![7; 1 << 20]);
        let shared = ["--shared", "yes"];
        let found = assert_same(scratch.path(), &shared, &["cp", "--reflink=always", "a", "e"]);
        assert_eq!((&found["errors"], &found["shared"]), (&0.into(), &1.into()), "{found:#}");
        let dedupe = "import fcntl, os, struct\n\
            names = ['same', 'other']\n\
            request = struct.pack('=QQHHI', 0, 65536, 2, 0, 0)\n\
            for name in names:\n\
            \x20   request += struct.pack('=qQQiI', os.open(name, os.O_RDWR), 0, 0, 0, 0)\n\
            fcntl.ioctl(os.open('a', os.O_RDONLY), 0xc0189436, bytearray(request))\n\
            request = struct.pack('=qQQQ', os.open('a', os.O_RDONLY), 4096, 8192, 4096)\n\
            fcntl.ioctl(os.open('b', os.O_WRONLY), 0x4020940d, request)\n";
        let found = assert_same(scratch.path(), &[], &["python3", "-c", dedupe]);
        assert_eq!((&found["differ"], &found["bytes"]), (&1.into(), &73_728.into()), "{found:#}");
    }
}

/// Messages, lost lines and lines of the program among the calls, as on standard error.
#[test]
fn a_mixed_text_log_is_read() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let lines = trace(scratch.path(), &["--inject", "delay_enter=1ns"], &["cp", "a", "b"]).stderr;
    let log = format!("make: hello\n{lines}cfr: 7 lines lost\n1 2.3 copy_file_range(\n");
    let found = report(&scratch.write("log", log.as_bytes()));
    assert_eq!((&found["lost"], &found["foreign"]["count"]), (&7.into(), &2.into()), "{found:#}");
    assert_eq!(found["calls"], 3);
    let run = Run::bare(launcher()).args(["report", "--chrome", "-", "-"]).input(lines.as_bytes());
    assert_eq!(run.ok().stdout.matches("\"ph\":\"X\"").count(), 3);
}

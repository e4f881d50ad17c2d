//! `cfr report`: its sums are the log's, whatever the log holds and however long it is.

use cfr_testkit::{
    Run, Scratch, compile, find_program, launcher, project, read_foreign_json, read_json,
    read_json_lines, skip, until,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{PermissionsExt, symlink};

/// The maximum of pairs of paths that are kept apart.
const PAIRS: u64 = 10_000;

fn report<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Run {
    Run::bare(launcher()).args(["report"]).args(words)
}

/// Returns the report of a log with this content.
fn summary(log: impl AsRef<[u8]>) -> Value {
    let scratch = Scratch::new();
    let log = scratch.write("log", log.as_ref());
    let output = report(["--format", "json"]).args([log]).ok();
    assert_eq!((output.stdout.lines().count(), output.stderr.as_str()), (1, ""));
    read_json(&output.stdout)
}

/// Returns the trace of a log with this content.
fn events(log: impl AsRef<[u8]>) -> Vec<Value> {
    let scratch = Scratch::new();
    let log = scratch.write("log", log.as_ref());
    let trace = read_foreign_json(&report(["--chrome", "-"]).args([log]).ok().stdout);
    trace["traceEvents"].as_array().unwrap().clone()
}

/// The viewers' times count from a moment that the trace names.
#[test]
fn a_trace_says_when_its_times_begin() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(json!({})).as_bytes());
    let trace = read_foreign_json(&report(["--chrome", "-"]).args([log]).ok().stdout);
    assert_eq!(trace["otherData"]["zero"], "2026-11-24T01:24:40.904838Z");
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(complete(events)[0]["ts"], 86_400_000_000.0);
}

/// Returns the calls of a trace: its complete events.
fn complete(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["ph"] == "X").collect()
}

/// Returns a line of the log for a call that copied 4096 bytes, with these keys changed.
fn line(changes: Value) -> String {
    let mut line = json!({
        "time": "2026-11-25T01:24:40.904838Z", "pid": 42, "tid": 42, "comm": "cp",
        "call": "copy_file_range", "hook": "copy_file_range", "request": null,
        "fd_in": 3, "path_in": "/a", "off_in": null, "off_in_after": null,
        "fd_out": 4, "path_out": "/b", "off_out": null, "off_out_after": null,
        "len": 4096, "flags": 0, "flag_names": [], "ret": 4096, "errno": 0, "error": null,
        "bytes": 4096, "status": null, "target": null, "targets": null,
        "method": "kernel", "shared": null, "dialect": "extended", "rule": null, "why": null,
        "injected": false, "delayed": false, "duration_ns": 1000,
    });
    line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    format!("{line}\n")
}

fn message(text: &str) -> String {
    let mut line = read_foreign_json(&line(json!({})));
    for (key, value) in line.as_object_mut().unwrap() {
        match key.as_str() {
            "time" | "pid" | "tid" | "injected" | "delayed" => {}
            _ => *value = Value::Null,
        }
    }
    line["level"] = "error".into();
    line["message"] = text.into();
    format!("{line}\n")
}

/// Sums computed independently of the report: calls, bytes, errors and time.
type Sums = [u64; 4];

fn sums_of(object: &Value) -> Sums {
    ["calls", "bytes", "errors", "time_ns"].map(|key| object[key].as_u64().unwrap())
}

fn sums_by(log: &str, key: impl Fn(&Value) -> String) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for line in log.lines().map(read_foreign_json).filter(|line| !line["call"].is_null()) {
        let sum = sums.entry(key(&line)).or_default();
        sum[0] += 1;
        sum[1] += line["bytes"].as_u64().or(line["ret"].as_u64()).unwrap_or(0);
        sum[2] += u64::from(!line["error"].is_null());
        sum[3] += line["duration_ns"].as_u64().unwrap();
    }
    sums
}

fn rows(table: &Value, key: impl Fn(&Value) -> String) -> BTreeMap<String, Sums> {
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["exact"] == true), "{table}");
    let sums: BTreeMap<_, _> = rows.iter().map(|row| (key(row), sums_of(row))).collect();
    assert_eq!(table["distinct"].as_u64().unwrap() as usize, rows.len());
    assert_eq!(sums.len(), rows.len());
    assert_eq!(sums_of(&table["others"]), [0; 4]);
    sums
}

fn names<const N: usize>(line: &Value, keys: [&str; N]) -> String {
    keys.map(|key| line[key].to_string()).join(" ")
}

/// Compares every sum of the report with the test's.
#[track_caller]
fn assert_sums(report: &Value, log: &str) {
    assert_eq!(Some(&sums_of(report)), sums_by(log, |_| String::new()).get(""));
    for (table, log_keys, row_keys) in [
        ("methods", &["method"][..], &["method"][..]),
        ("hooks", &["hook", "request"], &["hook", "request"]),
        ("programs", &["comm"], &["comm"]),
        ("pairs", &["path_in", "path_out"], &["source", "target"]),
    ] {
        let key = |line: &Value, keys: &[&str]| {
            keys.iter().map(|key| format!("{} ", line[key])).collect::<String>()
        };
        let expected = sums_by(log, |line| key(line, log_keys));
        assert_eq!(rows(&report[table], |row| key(row, row_keys)), expected, "{table}");
    }
    let lines: Vec<_> =
        log.lines().map(read_foreign_json).filter(|line| !line["call"].is_null()).collect();
    let pids: BTreeSet<_> = lines.iter().map(|line| line["pid"].as_u64()).collect();
    assert_eq!(report["processes"], pids.len());
    assert_eq!(report["messages"], log.lines().count() - lines.len());
    let first = lines.iter().filter_map(|line| line["time"].as_str()).min().unwrap();
    assert_eq!(report["first"], first);

    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| !line["error"].is_null()) {
        *causes.entry(names(line, ["error", "rule", "why"])).or_default() += 1;
    }
    let mut told = BTreeMap::new();
    for failure in report["failures"].as_array().unwrap() {
        let mut left = failure["calls"].as_u64().unwrap();
        for rule in failure["rules"].as_array().unwrap() {
            left -= rule["calls"].as_u64().unwrap();
            let name = format!("{} {}", failure["error"], names(rule, ["rule", "why"]));
            told.insert(name, rule["calls"].as_u64().unwrap());
        }
        if left > 0 {
            told.insert(format!("{} null null", failure["error"]), left);
        }
    }
    assert_eq!(told, causes);

    let mut slowest: Vec<_> =
        lines.iter().map(|line| line["duration_ns"].as_u64().unwrap()).collect();
    slowest.sort_unstable_by(|a, b| b.cmp(a));
    slowest.truncate(10);
    let told = report["slowest"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|call| call["duration_ns"].as_u64().unwrap()).collect();
    assert_eq!(told, slowest);
}

// Logs of real programs.

/// Of cp, and of a program that passes flags that no kernel has.
#[test]
fn a_real_log_is_summarized() {
    let scratch = Scratch::new();
    scratch.random("a", 1_000_000);
    scratch.random("c", 10_000);
    let include = format!("-I{}", project().join("include").display());
    let own_wrapper = compile("drivers/own_wrapper.c", "own_wrapper", &[&include]);
    let log = scratch.file("log");
    let script = "cp a b; cp c d; \"$0\" 0 a e; ! \"$0\" copy a f";
    Run::bare(launcher())
        .args(["trace", "--dialect", "linux-5.19", "--hooks", "copy_file_range,syscall"])
        .args(["--log", "debug", "--format", "json", "-o"])
        .args([log.as_os_str(), "sh".as_ref(), "-c".as_ref(), script.as_ref()])
        .args([&own_wrapper])
        .within(scratch.path())
        .ok();
    let content = fs::read_to_string(&log).unwrap();
    read_json_lines(&content);
    let report_as_json = summary(&content);
    assert_sums(&report_as_json, &content);
    assert_eq!(report_as_json["bytes"], 2_010_000);
    assert_eq!(report_as_json["processes"], 4);
    assert!(report_as_json["messages"].as_u64().unwrap() > 0, "{report_as_json}");
    assert!(report_as_json["zero"].as_u64().unwrap() > 0, "cp asks until there is no more");
    assert_eq!(report_as_json["failures"][0]["rules"][0]["rule"], "flags");

    let text = report([&log]).ok().stdout;
    let line = |words: &[&str]| {
        let found = text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == words);
        assert!(found, "{words:?}: {text}");
    };
    line(&["bytes", "1.91", "MiB"]);
    assert!(text.lines().any(|line| line.starts_with("  errors              1, in ")), "{text}");
    line(&["EINVAL", "1"]);
    line(&["flags", "1", "flags", "is", "not", "0"]);
    let directory = scratch.path().display();
    for (source, target) in [("a", "b"), ("c", "d"), ("a", "e"), ("a", "f")] {
        let pair = format!(" {directory}/{source} -> {directory}/{target}\n");
        assert!(text.contains(&pair), "{text}");
    }
    let calls = report_as_json["calls"].as_u64().unwrap() as usize;
    assert_eq!(complete(&events(&content)).len(), calls);
}

// What a log may hold.

#[test]
fn calls_are_grouped_by_hook_and_request() {
    let ioctl = |request: &str, changes: Value| {
        let mut keys = json!({"call": "ioctl", "hook": "ioctl", "request": request,
                              "method": "reflink", "ret": 0});
        keys.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        line(keys)
    };
    let dedupe = |place: u32, changes: Value| {
        let mut keys = json!({"target": place, "targets": 3, "method": "dedupe", "status": 0,
                              "path_out": format!("/t{place}"), "duration_ns": 7_000});
        keys.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        ioctl("FIDEDUPERANGE", keys)
    };
    let log = [
        line(json!({"shared": false})),
        line(json!({"ret": 0, "bytes": 0})),
        line(json!({"call": "sendfile", "hook": "sendfile64", "flags": null, "injected": true})),
        line(json!({"hook": "syscall", "ret": -1, "errno": 512, "bytes": 0})),
        ioctl("FICLONE", json!({"off_in": null, "off_out": null, "len": null, "shared": true})),
        ioctl("FICLONERANGE", json!({"len": 0, "shared": true})),
        dedupe(1, json!({})),
        dedupe(2, json!({"status": 1, "bytes": 0})),
        dedupe(3, json!({"status": -22, "bytes": 0, "error": "EINVAL"})),
    ];
    let report = summary(log.concat());
    // A call with several targets counts once for each of them, and its time counts once.
    assert_eq!(sums_of(&report), [9, 5 * 4096, 2, 6 * 1_000 + 7_000]);
    let facts = ["zero", "differ", "injected", "shared", "not_shared", "processes"];
    assert_eq!(facts.map(|fact| report[fact].as_u64().unwrap()), [1, 1, 1, 2, 1, 1]);
    let hooks = rows(&report["hooks"], |row| names(row, ["hook", "request"]));
    let hook = |name: &str| hooks.get(name).unwrap_or_else(|| panic!("{name}: {hooks:?}"));
    assert_eq!(hook("\"copy_file_range\" null"), &[2, 4096, 0, 2_000]);
    assert_eq!(hook("\"sendfile64\" null"), &[1, 4096, 0, 1_000]);
    assert_eq!(hook("\"syscall\" null"), &[1, 0, 1, 1_000]);
    assert_eq!(hook("\"ioctl\" \"FICLONE\""), &[1, 4096, 0, 1_000]);
    assert_eq!(hook("\"ioctl\" \"FIDEDUPERANGE\""), &[3, 4096, 1, 7_000]);
    let failures = report["failures"].as_array().unwrap();
    let errors: Vec<_> = failures.iter().map(|failure| &failure["error"]).collect();
    assert_eq!(errors, ["EINVAL", "errno 512"]);
    assert_eq!(report["slowest"].as_array().unwrap().len(), 7);

    let events = events(log.concat());
    let calls = complete(&events);
    assert_eq!(calls.len(), log.len());
    let of = |name: &str| calls.iter().find(|call| call["name"] == name).unwrap();
    assert_eq!(of("ioctl FICLONE")["args"]["len"], Value::Null);
    assert_eq!(of("ioctl FICLONE")["args"]["shared"], true);
    assert_eq!(of("sendfile64")["args"]["injected"], true);
    assert_eq!(of("ioctl FIDEDUPERANGE")["cat"], "dedupe");
}

/// The bytes copied are then those returned.
#[test]
fn a_log_without_the_newer_keys_is_read() {
    let mut old = String::new();
    for ret in [4096, 0, -1] {
        let mut keys = read_foreign_json(&line(json!({"ret": ret})));
        if ret < 0 {
            keys["errno"] = 22.into();
            keys["error"] = "EINVAL".into();
        }
        for key in ["request", "bytes", "status", "target", "targets", "why", "injected"] {
            keys.as_object_mut().unwrap().remove(key).unwrap();
        }
        old += &format!("{keys}\n");
    }
    let report = summary(&old);
    assert_sums(&report, &old);
    assert_eq!(sums_of(&report), [3, 4096, 1, 3_000]);
    assert_eq!(report["foreign"]["count"], 0);
}

/// A later version may write more.
#[test]
fn unknown_keys_and_values_are_accepted() {
    let log = line(json!({"method": "teleport", "hook": "splice", "new": {"deep": [1, "x"]}}));
    let report = summary(&log);
    assert_eq!(report["methods"]["rows"][0]["method"], "teleport");
    assert_eq!(report["foreign"]["count"], 0);
}

#[test]
fn messages_and_lost_lines_are_counted() {
    let log = [message("5 lines lost"), line(json!({})), message("37 lines lost"), message("hm")];
    let report = summary(log.concat());
    assert_eq!(["calls", "messages", "lost"].map(|key| report[key].as_u64().unwrap()), [1, 3, 42]);
    let events = events(log.concat());
    let instants: Vec<_> = events.iter().filter(|event| event["ph"] == "i").collect();
    assert_eq!(instants.len(), 3);
    assert_eq!(instants[0]["name"], "5 lines lost");
    assert_eq!((&instants[0]["s"], &instants[0]["cat"]), (&json!("t"), &json!("error")));
    assert!(instants.iter().all(|event| event["ts"].is_number() && event["pid"] == 42));
}

/// And the calls around them.
#[test]
fn lines_that_are_not_log_lines_are_counted() {
    let whole = line(json!({}));
    let without = |key: &str| {
        let mut keys = read_foreign_json(&line(json!({})));
        keys.as_object_mut().unwrap().remove(key).unwrap();
        keys.to_string().into_bytes()
    };
    let with = |key: &str, value: Value| {
        line(Map::from_iter([(key.to_owned(), value)]).into()).trim_end().as_bytes().to_vec()
    };
    let replaced = |from: &str, to: &[u8]| {
        let at = whole.find(from).unwrap();
        [&whole.as_bytes()[..at], to, whole[at + from.len()..].trim_end().as_bytes()].concat()
    };
    let mut corners: Vec<Vec<u8>> = [
        "{}",
        "[]",
        "null",
        "7",
        "\"",
        "cfr: no copy was seen: why",
        "{\"pid\":1}",
        "}{",
        "make: *** [all] Error 1",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec();
    corners.push(whole.as_bytes()[..200].to_vec());
    corners.push(whole.as_bytes()[200..whole.len() - 1].to_vec());
    corners.push(whole.trim_end().repeat(2).into_bytes());
    corners.push(vec![0; 500]);
    corners.push(vec![b'['; 60_000]);
    corners.push(vec![b'x'; 10 << 20]);
    corners.push(replaced("\"/a\"", b"\"/\xff\""));
    corners.push(replaced("\"flag_names\":[]", b"\"flag_names\":[\"\xff\"]"));
    corners.push(replaced("\"/a\"", b"\"/\\ud800\""));
    corners.push(replaced("\"pid\":42", b"\"pid\":42,\"pid\":42"));
    corners.push(replaced("\"ret\":4096", b"\"ret\":1e999"));
    for key in ["time", "pid", "hook", "ret", "method", "duration_ns"] {
        corners.push(without(key));
        corners.push(with(key, json!([])));
        corners.push(with(key, json!({"a": 1})));
        corners.push(with(key, Value::Null));
    }
    for (key, value) in [
        ("pid", json!(0)),
        ("pid", json!(-1)),
        ("pid", json!(4_194_305)),
        ("pid", json!(1.5)),
        ("tid", json!("42")),
        ("ret", json!("4096")),
        ("bytes", json!(-1)),
        ("len", json!(-4096)),
        ("flags", json!(1u64 << 32)),
        ("duration_ns", json!(-1)),
        ("shared", json!("yes")),
        ("injected", json!(1)),
        ("path_in", json!(7)),
        ("path_in", json!("x".repeat(5_000))),
        ("off_in", json!([])),
        ("time", json!("yesterday")),
        ("time", json!("2026-13-01T00:00:00.000000Z")),
        ("time", json!("1969-12-31T23:59:59.000000Z")),
        ("time", json!("99999-01-01T00:00:00.000000Z")),
    ] {
        corners.push(with(key, value));
    }
    // A line of more than 64 KiB is not a log line, whatever it holds.
    corners.push(format!("{}{}", whole.trim_end(), " ".repeat(65 << 10)).into_bytes());
    for corner in &corners {
        let shown = String::from_utf8_lossy(&corner[..corner.len().min(600)]).into_owned();
        let log = [whole.as_bytes(), corner, b"\n", whole.as_bytes()].concat();
        let report = summary(&log);
        assert_eq!(sums_of(&report)[..2], [2, 8192], "{shown}");
        assert_eq!(report["foreign"]["count"], 1, "{shown}");
        assert_eq!(report["foreign"]["first"]["line"], 2, "{shown}");
        assert_eq!(complete(&events(&log)).len(), 2, "{shown}");
    }
    let log = [&corners.join(&b'\n')[..], b"\n", message("hm").as_bytes()].concat();
    let report = summary(log);
    assert_eq!((&report["calls"], &report["foreign"]["count"]), (&json!(0), &json!(corners.len())));
}

/// The library blanks the place of a line that it could write only in part.
#[test]
fn blank_lines_are_skipped() {
    let (call, blank) = (line(json!({})), " ".repeat(400));
    let report = summary(["\n", &call, "   \n", &call, &blank, "\n"].concat());
    assert_eq!((&report["calls"], &report["foreign"]["count"]), (&json!(2), &json!(0)));
}

/// They stay the largest.
#[test]
fn the_largest_numbers_are_summed_without_overflow() {
    let largest = json!({
        "bytes": u64::MAX, "ret": i64::MAX, "len": u64::MAX, "duration_ns": u64::MAX,
        "pid": 4_194_304, "tid": 4_194_304, "time": "9999-12-31T23:59:59.999999Z",
        "flags": u32::MAX, "status": i32::MIN, "off_in": i64::MIN, "off_out": "0xffffffffffffffff",
    });
    let log = line(largest).repeat(3) + &line(json!({"time": "1970-01-01T00:00:00.000000Z"}));
    let report = summary(&log);
    assert_eq!(report["bytes"], u64::MAX);
    assert_eq!(report["latency_ns"]["max"], u64::MAX);
    assert_eq!(report["failures"][0]["error"], "errno 2147483647");
    assert_eq!(report["first"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(complete(&events(&log))[0]["args"]["off_out"], "0xffffffffffffffff");
    let scratch = Scratch::new();
    report_text(&scratch, &log);
}

fn report_text(scratch: &Scratch, log: &str) -> String {
    report([scratch.write("log", log.as_bytes())]).ok().stdout
}

/// The process is still writing or was killed.
#[test]
fn a_partial_last_line_is_accepted() {
    let whole = line(json!({}));
    for cut in [1, 2, 100, whole.len() - 2] {
        let log = format!("{whole}{}", &whole[..cut]);
        let report = summary(&log);
        let facts = (&report["calls"], &report["foreign"]["count"]);
        assert_eq!(facts, (&json!(1), &json!(1)), "{cut}");
        assert_eq!(complete(&events(&log)).len(), 1, "{cut}");
    }
    // The line is whole even without its newline.
    assert_eq!(summary(format!("{whole}{}", whole.trim_end()))["calls"], 2);
}

#[test]
fn an_empty_log_has_no_calls() {
    for log in ["".to_owned(), message("hm")] {
        let scratch = Scratch::new();
        assert!(report_text(&scratch, &log).starts_with("no calls\n"));
        let report = summary(&log);
        assert_eq!(sums_of(&report), [0; 4]);
        assert_eq!((&report["first"], &report["latency_ns"]), (&Value::Null, &Value::Null));
        assert_eq!(complete(&events(&log)).len(), 0);
    }
}

// Numbers.

/// The slowest call is exact.
#[test]
fn percentiles_are_off_by_at_most_a_hundredth() {
    let mut seed = 7u64;
    let mut durations: Vec<u64> = (0..5_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let magnitude = 1 << (seed >> 32 & 31);
            magnitude | seed >> 20 & (magnitude - 1)
        })
        .collect();
    let log: String =
        durations.iter().map(|duration| line(json!({"duration_ns": duration}))).collect();
    let report = summary(log);
    durations.sort_unstable();
    for (key, rank) in [("p50", 2_500), ("p90", 4_500), ("p99", 4_950), ("p99_9", 4_995)] {
        let exact = durations[rank - 1] as f64;
        let told = report["latency_ns"][key].as_f64().unwrap();
        assert!((told / exact - 1.0).abs() <= 0.01, "{key}: {told} for {exact}");
    }
    assert_eq!(report["latency_ns"]["max"], *durations.last().unwrap());
    let time: u64 = durations.iter().sum();
    let speed = report["bytes_per_second"]["in_calls"].as_u64().unwrap();
    assert_eq!(u128::from(speed), 5_000 * 4_096 * 1_000_000_000 / u128::from(time));
}

#[test]
fn the_time_span_is_from_the_first_start_to_the_last_end() {
    let log = [
        line(json!({"time": "2026-11-25T00:00:02.000000Z", "duration_ns": 1_500_000})),
        line(json!({"time": "2026-11-25T00:00:00.000000Z", "duration_ns": 500_000_000})),
        message("from later times"),
    ];
    let report = summary(log.concat());
    assert_eq!(report["first"], "2026-11-25T00:00:00.000000Z");
    assert_eq!(report["last"], "2026-11-25T00:00:02.001500Z");
    assert_eq!(report["span_us"], 2_001_500);
    assert_eq!(report["bytes_per_second"]["overall"], 4_092);
}

/// Calls of `pairs` pairs in an order that depends on `seed`; every thousandth call is of one of
/// eight heavy pairs.
fn generate(calls: u64, pairs: u64, mut seed: u64, log: impl Write) {
    let mut others = read_foreign_json(&line(json!({})));
    for key in ["pid", "path_in", "path_out", "bytes", "duration_ns"] {
        others.as_object_mut().unwrap().remove(key).unwrap();
    }
    let others = others.to_string();
    let mut log = BufWriter::new(log);
    for number in 0..calls {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let heavy = number % 1_000 == 0;
        let pair = if heavy { seed >> 33 & 7 } else { seed >> 33 } % pairs;
        let (pid, duration) = (1 + pair % 4_000_000, 1_000 + number);
        let bytes = if heavy { 50_000_000 } else { 1 + pair % 1_000 };
        writeln!(
            log,
            "{{\"pid\":{pid},\"path_in\":\"/some/directory/of/sources/{pair}\",\
             \"path_out\":\"/some/directory/of/targets/{pair}\",\"bytes\":{bytes},\
             \"duration_ns\":{duration},{}",
            &others[1..]
        )
        .unwrap();
    }
    log.flush().unwrap();
}

fn generated(calls: u64, pairs: u64, seed: u64) -> String {
    let mut log = Vec::new();
    generate(calls, pairs, seed, &mut log);
    String::from_utf8(log).unwrap()
}

/// Returns the peak memory of reading so many calls, in KiB. The log comes through a pipe, so that
/// the process is still there when it has read everything.
fn peak_memory(calls: u64, words: &[&str]) -> u64 {
    let run = Run::bare(launcher()).args(["report"]).args(words).args(["-"]);
    let mut running = run.stdout("/dev/null").start();
    let mut log = running.stdin();
    generate(calls, 100_000, 1, &mut log);
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    drop(log);
    assert_eq!(running.output().status, Some(0));
    peak
}

/// A log 20 times as long takes the same memory, even if nearly every call has another pair of
/// files and a trace or a page is written.
#[test]
fn memory_does_not_grow_with_the_log() {
    for words in [&["--top", "10"][..], &["--chrome", "/dev/null"], &["--html", "/dev/null"]] {
        let [short, long] = [20_000, 400_000].map(|calls| peak_memory(calls, words));
        assert!(long < short + 2_048 && long < 32_768, "{short} KiB, {long} KiB");
    }
}

/// The report says how large the error of its numbers can be, and is right.
#[test]
fn beyond_the_maximum_of_pairs_the_error_is_bounded_and_reported() {
    let scratch = Scratch::new();
    let log = generated(60_000, 3 * PAIRS, 5);
    let path = scratch.write("log", log.as_bytes());
    let exact = sums_by(&log, |line| names(line, ["path_in", "path_out"]));
    assert!(exact.len() as u64 > 2 * PAIRS);
    let all = sums_by(&log, |_| String::new())[""];
    for (order, at) in [("calls", 0), ("bytes", 1), ("errors", 2), ("time", 3)] {
        let words = ["--format", "json", "--top", "1000", "--by", order];
        let report = read_json(&report(words).args([&path]).ok().stdout);
        assert_eq!(sums_of(&report), all);
        let pairs = &report["pairs"];
        assert_eq!((&pairs["distinct"], &report["by"]), (&Value::Null, &json!(order)));
        let off = pairs["off_by_at_most"].as_u64().unwrap();
        assert!(off <= all[at] / (PAIRS / 2), "{order}: off by {off}");
        let mut left = all;
        let mut told = BTreeMap::new();
        for row in pairs["rows"].as_array().unwrap() {
            let name = names(row, ["source", "target"]);
            let (shown, exact) = (sums_of(row), exact[&name]);
            assert!((0..4).all(|at| shown[at] <= exact[at]), "{order} {name}: {shown:?} {exact:?}");
            assert!(shown[at] + off >= exact[at], "{order} {name}: {shown:?} {exact:?}");
            assert!(row["exact"] == false || shown == exact, "{order} {name}: {shown:?} {exact:?}");
            left = std::array::from_fn(|at| left[at] - shown[at]);
            told.insert(name, shown[at]);
        }
        assert_eq!(sums_of(&pairs["others"]), left, "{order}");
        assert_eq!(told.len(), 1_000);
        // A pair with more than the smallest row plus the error is among the rows.
        let least = told.values().min().unwrap();
        for (name, exact) in &exact {
            assert!(
                exact[at] <= least + off || told.contains_key(name),
                "{order} {name}: {exact:?}"
            );
        }
    }
    let text = report([&path]).ok().stdout;
    assert!(text.contains("(other pairs)") && text.contains("+ may miss up to "), "{text}");
}

/// The numbers of processes always are.
#[test]
fn up_to_the_maximum_of_pairs_every_number_is_exact() {
    let scratch = Scratch::new();
    let log: String = (1..=PAIRS)
        .map(|pair| line(json!({"pid": pair * 3, "path_in": format!("/{pair}"), "bytes": pair})))
        .collect();
    let path = scratch.write("log", log.as_bytes());
    let report = read_json(&report(["--format", "json", "--top", "2"]).args([&path]).ok().stdout);
    assert_eq!(report["processes"], PAIRS);
    let pairs = &report["pairs"];
    assert_eq!((&pairs["distinct"], &pairs["off_by_at_most"]), (&json!(PAIRS), &json!(0)));
    assert_eq!(pairs["rows"][1]["source"], format!("/{}", PAIRS - 1));
    assert_eq!(pairs["others"]["bytes"], (1..=PAIRS - 2).sum::<u64>());
    let more = log + &line(json!({"path_in": "/0", "bytes": 1}));
    assert_eq!(summary(more)["pairs"]["distinct"], Value::Null);
}

/// Nor does the number of logs into which they are split.
#[test]
fn the_order_and_the_split_of_the_lines_do_not_matter() {
    let scratch = Scratch::new();
    let log = generated(3_000, 700, 9);
    let expected = summary(&log);
    let mut lines: Vec<_> = log.lines().collect();
    for (at, seed) in (1..lines.len()).zip((1u64..).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    {
        lines.swap(at, (seed >> 20) as usize % (at + 1));
    }
    assert_eq!(summary(lines.join("\n")), expected);
    let (some, others) = lines.split_at(1_234);
    let some = scratch.write("some", some.join("\n").as_bytes());
    let run = report(["--format", "json", "-"]).args([some]).input(others.join("\n").as_bytes());
    assert_eq!(read_json(&run.ok().stdout), expected);
}

#[test]
fn by_and_top_choose_the_pairs_that_are_shown() {
    let scratch = Scratch::new();
    let pair = |name: &str, changes: Value| {
        let mut keys = json!({"path_in": name});
        keys.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        line(keys)
    };
    let log = [
        pair("/bytes", json!({"bytes": 9_000})),
        pair("/calls", json!({})),
        pair("/calls", json!({})),
        pair("/time", json!({"duration_ns": 9_000})),
        pair("/errors", json!({"ret": -1, "errno": 5, "error": "EIO", "bytes": 0})),
    ];
    let log = scratch.write("log", log.concat().as_bytes());
    for order in ["bytes", "calls", "time", "errors"] {
        let words = ["--format", "json", "--top", "1", "--by", order];
        let report = read_json(&report(words).args([&log]).ok().stdout);
        let rows = report["pairs"]["rows"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["source"]), (1, &json!(format!("/{order}"))));
        assert_eq!(report["pairs"]["distinct"], 4);
        assert_eq!(report["slowest"].as_array().unwrap().len(), 1);
        assert_eq!(report["slowest"][0]["source"], "/time");
    }
    let text = report(["--top", "1"]).args([&log]).ok().stdout;
    assert!(text.contains("(3 other pairs)"), "{text}");
}

// Traces.

#[test]
fn a_trace_has_an_event_for_each_call() {
    let at = |micros: u64, changes: Value| {
        let mut keys = json!({"time": format!("2026-11-25T00:00:00.{micros:06}Z")});
        keys.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        line(keys)
    };
    let log = [
        at(10, json!({"duration_ns": 5_900, "off_in": 0, "off_out": 4096, "flags": 3})),
        // Starts in the microsecond in which the previous one ended.
        at(15, json!({"duration_ns": 1_234})),
        at(12, json!({"pid": 43, "tid": 44, "comm": "worker"})),
        at(5, json!({"pid": 43, "tid": 43, "comm": "main"})),
        at(
            30,
            json!({"comm": "sh", "ret": -1, "errno": 22, "error": "EINVAL", "bytes": 0,
                      "rule": "append", "why": "because"}),
        ),
    ];
    let events = events(log.concat());
    let mut ends = BTreeMap::new();
    for event in complete(&events) {
        let number = |key: &str| event[key].as_f64().unwrap_or_else(|| panic!("{key}: {event}"));
        assert!(number("ts") > 0.0 && number("dur") > 0.0 && number("pid") > 0.0, "{event}");
        // Viewers drop a call that overlaps another of its thread.
        let end: &mut f64 = ends.entry(number("tid").to_string()).or_default();
        assert!(number("ts") >= *end, "{event}");
        *end = number("ts") + number("dur");
    }
    let calls = complete(&events);
    assert_eq!(calls.len(), log.len());
    let from_first = |call: &Value| call["ts"].as_f64().unwrap() - calls[0]["ts"].as_f64().unwrap();
    let close = |a: f64, b: f64| (a - b).abs() < 0.002;
    assert!(close(from_first(calls[1]), 5.9), "{calls:?}");
    assert!(close(from_first(calls[2]), 2.0) && close(from_first(calls[3]), -5.0), "{calls:?}");
    assert_eq!(calls[0]["name"], "copy_file_range");
    assert_eq!(calls[0]["cat"], "kernel");
    assert_eq!(calls[0]["dur"], 5.9);
    let args = &calls[0]["args"];
    assert_eq!(names(args, ["source", "target", "off_in", "off_out"]), "\"/a\" \"/b\" 0 4096");
    assert_eq!(
        (&args["flags"], &args["bytes"]),
        (&json!("COPY_FR_COPY|COPY_FR_REFLINK"), &json!(4096))
    );
    assert_eq!(names(&calls[4]["args"], ["ret", "error", "rule"]), "-1 \"EINVAL\" \"append\"");
    // A thread or process has the last name in the log.
    let mut called = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "M") {
        let who = (
            event["name"].as_str().unwrap(),
            event["pid"].as_u64(),
            match &event["name"] {
                name if name == "process_name" => None,
                _ => event["tid"].as_u64(),
            },
        );
        called.insert(who, event["args"]["name"].as_str().unwrap());
    }
    let expected = [
        (("process_name", Some(42), None), "sh"),
        (("process_name", Some(43), None), "main"),
        (("thread_name", Some(42), Some(42)), "sh"),
        (("thread_name", Some(43), Some(43)), "main"),
        (("thread_name", Some(43), Some(44)), "worker"),
    ];
    assert_eq!(called, BTreeMap::from(expected));
}

/// It is written beside the report.
#[test]
fn a_trace_file_is_complete_or_absent() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(json!({})).as_bytes());
    let place = scratch.file("place");
    fs::create_dir(&place).unwrap();
    let trace = place.join("trace.json");
    let names_in = || {
        let entries = fs::read_dir(&place).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let calls = || {
        complete(
            read_foreign_json(&fs::read_to_string(&trace).unwrap())["traceEvents"]
                .as_array()
                .unwrap(),
        )
        .len()
    };
    let run = || report(["--chrome".as_ref(), trace.as_os_str(), log.as_os_str()]);
    let output = run().ok();
    assert!(output.stdout.starts_with("calls\n") && output.stderr.is_empty(), "{output:?}");
    assert_eq!((calls(), names_in()), (1, vec!["trace.json".to_owned()]));

    // An existing file is replaced and keeps its permissions, also through a link.
    fs::set_permissions(&trace, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&log, line(json!({})).repeat(2)).unwrap();
    let link = scratch.file("link");
    symlink(&trace, &link).unwrap();
    report(["--chrome".as_ref(), link.as_os_str(), log.as_os_str()]).ok();
    assert_eq!((calls(), names_in()), (2, vec!["trace.json".to_owned()]));
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&trace).unwrap().permissions().mode() & 0o777, 0o600);

    // If a log cannot be read, the old file stays.
    let output = run().args([scratch.file("missing")]).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{output:?}");
    assert_eq!((calls(), names_in()), (2, vec!["trace.json".to_owned()]));

    // It must not be the log.
    let output = report(["--chrome".as_ref(), log.as_os_str(), log.as_os_str()]).output();
    let said = format!("cfr: cannot write {}: it is one of the logs to read\n", log.display());
    assert_eq!((output.status, output.stderr), (Some(125), said));
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2);

    let output = report(["--chrome", "/nonexistent/trace"]).args([&log]).output();
    let said = "cfr: cannot write /nonexistent/trace: No such file or directory (ENOENT)\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(125), said));
    let output = report(["--chrome", "/dev/full"]).args([&log]).output();
    let said = "cfr: cannot write /dev/full: No space left on device (ENOSPC)\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(125), said));
    assert_eq!(fs::metadata("/dev/full").unwrap().len(), 0);
}

/// A pipe is written to, not replaced.
#[test]
fn a_trace_can_be_written_to_a_pipe() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(json!({})).as_bytes());
    let pipe = scratch.file("pipe");
    Run::bare("mkfifo").args([&pipe]).ok();
    let reader = Run::bare("cat").args([&pipe]).start();
    report(["--chrome".as_ref(), pipe.as_os_str(), log.as_os_str()]).ok();
    let trace = read_foreign_json(&reader.output().stdout);
    assert_eq!(complete(trace["traceEvents"].as_array().unwrap()).len(), 1);
}

#[test]
fn a_signal_leaves_no_file() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        let scratch = Scratch::new();
        let trace = scratch.write("trace", b"the old one");
        let names_in = || fs::read_dir(scratch.path()).unwrap().count();
        // Its standard input stays open until it has ended.
        let running = report(["--chrome".as_ref(), trace.as_os_str(), "-".as_ref()]).start();
        until(|| names_in() == 2, "a trace is begun");
        running.send(signal);
        assert_eq!(running.output().signal, Some(signal));
        assert_eq!((names_in(), fs::read(&trace).unwrap()), (1, b"the old one".to_vec()));
    }
}

// What reaches the terminal.

/// Also those that the log escapes: a name must not command the terminal or forge a line.
#[test]
fn names_with_control_characters_are_escaped() {
    let evil = "\u{1b}[31m\n\u{9b}2J\u{7f}\r\u{202e}\u{2028}\u{0}e9";
    let mut keys = json!({"ret": -1, "errno": 5});
    for key in ["comm", "hook", "request", "path_in", "path_out", "error", "method", "rule", "why"]
    {
        keys[key] = format!("{key}{evil}").into();
    }
    let scratch = Scratch::new();
    let log = [line(keys), message(evil), "none\n".to_owned()].concat();
    let log = scratch.write("log\u{1b}[31m", log.as_bytes());
    for words in
        [&["--format", "text"][..], &["--format", "json"], &["--chrome", "-"], &["--html", "-"]]
    {
        let shown = report(words).args([&log]).ok().stdout;
        let commands = |character: char| {
            character != '\n'
                && (character.is_control() || ('\u{2028}'..='\u{202e}').contains(&character))
        };
        assert!(!shown.contains(commands), "{words:?}: {shown:?}");
        assert!(shown.lines().all(|line| !line.starts_with('\u{1b}')));
        assert!(shown.contains("path_in"), "{words:?}: {shown:?}");
    }
    let text = report([&log]).ok().stdout;
    assert!(text.contains("path_in\\u{1b}[31m\\n") && text.contains("\\xe9"), "{text}");
    // The escaped text has the original characters.
    let json = read_json(&report(["--format", "json"]).args([&log]).ok().stdout);
    assert_eq!(json["pairs"]["rows"][0]["source"], format!("path_in{evil}"));
}

/// A bar shows how much of the log is read, and is erased at the end.
#[test]
fn progress_is_shown_on_a_terminal_only() {
    const CLEAR: &str = "\r\u{1b}[K";
    let scratch = Scratch::new();
    let log = scratch.write("log", line(json!({})).repeat(5_000).as_bytes());
    assert_eq!(report([&log]).ok().stderr, "");
    let Some(script) = find_program("script") else {
        return skip(
            "cli::report::progress_is_shown_on_a_terminal_only",
            "script is not installed",
        );
    };
    let out = scratch.file("out");
    let shown = |command: &str| {
        let run = Run::bare(&script).args(["-qefc", command, "shown"]);
        let run = run.env("CFR", launcher()).env("LOG", &log);
        run.env("OUT", &out).within(scratch.path()).output().stdout
    };
    let all = shown("stty cols 200; \"$CFR\" report \"$LOG\" > \"$OUT\"");
    let bar = format!("{CLEAR}[....................]   0% 0 B/s {}", log.display());
    assert!(all.starts_with(&bar) && all.ends_with(CLEAR) && !all.contains('\n'), "{all:?}");
    assert!(fs::read_to_string(&out).unwrap().starts_with("calls\n"));
    // A line that wraps could not be erased.
    let narrow = shown("stty cols 30; \"$CFR\" report \"$LOG\" > \"$OUT\"");
    assert!(narrow.split(CLEAR).all(|line| line.trim_end_matches('\r').len() < 30), "{narrow:?}");
    // A message is on a line of its own.
    let all = shown("\"$CFR\" report \"$LOG\" missing > \"$OUT\"");
    assert!(all.contains(&format!("{CLEAR}cfr: cannot read missing: ")), "{all:?}");
    // Also if it is interrupted: a hole of a terabyte is one long line.
    let hole = scratch.file("hole");
    let file = OpenOptions::new().create_new(true).write(true).open(hole).unwrap();
    if file.set_len(1 << 40).is_ok() {
        // The typescript begins with a header, which has this command: [s] does not match itself.
        let interrupt = "{ until grep -q ' B/[s]' shown; do sleep .05; done; kill -INT $$; }";
        let all = shown(&format!("{interrupt} & exec \"$CFR\" report hole"));
        assert!(all.starts_with(CLEAR) && all.ends_with(CLEAR), "{all:?}");
    }
    // The length of a pipe is not known; and a standard error that is not a terminal gets nothing.
    for command in ["cat \"$LOG\" | \"$CFR\" report -", "\"$CFR\" report \"$LOG\" 2> \"$OUT\""] {
        let all = shown(command);
        assert!(all.starts_with("calls") && !all.contains('\u{1b}'), "{all:?}");
    }
    assert_eq!(fs::read_to_string(&out).unwrap(), "");
}

// Errors.

#[test]
fn a_log_that_cannot_be_read_is_125() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(json!({})).as_bytes());
    let missing = scratch.file("missing");
    for (path, why) in [
        (missing.as_path(), "No such file or directory (ENOENT)"),
        (scratch.path(), "Is a directory (EISDIR)"),
    ] {
        let output = report([log.as_path(), path]).output();
        let said = format!("cfr: cannot read {}: {why}\n", path.display());
        assert_eq!((output.status, output.stdout, output.stderr), (Some(125), String::new(), said));
    }
}

/// In the text. JSON has plain numbers.
#[test]
fn every_number_of_bytes_has_a_unit() {
    let scratch = Scratch::new();
    let copied = json!({"ret": 2_000_000, "bytes": 2_000_000, "len": 5_000_000, "shared": true});
    let emulated = json!({"ret": 30_000, "bytes": 30_000, "method": "emulated", "shared": false});
    let first = line(json!({"path_in": "/c", "bytes": 4_000}));
    let log = scratch.write("log", (line(copied) + &line(emulated) + &first).as_bytes());
    fs::write(scratch.file("a"), [b'a'; 70_000]).unwrap();
    let run = Run::bare(launcher()).args(["run", "--summary=summary", "--format", "json", "--"]);
    run.args(["sh", "-c", "cp a b; cat < a > c; cp --sparse=always a d"])
        .within(scratch.path())
        .ok();
    for words in [&[log][..], &[scratch.file("summary")]] {
        let text = report(words).ok().stdout;
        let is_bare = |word: &&str| {
            let digits = word.trim_matches(['+', ',', '(', ')', ';']);
            digits.parse::<u64>().is_ok_and(|number| number >= 1_000)
        };
        let bare: Vec<_> = text.split_whitespace().filter(is_bare).collect();
        assert_eq!(bare, Vec::<&str>::new(), "{text}");
        assert!(text.contains(" KiB") || text.contains(" MiB"), "{text}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_125() {
    for (words, said) in [
        (&[][..], "LOG"),
        (&["--top", "0", "log"], "value '0' for --top: expected a number from 1 to 1000\n"),
        (&["--top", "1001", "log"], "value '1001' for --top: expected a number from 1 to 1000\n"),
        (
            &["--by", "size", "log"],
            "value 'size' for --by: expected bytes, calls, time or errors\n",
        ),
        (&["--format", "xml", "log"], "value 'xml' for --format: expected text or json\n"),
    ] {
        let output = report(words).output();
        assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{output:#?}");
        assert!(output.stderr.starts_with("cfr: ") && output.stderr.contains(said), "{output:#?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_125() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(json!({})).as_bytes());
    for (words, what) in [(&["--top", "1"][..], "the report"), (&["--chrome", "-"], "the trace")] {
        let output = report(words).args([&log]).stdout("/dev/full").output();
        let said = format!("cfr: cannot write {what}: No space left on device (ENOSPC)\n");
        assert_eq!((output.status, output.stderr), (Some(125), said));
    }
}

#[test]
fn a_closed_pipe_ends_the_report_without_an_error() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(json!({})).repeat(5_000).as_bytes());
    let script = "{ sleep .1; \"$@\"; echo $? >&2; } | true";
    for words in [&["--top", "1"][..], &["--chrome", "-"]] {
        let run = Run::bare("sh").args(["-c", script, "sh"]).args([launcher()]);
        let output = run.args(["report"]).args(words).args([&log]).ok();
        assert_eq!(output.stderr, "0\n");
    }
}

//! Calls that do not return: the log has their lines, and the summary says which they are.

use cfr_testkit::{Run, Scratch, compile, find_program, launcher, read_json, skip, until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The kinds of calls that c-tests/drivers/ends_in_call.c makes.
const CALLS: [&str; 6] =
    ["copy_file_range", "syscall", "FICLONE", "FICLONERANGE", "FIDEDUPERANGE", "sendfile"];

/// The program with the library preloaded, and the same one, which only the supervisor sees.
fn programs() -> [PathBuf; 2] {
    let source = "drivers/ends_in_call.c";
    [compile(source, "ends_in_call", &[]), compile(source, "ends_in_call-static", &["-static"])]
}

/// A directory with a source and a target for the program.
fn place() -> Scratch {
    let scratch = Scratch::new();
    scratch.random("a", 300_000);
    scratch.write("b", b"");
    scratch
}

/// Runs `cfr trace` and returns the log.
#[track_caller]
fn log_of(place: &Scratch, options: &[&str], words: &[&str], status: i32) -> String {
    let log = place.file("log");
    let run = Run::bare(launcher()).args(["trace", "-o"]).args([&log]);
    let output = run.args(options).args(["--"]).args(words).within(place.path()).output();
    assert_eq!(output.status, Some(status), "{output:#?}");
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    text
}

/// Runs these words under `cfr trace` and kills them in their first call, which waits for ever.
#[track_caller]
fn log_of_killed(place: &Scratch, options: &[&str], words: &[&str]) -> String {
    const SCRIPT: &str = "\"$@\" & copy=$!\n\
                          until grep -q begins log 2> /dev/null; do sleep 0.01; done\n\
                          kill -9 $copy; wait $copy 2> /dev/null; true";
    let mut all = vec!["--log", "debug", "--inject", "delay_enter=200s"];
    all.extend(options);
    let mut script = vec!["sh", "-c", SCRIPT, "sh"];
    script.extend(words);
    log_of(place, &all, &script, 0)
}

/// Returns the lines of calls that did not return, without process and time.
fn unfinished(log: &str) -> Vec<&str> {
    let lines = log.lines().filter(|line| line.contains(" = ? (unfinished"));
    lines.map(|line| line.splitn(3, ' ').nth(2).unwrap()).collect()
}

const KILLED: i32 = 128 + libc::SIGKILL;

#[test]
fn a_killed_call_leaves_its_line() {
    let place = place();
    let at = place.path().display();
    let [preloaded, supervised] = programs();
    let (a, b) = (format!("3<{at}/a>"), format!("4<{at}/b>"));
    let lines = [
        format!("copy_file_range({a}, [1000], {b}, NULL, 1048576, 0)"),
        format!("syscall(SYS_copy_file_range, {a}, NULL, {b}, [4096], 5000, 0x40000000)"),
        format!("ioctl({b}, FICLONE, {a})"),
        format!(
            "ioctl({b}, FICLONERANGE, {{src_fd={a}, src_offset=0, src_length=4096, dest_offset=8192}})"
        ),
        format!(
            "ioctl({a}, FIDEDUPERANGE, {{src_offset=0, src_length=4096, dest_count=1, \
             info=[{{dest_fd={b}, dest_offset=4096}}]}})"
        ),
        format!("sendfile({b}, {a}, [7], 100)"),
    ];
    for (call, line) in CALLS.iter().zip(&lines) {
        for program in [&preloaded, &supervised] {
            let log = log_of_killed(&place, &[], &[program.to_str().unwrap(), call, "a", "b"]);
            let line = format!("{line} = ? (unfinished, DELAYED)");
            let by_number = line.replace("syscall(SYS_copy_file_range, ", "copy_file_range(");
            let line = if program == &supervised { by_number } else { line };
            assert_eq!(unfinished(&log), [line], "{program:?}: {log}");
        }
    }
    let words = [preloaded.to_str().unwrap(), "FICLONE", "a", "b"];
    let log = log_of_killed(&place, &["--paths", "no"], &words);
    assert_eq!(unfinished(&log), ["ioctl(4, FICLONE, 3) = ? (unfinished, DELAYED)"]);
}

#[test]
fn a_killed_call_leaves_its_object() {
    let place = place();
    for call in CALLS {
        let objects = programs().map(|program| {
            let words = [program.to_str().unwrap(), call, "a", "b"];
            let log = log_of_killed(&place, &["--format", "json"], &words);
            let objects = log.lines().map(read_json);
            let mut calls = objects.filter(|object| object["call"].is_string());
            let mut object = calls.next().unwrap();
            assert_eq!(calls.next(), None, "{log}");
            assert_eq!(object["pid"], object["tid"], "{log}");
            assert!(object["time"].is_string() && object["comm"].is_string(), "{log}");
            // They differ between the two programs.
            for key in ["time", "pid", "tid", "comm", "hook"] {
                object[key] = Value::Null;
            }
            object
        });
        let [preloaded, supervised] = objects;
        assert_eq!(preloaded, supervised, "{call}");
        for key in ["ret", "method", "duration_ns", "status", "off_in_after"] {
            assert_eq!(preloaded[key], Value::Null, "{call}: {preloaded}");
        }
        assert_eq!(
            (&preloaded["why"], &preloaded["delayed"]),
            (&"unfinished".into(), &true.into())
        );
        let path =
            |key: &str| preloaded[key].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        assert_eq!([path("path_in"), path("path_out")], ["a", "b"], "{preloaded}");
    }
}

/// Another thread ends the process, by exit or by execve(2), while the call waits.
#[test]
fn a_call_that_another_thread_ends_leaves_its_line() {
    let place = place();
    for program in programs() {
        for options in [&[][..], &["--reach", "preload"]] {
            if program.ends_with("ends_in_call-static") && !options.is_empty() {
                continue;
            }
            let (log, go) = (place.file("log"), place.file("go"));
            let delay = ["--log", "debug", "--inject", "delay_enter=200s"];
            let run = Run::bare(launcher()).args(["trace", "-o"]).args([&log]).args(options);
            let run = run.args(delay).args(["--"]).args([&program]);
            let run = run.args(["syscall", "a", "b", "go"]).within(place.path()).start();
            let begins =
                |log: &Path| fs::read_to_string(log).unwrap_or_default().contains("begins");
            until(|| begins(&log), "the call begins");
            fs::write(&go, "").unwrap();
            assert_eq!(run.output().status, Some(5));
            let text = fs::read_to_string(&log).unwrap();
            assert_eq!(unfinished(&text).len(), 1, "{program:?} {options:?}: {text}");
            fs::remove_file(&go).unwrap();
            fs::remove_file(&log).unwrap();
        }
    }
}

/// The line is there while the rest of the tree goes on.
#[test]
fn the_line_does_not_wait_for_the_programs_end() {
    let place = place();
    let [program, _] = programs();
    let script = "\"$@\" & copy=$!\n\
                  until grep -q begins log 2> /dev/null; do sleep 0.01; done\n\
                  sleep 0.5; kill -9 $copy; wait $copy 2> /dev/null\n\
                  until grep -q unfinished log; do sleep 0.01; done; cp a c";
    for reach in ["preload", "all"] {
        let options = ["--reach", reach, "--log", "debug", "--inject", "delay_enter=200s:path=*/b"];
        let words =
            ["sh", "-c", script, "sh", program.to_str().unwrap(), "copy_file_range", "a", "b"];
        let log = log_of(&place, &options, &words, 0);
        let [before, after] = ["unfinished", "/c>"].map(|word| log.find(word).unwrap());
        assert!(before < after, "{log}");
    }
}

/// The kernel ends it at once: nothing has looked at the process in its call.
#[test]
fn a_call_beyond_the_limit_of_file_sizes_leaves_its_line() {
    let place = place();
    for reach in ["preload", "all"] {
        let log =
            log_of(&place, &["--reach", reach], &["sh", "-c", "ulimit -f 0; cat a > c; true"], 0);
        assert_eq!(unfinished(&log).len(), 1, "{log}");
    }
}

#[test]
fn the_line_is_in_the_log_of_its_process() {
    let place = place();
    let [program, _] = programs();
    let words = ["trace", "--inject", "signal=SIGKILL", "-o", "log-%e-%p", "--"];
    let run = Run::bare(launcher()).args(words).args([&program]).args(["FICLONE", "a", "b"]);
    assert_eq!(run.within(place.path()).output().status, Some(KILLED));
    let logs: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("log-"))
        .collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    let text = fs::read_to_string(place.file(&logs[0])).unwrap();
    let pid = text.split(' ').next().unwrap();
    assert_eq!((&*logs[0], unfinished(&text).len()), (&*format!("log-ends_in_call-{pid}"), 1));
}

#[test]
fn without_a_log_nothing_is_written() {
    let place = place();
    let [program, _] = programs();
    for options in [&["run"][..], &["trace", "--log", "error"], &["trace", "--log", "off"]] {
        let run = Run::bare(launcher()).args(options).args(["--inject", "signal=SIGKILL", "--"]);
        let run = run.args([&program]).args(["FICLONE", "a", "b"]).within(place.path());
        let output = run.output();
        assert!(!output.stderr.contains("unfinished"), "{options:?} {output:#?}");
    }
    for level in ["warn", "info"] {
        let options = ["--log", level, "--inject", "signal=SIGKILL"];
        let log =
            log_of(&place, &options, &[program.to_str().unwrap(), "FICLONE", "a", "b"], KILLED);
        assert_eq!(unfinished(&log).len(), 1, "{level}");
    }
}

/// An inner launcher writes the lines of its program, and they are written once.
#[test]
fn nested_launchers_write_one_line() {
    let place = place();
    let [program, _] = programs();
    let cfr = launcher();
    for inner in [&["trace"][..], &["trace", "-c"], &["run"], &["run", "--expect", "calls>=0"]] {
        let mut words = vec![cfr.to_str().unwrap()];
        words.extend(inner);
        words.extend(["--", program.to_str().unwrap(), "FICLONE", "a", "b"]);
        let log = log_of(&place, &["-c", "--inject", "signal=SIGKILL"], &words, KILLED);
        assert_eq!(unfinished(&log).len(), 1, "{inner:?}: {log}");
    }
}

/// Its process has another number there, and may seem to have ended.
#[test]
fn a_call_in_another_process_id_namespace_goes_on() {
    let test = "cli::unfinished::a_call_in_another_process_id_namespace_goes_on";
    let words = ["unshare", "--map-root-user", "--user", "--pid", "--fork"];
    if find_program("unshare").is_none()
        || Run::bare(words[0]).args(&words[1..]).args(["true"]).output().status != Some(0)
    {
        return skip(test, "no namespace can be made");
    }
    let place = place();
    let mut all = words.to_vec();
    all.extend(["sh", "-c", "cp a b; true"]);
    let options = ["--reach", "preload", "--inject", "delay_enter=1s:hook=copy_file_range"];
    let log = log_of(&place, &options, &all, 0);
    assert!(log.contains("DELAYED") && unfinished(&log).is_empty(), "{log}");
}

/// The summary names the calls that did not return, those of the library and of the supervisor.
#[test]
fn the_summary_says_which_calls_did_not_return() {
    let place = place();
    let summary = |format: &str, program: &Path, call: &str| {
        let words = ["run", "-c", "--format", format, "--inject", "signal=SIGKILL", "--"];
        let run = Run::bare(launcher()).args(words).args([program]).args([call, "a", "b"]);
        run.within(place.path()).output().stderr
    };
    for (program, hook) in programs().iter().zip(["", "seccomp"]) {
        for (call, name, own_hook) in [
            ("copy_file_range", "copy_file_range", "copy_file_range"),
            ("FICLONE", "FICLONE", "ioctl"),
            ("sendfile", "sendfile", "sendfile"),
        ] {
            let hook = if hook.is_empty() { own_hook } else { hook };
            let text = summary("json", program, call);
            let object = text.lines().find(|line| line.starts_with('{')).map(read_json);
            let object = object.unwrap()["summary"].clone();
            let calls = object["unfinished_calls"].as_array().unwrap();
            assert_eq!((&object["unfinished"], calls.len()), (&1.into(), 1), "{text}");
            assert_eq!((&calls[0]["hook"], &calls[0]["call"]), (&hook.into(), &name.into()));
            for (key, end) in [("path_in", "/a"), ("path_out", "/b")] {
                assert!(calls[0][key].as_str().unwrap().ends_with(end), "{text}");
            }
            let text = summary("text", program, call);
            let row = text.lines().find(|line| line.contains("/a -> "));
            let row = row.unwrap_or_else(|| panic!("{text}"));
            assert!(row.contains(name) && row.contains(hook) && row.ends_with("/b"), "{text}");
        }
    }
}

#[test]
fn a_report_counts_them_apart() {
    let place = place();
    let [program, supervised] = programs();
    let report = |log: &str, format: &str| {
        let log = place.write("log", log.as_bytes());
        Run::bare(launcher()).args(["report", "--format", format]).args([log]).ok().stdout
    };
    let options = ["--format", "json"];
    let call = |program: &Path| {
        log_of_killed(&place, &options, &[program.to_str().unwrap(), "FICLONE", "a", "b"])
    };
    let killed = call(&program) + &call(&supervised);
    let limited = ["sh", "-c", "ulimit -f 100; exec \"$@\"", "sh", supervised.to_str().unwrap()];
    let mut words = limited.to_vec();
    words.extend(["copy_file_range", "a", "b"]);
    let let_through = log_of(&place, &["--format", "json"], &words, 0);
    let returned = log_of(&place, &options, &[program.to_str().unwrap(), "sendfile", "a", "c"], 0);
    for (log, counts) in [
        (killed.clone(), [0, 0, 2]),
        (let_through.clone(), [0, 1, 0]),
        (killed + &let_through + &returned, [1, 1, 2]),
    ] {
        let found = read_json(&report(&log, "json"));
        let found = ["calls", "let_through", "unfinished"].map(|key| found[key].clone());
        assert_eq!(found, counts.map(Value::from), "{log}");
        let text = report(&log, "text");
        for (name, count) in ["let through", "unfinished"].iter().zip(&counts[1..]) {
            let line = text.lines().find(|line| line.trim_start().starts_with(name));
            let shown = line.and_then(|line| line.split_whitespace().last());
            assert_eq!(shown, (*count > 0).then(|| count.to_string()).as_deref(), "{text}");
        }
        assert!(!text.contains("unknown"), "{text}");
    }
}

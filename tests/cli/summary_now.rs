//! `cfr summary PID`: the summary of a program that still runs.

use crate::supervisor::supervisor_of;
use cfr_testkit::{
    Output, Run, Running, Scratch, compile, find_program, is_root, launcher, read_json, skip, until,
};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Starts a program under the launcher, which makes the file `ready` and waits for its standard input.
fn waiting(scratch: &Scratch, options: &[&str], program: &[&str]) -> Running {
    let run = Run::bare(launcher()).args(options).args(["--"]).args(program).within(scratch.path());
    let running = run.start();
    until(|| scratch.file("ready").exists(), "the program is ready");
    running
}

/// A shell with this script before it waits.
fn script(commands: &str) -> [String; 3] {
    let script = format!("{commands}; echo $$ > ready.new; mv ready.new ready; read line");
    ["sh".to_owned(), "-c".to_owned(), script]
}

fn words(script: &[String; 3]) -> Vec<&str> {
    script.iter().map(String::as_str).collect()
}

/// Returns what `cfr summary` says of a process.
fn asked(options: &[&str], pid: impl ToString) -> Output {
    Run::bare(launcher()).args(["summary"]).args(options).args([pid.to_string()]).output()
}

fn asked_as_json(pid: impl ToString) -> Value {
    let output = asked(&["--format", "json"], pid);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
    read_json(&output.stdout)
}

fn content(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

/// Returns the counts of a summary without those that only the end tells.
fn without_end(summary: &Value) -> Value {
    let mut summary = summary.clone();
    for key in ["wall_ns", "written_otherwise"] {
        summary.as_object_mut().unwrap().remove(key);
    }
    summary
}

#[test]
fn it_is_the_closing_summary_of_so_far() {
    for options in [
        &["run", "--reach", "preload"][..],
        &["run", "--reach", "all"],
        &["trace", "-o", "log", "--reach", "preload"],
        &["trace", "--reach", "all", "-o", "log"],
    ] {
        let scratch = Scratch::new();
        scratch.write("a", &[1; 50_000]);
        let script = script("cp a b; cp b c; cp --reflink=always nothing d 2> said");
        let closing = [options, &["--summary=closing", "--format", "json"]].concat();
        let mut running = waiting(&scratch, &closing, &words(&script));
        let inside = content(&scratch.file("ready"));
        let now = asked_as_json(running.id());
        assert_eq!(now["launcher"], running.id());
        assert_eq!(now["in_flight"], Value::Array(Vec::new()));
        // The same of a process in the tree.
        let of_child = asked_as_json(inside.trim());
        assert_eq!(without_end(&of_child["summary"]), without_end(&now["summary"]));
        let table = asked(&[], running.id()).stdout;
        drop(running.stdin());
        running.output();
        let closing = read_json(&content(&scratch.file("closing")));
        assert_eq!(without_end(&now["summary"]), without_end(&closing["summary"]), "{options:?}");
        assert!(now["summary"]["calls"].as_u64() >= Some(2), "{now:#}");
        let wall = |summary: &Value| summary["summary"]["wall_ns"].as_u64().unwrap();
        assert!(wall(&now) > 0 && wall(&now) <= wall(&of_child), "{now:#}");
        assert!(wall(&of_child) <= wall(&closing), "{of_child:#}");
        assert_eq!(now["summary"]["program"], "sh");
        let start = now["summary"]["start"].as_str().unwrap();
        assert!(table.starts_with("summary of sh, "), "{table}");
        assert!(table.contains(&format!("\n  {start}, ")), "{table}");
        assert!(
            table.contains("\n  copy_file_range") || table.contains("copy_file_range"),
            "{table}"
        );
        assert!(
            table.ends_with("\n  in flight           none; the program still runs\n"),
            "{table}"
        );
    }
}

#[test]
fn calls_in_flight_have_hook_files_and_age() {
    let bare = compile("drivers/keeps_copying.c", "keeps_copying", &["-static"]);
    let bare = format!("cp a b; {} a slow 1000 0 done & echo $! > child", bare.display());
    for (reach, commands, hook) in [
        ("preload", "cp a b; cp a slow & echo $! > child", "copy_file_range"),
        ("all", "cp a b; cp a slow & echo $! > child", "copy_file_range"),
        ("all", &bare, "seccomp"),
    ] {
        let scratch = Scratch::new();
        scratch.write("a", &[1; 5000]);
        let delay = "delay_enter=600s:path=*/slow:hook=copy_file_range";
        let options = ["run", "-c", "--reach", reach, "--inject", delay];
        let script = script(commands);
        let mut running = waiting(&scratch, &options, &words(&script));
        let mut now = Value::Null;
        until(
            || {
                now = asked_as_json(running.id());
                now["in_flight"].as_array().unwrap().len() == 1
            },
            "the call is in flight",
        );
        let call = &now["in_flight"][0];
        assert_eq!((&call["hook"], &call["call"]), (&hook.into(), &"copy_file_range".into()));
        assert_eq!(call["pid"].to_string(), content(&scratch.file("child")).trim());
        let file = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
        assert_eq!(
            (&call["path_in"], &call["path_out"]),
            (&file("a").into(), &file("slow").into())
        );
        let age = |now: &Value| now["in_flight"][0]["age_ns"].as_u64().unwrap();
        let later = asked_as_json(running.id());
        assert!(age(&now) > 0 && age(&later) > age(&now) && age(&later) < 300_000_000_000);
        assert_eq!(now["summary"]["unfinished"], 1);
        assert_eq!(now["summary"]["unfinished_calls"], Value::Array(Vec::new()));
        let table = asked(&[], running.id()).stdout;
        let line = table.lines().last().unwrap();
        assert!(line.contains(&format!("  {hook} ")), "{table}");
        assert!(line.ends_with(&format!("{} -> {}", file("a"), file("slow"))), "{table}");
        assert!(!table.contains("unfinished calls"), "{table}");
        // It is the call that goes on: it is not changed by the question.
        let child = content(&scratch.file("child"));
        Run::bare("kill").args(["-KILL", child.trim()]).ok();
        drop(running.stdin());
        running.output();
    }
}

/// A program that a program runs without its library, and a process whose parent has ended.
#[test]
fn any_process_of_the_tree_will_do() {
    let scratch = Scratch::new();
    scratch.write("a", b"x");
    let orphan = "(sleep 600 & echo $! > orphan)";
    let bare = "env -i sleep 600 & echo $! > bare";
    let script = script(&format!("cp a b; {orphan}; {bare}"));
    let mut running = waiting(&scratch, &["run", "-c", "--reach", "all"], &words(&script));
    let calls = asked_as_json(running.id())["summary"]["calls"].clone();
    let mut all = vec![supervisor_of(&running).to_string()];
    all.extend(["orphan", "bare"].map(|name| content(&scratch.file(name))));
    for pid in all {
        let now = asked_as_json(pid.trim());
        let program = &now["summary"]["program"];
        assert_eq!((&now["launcher"], program), (&running.id().into(), &"sh".into()));
        assert_eq!(now["summary"]["calls"], calls);
    }
    for name in ["orphan", "bare"] {
        Run::bare("kill").args([content(&scratch.file(name)).trim()]).ok();
    }
    drop(running.stdin());
    running.output();
}

/// A launcher below a launcher: a process belongs to the nearest one that counts.
#[test]
fn the_nearest_launcher_answers() {
    let scratch = Scratch::new();
    scratch.write("a", b"x");
    let inner = script("cp a c; echo $PPID > inner");
    let cfr = launcher();
    let quoted = format!("cp a b; '{}' run -c sh -c '{}'", cfr.display(), inner[2]);
    let outer = ["run", "-c", "--", "sh", "-c", &quoted];
    let run = Run::bare(&cfr).args(outer).within(scratch.path());
    let mut running = run.start();
    until(|| scratch.file("ready").exists(), "the program is ready");
    let inner = content(&scratch.file("inner"));
    let inside = asked_as_json(content(&scratch.file("ready")).trim());
    assert_eq!(inside["launcher"].to_string(), inner.trim());
    let of_inner = asked_as_json(inner.trim());
    assert_eq!(without_end(&of_inner["summary"]), without_end(&inside["summary"]));
    let of_outer = asked_as_json(running.id());
    let copied = |now: &Value| now["summary"]["bytes"].clone();
    assert_eq!((copied(&of_outer), copied(&inside)), (1.into(), 1.into()));
    assert_eq!(of_outer["launcher"], running.id());
    drop(running.stdin());
    running.output();
}

#[test]
fn errors_say_what_is_expected() {
    let said = |pid: &str| {
        let output = asked(&[], pid);
        assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{output:#?}");
        output.stderr
    };
    let expected = "expected the number of a process of cfr trace or cfr run, or of one below it";
    let none = said("4194303");
    assert_eq!(none, format!("cfr: there is no process 4194303: {expected}\n"));
    let own = std::process::id().to_string();
    let foreign = said(&own);
    assert_eq!(foreign, format!("cfr: process {own} is not below a launcher: {expected}\n"));
    for word in ["0", "x", "99999999999"] {
        assert!(
            said(word).starts_with(&format!("cfr: invalid value '{word}' for <PID>: expected ")),
            "{word}"
        );
    }
    // A launcher without a summary.
    for options in [&["run", "--reach", "preload"][..], &["trace", "-o", "log"]] {
        let scratch = Scratch::new();
        let script = script("true");
        let mut running = waiting(&scratch, options, &words(&script));
        let pid = running.id();
        let said = said(&pid.to_string());
        assert_eq!(
            said,
            format!(
                "cfr: the launcher, process {pid}, keeps no summary: expected one that was started with \
                 --summary (-c), --expect or --results\n"
            )
        );
        drop(running.stdin());
        running.output();
    }
}

#[test]
fn another_user_is_refused() {
    const TEST: &str = "cli::summary_now::another_user_is_refused";
    let (Some(setpriv), true) = (find_program("setpriv"), is_root()) else {
        return skip(TEST, "needs setpriv and root");
    };
    let scratch = Scratch::new();
    let script = script("true");
    let mut running = waiting(&scratch, &["run", "-c"], &words(&script));
    let pid = running.id().to_string();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let ask = [launcher().to_str().unwrap(), "summary", &pid].map(str::to_owned);
    let output = Run::bare(setpriv).args(nobody).args(ask).output();
    assert_eq!(
        (output.status, output.stderr),
        (
            Some(125),
            format!(
                "cfr: cannot read /proc/{pid}/fd: Permission denied (EACCES): expected the user of the \
                 process, or root\n"
            )
        )
    );
    drop(running.stdin());
    running.output();
}

/// Words of another layout are not read as if they were this one.
#[test]
fn another_version_is_refused() {
    const TEST: &str = "cli::summary_now::another_version_is_refused";
    let Some(python) = find_program("python3") else {
        return skip(TEST, "python3 is not installed");
    };
    // Also words of the right size are refused.
    let launched = Scratch::new();
    let script = script("true");
    let mut running = waiting(&launched, &["run", "-c"], &words(&script));
    let open = fs::read_dir(format!("/proc/{}/fd", running.id())).unwrap();
    let stats = open.filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
        fs::read_link(path).is_ok_and(|link| link.ends_with("memfd:cfr-stats (deleted)"))
    });
    let size = fs::metadata(stats.unwrap()).unwrap().len();
    drop(running.stdin());
    running.output();
    for bytes in [4096, size] {
        let scratch = Scratch::new();
        let text = format!(
            "import os\nfd = os.memfd_create('cfr-stats')\nos.ftruncate(fd, {bytes})\n\
             os.pwrite(fd, b'\\x01' * 320, 0)\nopen('ready', 'w')\ninput()"
        );
        let mut running = Run::bare(&python).args(["-c", &text]).within(scratch.path()).start();
        until(|| scratch.file("ready").exists(), "the program is ready");
        let pid = running.id();
        let output = asked(&[], pid);
        let said = format!(
            "cfr: process {pid} is another build of cfr: expected version {}; use \
             /proc/{pid}/exe summary {pid}\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!((output.status, output.stderr), (Some(125), said), "{bytes}");
        drop(running.stdin());
        running.output();
    }
}

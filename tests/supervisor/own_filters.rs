//! Programs with seccomp filters of their own, which can answer calls before the supervisor: a zero is
//! not proven.

use super::trace;
use cfr_testkit::{Output, Run, Scratch, compile, find_program, launcher, parse_call, skip};
use std::fs;

const OPTIONS: [&str; 2] = ["--reach", "all"];

/// What is said of the program, with its process id.
const NAME: &str = "own_filter (";
const WHY: &str =
    ") has a seccomp filter of its own, which can answer calls before the supervisor\n";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("from", &[b'x'; 100]);
    scratch
}

fn words(how: &str, action: &str) -> Vec<String> {
    let program = compile("drivers/own_filter.c", "own_filter", &["-static"]);
    [program.to_str().unwrap(), how, action, "from", "to"].map(str::to_owned).to_vec()
}

/// Runs the program under `cfr COMMAND` with these options.
fn run(command: &[&str], how: &str, action: &str) -> Output {
    let run = Run::bare(launcher()).args(command).args(OPTIONS).args(["--"]);
    run.args(words(how, action)).within(scratch().path()).output()
}

#[test]
fn a_refused_copy_is_not_said_to_be_none() {
    for how in ["prctl", "seccomp"] {
        for (action, printed) in [("errno", "0 1\n"), ("trap", "0 "), ("kill", "0 ")] {
            let output = run(&["trace"], how, action);
            assert_eq!(output.stdout, printed, "{how} {action} {output:#?}");
            let said = output.stderr.strip_prefix("cfr: no copy was seen: ");
            let said = said.and_then(|said| said.strip_prefix(NAME));
            assert!(said.is_some_and(|said| said.ends_with(WHY)), "{how} {action} {output:#?}");
        }
    }
}

#[test]
fn no_absence_holds_beside_a_filter() {
    for expression in ["no error", "calls=0", "EPERM=0", "bytes<1", "error!=EPERM"] {
        let output = run(&["run", "--expect", expression], "seccomp", "errno");
        assert_eq!(output.status, Some(123), "{expression}: {output:#?}");
        let why = format!("; but calls may have been missed: {NAME}");
        assert!(output.stderr.contains(&why), "{expression}: {output:#?}");
    }
    // What was seen holds.
    for (expression, status) in
        [("calls=1", 0), ("bytes=10", 0), ("calls>=1", 0), ("errors=0", 123)]
    {
        let output = run(&["run", "--expect", expression], "prctl", "allow");
        assert_eq!(output.status, Some(status), "{expression}: {output:#?}");
    }
}

/// It is an error with the supervisor as without it.
#[test]
fn a_filter_that_cannot_be_installed_hides_nothing() {
    for (how, action, printed) in [
        ("prctl", "missing", "14 0\n"),
        ("seccomp", "missing", "14 0\n"),
        // The one thing that a supervised program cannot have: EBUSY.
        ("seccomp", "listener", "16 0\n"),
    ] {
        let output = run(&["run", "--expect", "errors=0", "--expect", "calls=1"], how, action);
        let found = (output.status, output.stdout.as_str(), output.stderr.as_str());
        assert_eq!(found, (Some(0), printed, ""), "{how} {action}");
    }
}

/// One entry for all processes of a program.
#[test]
fn programs_with_filters_are_named_once() {
    let scratch = scratch();
    let words = words("seccomp", "errno");
    let other = scratch.file("other");
    Run::bare("install").args(["-m", "755"]).args([words[0].as_ref(), other.as_path()]).ok();
    let script = "\"$@\" & \"$@\" & wait; \"$@\"; shift; ./other \"$@\"";
    let run = trace(&scratch.file("log"), &[]).args(["sh", "-c", script, "sh"]).args(words);
    let output = run.within(scratch.path()).ok();
    let said = ") and 1 other program have seccomp filters of their own, which can answer calls before \
                the supervisor\n";
    assert!(output.stderr.contains("no copy was seen: other ("), "{output:#?}");
    assert!(output.stderr.ends_with(said), "{output:#?}");
}

#[test]
fn sandboxes_run_as_before() {
    let test = "supervisor::own_filters::sandboxes_run_as_before";
    // libseccomp asks the kernel for its features by filters that are not there.
    let python = "import ctypes; c = ctypes.CDLL(None, use_errno=True); \
                  print(c.prctl(22, 2, 0, 0, 0), ctypes.get_errno(), c.prctl(15, b'name', 0, 0, 0))";
    let tree = [
        "bwrap", "--ro-bind", "/", "/", "--bind", ".", "/mnt", "--chdir", "/mnt", "--unshare-pid",
        "--seccomp",
    ];
    let all_allowed =
        "printf '\\006\\0\\0\\0\\0\\0\\377\\177' > filter; \"$@\" 9 cp from to 9< filter";
    let cases: [(&str, Vec<&str>); 2] = [
        ("python3", vec!["python3", "-c", python]),
        ("bwrap", [&["sh", "-c", all_allowed, "sh"], &tree[..]].concat()),
    ];
    for (program, words) in cases {
        if find_program(program).is_none() {
            skip(test, &format!("{program} is not installed"));
            continue;
        }
        let scratch = scratch();
        let bare = Run::bare(words[0]).args(&words[1..]).within(scratch.path()).output();
        if bare.status != Some(0) {
            skip(test, &format!("{program} cannot run: {}", bare.stderr));
            continue;
        }
        let _ = fs::remove_file(scratch.file("to"));
        let log = scratch.file("log");
        let output = trace(&log, &[]).args(&words).within(scratch.path()).ok();
        assert_eq!(output.stdout, bare.stdout, "{program}: {output:#?}");
        let log = fs::read_to_string(&log).unwrap_or_default();
        let copied = log.lines().filter_map(parse_call).any(|call| call.contains(" = 100 "));
        assert_eq!(copied, program == "bwrap", "{program}: {log}");
    }
}

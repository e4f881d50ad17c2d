//! Slips of the command line: the message says what was probably meant, and nothing runs.

use cfr_testkit::{Run, Scratch, launcher};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Runs `cfr` with these words in an empty directory. Returns its message.
#[track_caller]
fn refused(words: &[&str], status: i32) -> String {
    let scratch = Scratch::new();
    let output = Run::bare(launcher()).args(words).within(scratch.path()).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(status), ""), "{output:#?}");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "{words:?}");
    output.stderr
}

#[test]
fn a_slip_gets_a_hint() {
    for (words, status, hint) in [
        (&["cp", "a", "b"][..], 125, "unknown command cp; to run a program: cfr trace cp a b\n"),
        (
            &["run", "cp a b"],
            127,
            "cp a b: not found on the PATH; arguments are words of their own",
        ),
        (&["trace", "-f", "cp"], 125, "unknown option -f: all processes are traced anyway\n"),
        (
            &["trace", "-p", "1"],
            125,
            "unknown option -p: cfr cannot watch a program that already runs",
        ),
        (&["run", "--inject", "error=exdev", "true"], 125, "; did you mean error=EXDEV?\n"),
        (&["run", "--inject", "ERROR=exdev:WHEN=2", "true"], 125, "mean error=EXDEV:when=2?\n"),
        (&["run", "--fallback", "exdev", "true"], 125, "; did you mean EXDEV?\n"),
        (&["run", "--log", "INFO", "true"], 125, "; did you mean info?\n"),
        (&["run", "--summary=YES", "true"], 125, "; did you mean yes?\n"),
        (&["run", "--profile", "NFS", "true"], 125, "invalid profile 'NFS'; did you mean nfs?\n"),
        (&["run", "--summary=a", "--summary=b", "true"], 125, "--summary is given twice, with two"),
    ] {
        let said = refused(words, status);
        assert!(said.starts_with("cfr: ") && said.contains(hint), "{words:?} {said}");
    }
    // Nothing is not a word to try.
    let said = refused(&["run", "--inject", "", "true"], 125);
    assert!(!said.contains("did you mean"), "{said}");
    // No program, no hint.
    let said = refused(&["tarce", "a", "b"], 125);
    assert!(said.contains("'trace'"), "{said}");
}

#[test]
fn a_program_in_this_directory_needs_a_slash() {
    let scratch = Scratch::new();
    let program = scratch.write("job.sh", b"#!/bin/sh\n");
    for (mode, hint) in [(0o755, "; did you mean ./job.sh?\n"), (0o644, "PATH\n")] {
        fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
        for command in ["trace", "run", "inspect"] {
            let output =
                Run::bare(launcher()).args([command, "job.sh"]).within(scratch.path()).output();
            assert_eq!(output.status, Some(127), "{output:#?}");
            assert!(output.stderr.starts_with("cfr: job.sh: not found on the PATH"), "{output:#?}");
            assert!(output.stderr.ends_with(hint), "{output:#?}");
        }
    }
}

/// `-c` says that there is one, `--summary=FILE` also where.
#[test]
fn a_summary_may_be_asked_for_and_have_a_file() {
    for options in
        [["-c", "--summary=sum"], ["--summary=sum", "-c"], ["--summary=sum", "--summary"]]
    {
        let scratch = Scratch::new();
        let run = Run::bare(launcher()).args(["run"]).args(options).args(["true"]);
        let output = run.within(scratch.path()).ok();
        assert!(!output.stderr.contains("summary of"), "{output:#?}");
        assert!(scratch.file("sum").exists(), "{options:?}");
    }
}

/// A name that is no program, before one that is, was meant to be the file.
#[test]
fn a_file_of_the_summary_needs_an_equals_sign() {
    for file in ["copies", "/nowhere/copies"] {
        let said = refused(&["run", "--summary", file, "cp", "a", "b"], 125);
        assert!(
            said.contains(&format!("must follow an equals sign: --summary={file}; ")),
            "{said}"
        );
        let said = refused(&["run", "--summary", file, "no-such-program"], 127);
        assert!(!said.contains("equals sign"), "{said}");
    }
}

/// The program would copy the lines that are written meanwhile, or its copy would be replaced.
#[test]
fn an_output_that_is_an_argument_of_the_program_is_warned_of() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let output = |option: &str| {
        let run = Run::bare(launcher()).args(["run", option, "--", "cp", "a", "b"]);
        run.within(scratch.path()).output()
    };
    for (option, said) in [
        ("--output=log", ""),
        (
            "--output=a",
            "cfr: a is an argument of the program and the file of --output, which adds to it\n",
        ),
        (
            "--summary=./b",
            "cfr: b is an argument of the program and the file of --summary, which adds to it\n",
        ),
    ] {
        let output = output(option);
        assert_eq!((output.status, output.stderr.as_str()), (Some(0), said), "{option}");
    }
    let a = fs::read(scratch.file("a")).unwrap();
    for name in ["a", "b", "./b"] {
        let _ = fs::remove_file(scratch.file("b"));
        let output = output(&format!("--results={name}"));
        let said = format!(
            "cfr: an argument of the program and --results name the same file, {name}: expected two files\n"
        );
        assert_eq!((output.status, output.stderr), (Some(125), said));
        assert!(fs::read(scratch.file("a")).unwrap() == a && !scratch.file("b").exists());
    }
}

/// The word after `--summary` is the program: yes(1) would fill the disk.
#[test]
fn a_value_of_the_summary_is_not_taken_for_the_program() {
    for option in ["-c", "--summary"] {
        for value in ["yes", "no"] {
            let said = refused(&["run", option, value, "cp", "a", "b"], 125);
            let hint = format!("the value must follow an equals sign: {option}={value}; ");
            assert!(said.contains(&hint), "{said}");
        }
        // That program, and its arguments.
        let script = format!("exec \"$0\" run {option} -- yes -c yes | head -n 1");
        let output = Run::bare("sh").args(["-c", &script]).args([launcher()]).output();
        assert!(output.stdout.starts_with("-c yes\n") || output.stdout.is_empty(), "{output:#?}");
        assert!(!output.stderr.contains("equals sign"), "{output:#?}");
        let output = Run::bare(launcher()).args(["run", option, "echo", "-c", "yes"]).ok();
        assert_eq!(output.stdout, "-c yes\n");
    }
}

/// With strace -c, -o names the file of the summary.
#[test]
fn an_output_file_beside_a_summary_is_explained() {
    let scratch = Scratch::new();
    scratch.write("a", b"x");
    let hint = "cfr: -o names the file of the log, which has errors only; for the summary: --summary=FILE\n";
    for (options, is_hinted) in [
        (&["run", "-c", "-o", "log"][..], true),
        (&["run", "-c"], false),
        (&["run", "-o", "log"], false),
        (&["run", "--summary=file", "-o", "log"], false),
        (&["trace", "-c", "-o", "log"], false),
    ] {
        let run = Run::bare(launcher()).args(options).args(["--", "cp", "a", "b"]);
        let output = run.within(scratch.path()).ok();
        assert_eq!(output.stderr.contains(hint), is_hinted, "{options:?}: {output:#?}");
    }
}

/// The calls below an inner launcher are in its log.
#[test]
fn an_empty_log_beside_calls_is_explained() {
    let scratch = Scratch::new();
    scratch.write("a", b"x");
    let inner = format!("'{}' trace -o inner cp a b", launcher().display());
    let run = Run::bare(launcher()).args(["trace", "-o", "outer", "--", "sh", "-c", &inner]);
    let output = run.within(scratch.path()).ok();
    let outer = scratch.file("outer");
    let said = format!(
        "cfr: no line is in {}: the calls were logged elsewhere, as by a cfr below this one with a log of \
         its own\n",
        outer.display()
    );
    assert_eq!(output.stderr, said);
    assert_eq!(fs::metadata(outer).unwrap().len(), 0);
    assert!(fs::metadata(scratch.file("inner")).unwrap().len() > 0);
}

#[test]
fn a_fifo_without_a_reader_is_named() {
    let scratch = Scratch::new();
    Run::bare("mkfifo").args(["fifo"]).within(scratch.path()).ok();
    let run = Run::bare(launcher()).args(["run", "--summary=fifo", "--", "true"]);
    let output = run.within(scratch.path()).output();
    let said = "No such device or address (ENXIO): no process reads this FIFO\n";
    assert!(output.status == Some(125) && output.stderr.ends_with(said), "{output:#?}");
}

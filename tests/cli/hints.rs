//! Slips of the command line: the message says what was probably meant, and nothing runs.

use cfr_testkit::{Run, Scratch, launcher};

/// Runs `cfr` with these words in an empty directory. Returns its message.
#[track_caller]
fn refused(words: &[&str], status: i32) -> String {
    let scratch = Scratch::new();
    let output = Run::bare(launcher()).args(words).within(scratch.path()).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(status), ""), "{output:#?}");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "{words:?}");
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
        (
            &["run", "-c", "--summary=file", "true"],
            125,
            "--summary is given twice (-c is its short",
        ),
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

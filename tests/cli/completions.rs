//! `cfr completions`.

use cfr_testkit::{Run, Scratch, find_program, launcher, skip};

fn script(shell: &str) -> String {
    Run::bare(launcher()).args(["completions", shell]).ok().stdout
}

/// bash completes commands, options and files.
#[test]
fn bash_completes() {
    let scratch = Scratch::new();
    let completions = scratch.write("cfr.bash", script("bash").as_bytes());
    scratch.write("here", b"");
    let complete = |words: &[&str]| {
        let shell = "source \"$0\"; COMP_WORDS=(cfr \"$@\"); COMP_CWORD=$#
                     _cfr cfr \"${@: -1}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
                     printf '%s\\n' \"${COMPREPLY[@]}\"";
        let run = Run::bare("bash").args(["-c", shell]).args([&completions]).args(words);
        run.within(scratch.path()).ok().stdout
    };
    assert_eq!(complete(&["swe"]), "sweep\n");
    assert_eq!(complete(&["trace", "--diale"]), "--dialect\n");
    assert_eq!(complete(&["trace", "-o", "he"]), "here\n");
    // Values, of every kind that has a list of them.
    assert_eq!(complete(&["trace", "--dialect", "free"]), "freebsd-14\nfreebsd\nfreebsd-15\n");
    assert_eq!(complete(&["run", "--log", "w"]), "warn\n");
    assert_eq!(complete(&["run", "--format", "j"]), "json\n");
    assert_eq!(complete(&["sweep", "--backend", "em"]), "emulate\n");
    assert_eq!(complete(&["sweep", "--profile", "zfs-ea"]), "zfs-eagain\n");
    assert_eq!(complete(&["trace", "--hooks", "sendfile6"]), "sendfile64\n");
    assert_eq!(complete(&["dialects", "FICLONER"]), "FICLONERANGE\n");
    assert_eq!(complete(&["profiles", "seccomp-ep"]), "seccomp-eperm\n");
    assert_eq!(complete(&["trace", "--inject", "he"]), "here\n", "there is no list");
}

/// The other shells read their script without an error, and the script has the commands.
#[test]
fn zsh_and_fish_read_their_scripts() {
    for (shell, check) in [("zsh", ["-n"]), ("fish", ["--no-execute"])] {
        let text = script(shell);
        assert!(
            ["sweep", "dialect", "completions"].iter().all(|word| text.contains(word)),
            "{text}"
        );
        if find_program(shell).is_none() {
            skip(
                "cli::completions::zsh_and_fish_read_their_scripts",
                &format!("{shell} is not installed"),
            );
            continue;
        }
        let scratch = Scratch::new();
        Run::bare(shell).args(check).args([scratch.write("script", text.as_bytes())]).ok();
    }
}

#[test]
fn an_unknown_shell_is_refused() {
    let output = Run::bare(launcher()).args(["completions", "tcsh"]).output();
    assert_eq!(output.status, Some(125), "{output:#?}");
    assert!(output.stderr.contains("for <SHELL>: expected bash, zsh or fish"), "{output:#?}");
}

//! Faults that have applied to no call are named at the end of `cfr run` and `cfr trace`, and in
//! expectations and results.

use cfr_testkit::{Output, Run, Scratch, compile, launcher, read_json};
use std::fs;

/// Runs c-tests/drivers/injected_calls.c, which makes the calls of these words, under `cfr` with these
/// options: preloaded, or supervised.
fn run(is_supervised: bool, command: &str, options: &[&str], words: &str) -> Output {
    let scratch = Scratch::new();
    let source = scratch.random("source", 1000);
    let (name, flags, reach) = match is_supervised {
        false => ("injected_calls", &[][..], "preload"),
        true => ("injected_calls_static", &["-static"][..], "all"),
    };
    let program = compile("drivers/injected_calls.c", name, flags);
    Run::bare(launcher())
        .args([command, "--reach", reach])
        .args(options)
        .args(["--"])
        .args([program, source, scratch.file("target")])
        .args(words.split(' '))
        .output()
}

/// Returns the messages about faults, which are the same for both commands and both ways.
#[track_caller]
fn said(faults: &[&str], words: &str) -> Vec<String> {
    let options: Vec<_> = faults.iter().flat_map(|fault| ["--inject", fault]).collect();
    let runs = ["run", "trace"].map(|command| {
        [false, true].map(|is_supervised| {
            let output = run(is_supervised, command, &options, words);
            assert_eq!(output.status, Some(0), "{output:#?}");
            let lines = output.stderr.lines().filter(|line| line.contains(" fault "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        })
    });
    let [first, rest @ ..] = runs.as_flattened() else { unreachable!() };
    assert!(rest.iter().all(|other| other == first), "{runs:#?}");
    first.clone()
}

#[test]
fn a_fault_that_met_no_call_is_named_with_the_number_of_calls() {
    for (faults, words, expected) in [
        (
            &["error=EIO:when=5"][..],
            "copy=1 copy=1 copy=1",
            &["cfr: fault 1 (error=EIO:when=5) met no call; 3 calls were seen"][..],
        ),
        (
            &["error=EIO:when=2", "error=EIO:path=*.db;zero:hook=ioctl:when=2", "zero:when=7"],
            "copy=1 copy=1 dedupe=1",
            &[
                "cfr: fault 2 (error=EIO:path=*.db) met no call; 3 calls were seen, none of which \
                 met its conditions",
                "cfr: fault 3 (zero:hook=ioctl:when=2) met no call; 3 calls were seen, 1 of which \
                 met its other conditions",
                "cfr: fault 4 (zero:when=7) met no call; 3 calls were seen",
            ],
        ),
        // It copies less anyway.
        (
            &["short=500"],
            "copy=1",
            &["cfr: fault 1 (short=500) changed no call: the call that it met would not be \
               shortened; 1 call was seen"],
        ),
        // The first action wins.
        (
            &["error=EIO:when=1..2", "zero:when=1", "short=1:when=3", "error=EXDEV:when=1..2"],
            "copy=9 copy=9 copy=9",
            &[
                "cfr: fault 2 (zero:when=1) changed no call: a fault before it decided the result \
                 of the call that it met; 3 calls were seen",
                "cfr: fault 4 (error=EXDEV:when=1..2) changed no call: a fault before it decided the \
                 result of the 2 calls that it met; 3 calls were seen",
            ],
        ),
        // It delays a call that another fault answers.
        (&["error=EIO", "zero:delay_exit=1ns"], "copy=9", &[]),
        (
            &["status=differs"],
            "copy=1",
            &["cfr: fault 1 (status=differs) met no call; 1 call was seen, none of which met its \
               conditions"],
        ),
        (&["zero"], "thread", &["cfr: fault 1 (zero) met no call; no call was seen"]),
        (&["zero", "delay_exit=1ns", "signal=URG:when=2"], "copy=1 copy=1", &[]),
    ] {
        assert_eq!(said(faults, words), expected, "{faults:?} {words}");
    }
}

#[test]
fn a_fault_that_met_a_call_is_not_named() {
    let output = run(false, "run", &["--inject", "error=EIO"], "copy=1");
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""));
}

/// The variable is as good as the option.
#[test]
fn faults_of_the_environment_are_named() {
    let run = Run::bare(launcher()).args(["run", "--", "true"]).env("CFR_INJECT", "error=EIO");
    let stderr = run.ok().stderr;
    assert!(
        stderr.contains("cfr: fault 1 (error=EIO) met no call; no call was seen\n"),
        "{stderr}"
    );
    assert!(stderr.contains("cfr: no copy was "), "{stderr}");
}

/// A program meets only some of the faults of an environment.
#[test]
fn a_profile_is_named_if_no_fault_of_it_met_a_call() {
    for is_supervised in [false, true] {
        let options = ["--profile", "nfs", "--inject", "zero:when=3", "--profile", "full-disk"];
        let output = run(is_supervised, "run", &options, "copy=1 dedupe=1");
        let lines: Vec<_> = output.stderr.lines().collect();
        let expected = [
            "cfr: fault 1 (zero:when=3) met no call; 2 calls were seen",
            "cfr: no fault of the profile full-disk met a call; 2 calls were seen",
        ];
        assert_eq!(lines, expected);
        let output = run(is_supervised, "run", &["--profile", "linux-4.4"], "copy=1");
        assert_eq!(output.stderr, "", "{is_supervised}");
    }
}

/// Instead of being dropped in silence.
#[test]
fn the_faults_of_a_profile_that_cannot_apply_are_named() {
    let options = ["--profile", "linux-4.4", "--hooks", "copy_file_range"];
    let output = run(false, "run", &options, "copy=1");
    assert_eq!(
        output.stderr,
        "cfr: --profile linux-4.4: error=ENOTTY:path=*:hook=ioctl cannot apply, because CFR_HOOKS \
         watches none of its hooks\n"
    );
    assert_eq!(output.stdout, "copy ENOSYS at 0 0\n");
}

#[test]
fn an_expectation_on_injected_calls_tells_the_number_of_calls() {
    for is_supervised in [false, true] {
        let options = ["--inject", "error=EIO:when=9", "--expect", "injected>=1"];
        let output = run(is_supervised, "run", &options, "copy=1 copy=1");
        assert_eq!(output.status, Some(123), "{output:#?}");
        for line in [
            "cfr: expected injected>=1, but no call had a fault injected; 2 calls were seen\n",
            "cfr: fault 1 (error=EIO:when=9) met no call; 2 calls were seen\n",
        ] {
            assert!(output.stderr.contains(line), "{line}: {}", output.stderr);
        }
        let options = ["--inject", "error=EIO:when=2", "--expect", "injected=1"];
        let output = run(is_supervised, "run", &options, "copy=1 copy=1");
        assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn the_results_have_the_calls_of_each_fault() {
    let scratch = Scratch::new();
    let file = scratch.file("results");
    for is_supervised in [false, true] {
        let options = ["--inject", "error=EIO:when=2;zero:path=*.db;zero:when=2..3", "--results"];
        let options = [&options[..], &[file.to_str().unwrap()]].concat();
        run(is_supervised, "run", &options, "copy=1 copy=1 copy=1");
        let results = read_json(&fs::read_to_string(&file).unwrap());
        let expected = serde_json::json!([
            { "fault": "error=EIO:when=2", "met": 3, "hit": 1, "preempted": 0, "applied": 1 },
            { "fault": "zero:path=*.db", "met": 0, "hit": 0, "preempted": 0, "applied": 0 },
            { "fault": "zero:when=2..3", "met": 3, "hit": 2, "preempted": 1, "applied": 1 },
        ]);
        assert_eq!(results["faults"], expected, "{results:#}");
    }
}

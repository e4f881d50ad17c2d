//! Copies in the library against the kernel's, request by request. c-tests/drivers/differential.c
//! makes each request on two pairs of files, and prints the first that differs and how to repeat
//! it.

use cfr_testkit::{Filesystems, Run, Scratch, compile};
use std::path::Path;

const PLACES: [&str; 4] = ["ext4", "xfs", "btrfs", "tmpfs"];

#[track_caller]
fn run(place: &Path, what: &str, seed: u32, rounds: u32, settings: &[(&str, &str)]) {
    run_with(&[], place, what, seed, rounds, settings);
}

#[track_caller]
fn run_with(
    words: &[&str],
    place: &Path,
    what: &str,
    seed: u32,
    rounds: u32,
    settings: &[(&str, &str)],
) {
    let program = compile("drivers/differential.c", "differential", &[]);
    let mut run = Run::preloaded(&program)
        .args([place.to_str().unwrap(), &seed.to_string(), &rounds.to_string()])
        .args(words);
    for (name, value) in settings {
        run = run.env(name, value);
    }
    let output = run.output();
    assert_eq!(output.status, Some(0), "{what}, {settings:?}\n{}{}", output.stdout, output.stderr);
    assert_eq!(output.stdout, format!("{rounds} requests\n"), "{what}");
}

#[test]
fn random_requests_have_the_kernels_results_when_emulated() {
    let filesystems = Filesystems::mount(
        "emulation::differential::random_requests_have_the_kernels_results_when_emulated",
    );
    for (place, seed) in PLACES.into_iter().zip([1, 100_001, 200_001, 300_001]) {
        if let Some(path) = filesystems.get(place) {
            run(path, place, seed, 1500, &[("CFR_BACKEND", "emulate"), ("CFR_LOG", "off")]);
        }
    }
}

/// Holes behind the limit on file sizes and behind the largest file, in a hole, in a sealed file;
/// ranges that overlap only behind the largest file.
#[test]
fn requests_that_once_differed_have_the_kernels_results() {
    let filesystems = Filesystems::mount(
        "emulation::differential::requests_that_once_differed_have_the_kernels_results",
    );
    for place in PLACES {
        let Some(path) = filesystems.get(place) else { continue };
        for seed in [1210, 1250, 1400, 1429, 1661, 2458, 8355, 10_654, 20_003_845] {
            run(path, place, seed, 1, &[("CFR_BACKEND", "emulate"), ("CFR_LOG", "off")]);
        }
    }
}

#[test]
fn random_requests_have_the_kernels_results_when_forwarded() {
    let filesystems = Filesystems::mount(
        "emulation::differential::random_requests_have_the_kernels_results_when_forwarded",
    );
    for place in PLACES {
        if let Some(path) = filesystems.get(place) {
            run(path, place, 1, 300, &[("CFR_BACKEND", "auto"), ("CFR_LOG", "off")]);
        }
    }
}

/// Also if the limit on file sizes leaves no room for it.
#[test]
fn a_log_changes_no_result() {
    let filesystems = Filesystems::mount("emulation::differential::a_log_changes_no_result");
    let logs = Scratch::new();
    for place in PLACES {
        if let Some(path) = filesystems.get(place) {
            let file = logs.file(place);
            let settings = [
                ("CFR_BACKEND", "emulate"),
                ("CFR_LOG", "trace"),
                ("CFR_LOG_FILE", file.to_str().unwrap()),
            ];
            run(path, place, 1, 100, &settings);
            let log = std::fs::read_to_string(&file).unwrap();
            assert!(log.contains("copy_file_range"), "{place}");
        }
    }
}

/// What the kernel refuses is refused; bytes and both offsets are as after a short copy of the
/// kernel.
#[test]
fn a_shortened_request_leaves_what_the_kernel_would() {
    let filesystems = Filesystems::mount(
        "emulation::differential::a_shortened_request_leaves_what_the_kernel_would",
    );
    for (place, seed) in PLACES.into_iter().zip([1, 100_001, 200_001, 300_001]) {
        let Some(path) = filesystems.get(place) else { continue };
        for backend in ["auto", "emulate"] {
            for most in ["1", "100", "5000", "200000"] {
                let short = format!("short={most}");
                let settings =
                    [("CFR_BACKEND", backend), ("CFR_LOG", "off"), ("CFR_INJECT", &*short)];
                run_with(&[most], path, place, seed, 250, &settings);
            }
        }
    }
}

//! The library's own copies against the kernel's, request by request: c-tests/drivers/twins.c makes each on
//! twin files, and says of the first that comes out differently how it was, and how to make it again.

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
    let program = compile("drivers/twins.c", "twins", &[]);
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

/// As the kernel would, whatever is asked.
#[test]
fn emulated() {
    let filesystems = Filesystems::mount("emulation::differential::emulated");
    for (place, seed) in PLACES.into_iter().zip([1, 100_001, 200_001, 300_001]) {
        if let Some(path) = filesystems.get(place) {
            run(path, place, seed, 1500, &[("CFR_BACKEND", "emulate"), ("CFR_LOG", "off")]);
        }
    }
}

/// Requests that once came out differently: holes behind the limit on file sizes and the largest file,
/// in a hole, in a sealed file; ranges that overlap only behind the largest file.
#[test]
fn that_found_something() {
    let filesystems = Filesystems::mount("emulation::differential::that_found_something");
    for place in PLACES {
        let Some(path) = filesystems.get(place) else { continue };
        for seed in [1210, 1250, 1400, 1429, 1661, 2458, 8355, 10_654, 20_003_845] {
            run(path, place, seed, 1, &[("CFR_BACKEND", "emulate"), ("CFR_LOG", "off")]);
        }
    }
}

/// What the kernel itself does passes.
#[test]
fn by_the_kernel() {
    let filesystems = Filesystems::mount("emulation::differential::by_the_kernel");
    for place in PLACES {
        if let Some(path) = filesystems.get(place) {
            run(path, place, 1, 300, &[("CFR_BACKEND", "auto"), ("CFR_LOG", "off")]);
        }
    }
}

/// A log changes nothing, also where the limit on file sizes leaves it no room.
#[test]
fn with_a_log() {
    let filesystems = Filesystems::mount("emulation::differential::with_a_log");
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

/// Short by a fault, with everything else as the kernel leaves it: what it refuses is refused, and what has
/// moved is where it should be, as are both offsets.
#[test]
fn short_by_a_fault() {
    let filesystems = Filesystems::mount("emulation::differential::short_by_a_fault");
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

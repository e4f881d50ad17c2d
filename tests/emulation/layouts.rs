//! Copies in the library against models in memory, on real filesystems: between files of random
//! layouts (c-tests/drivers/layouts.c) and among random operations of all kinds
//! (c-tests/drivers/soak.c).

use cfr_testkit::{Filesystems, Run, Scratch, compile, skip};
use std::path::Path;
use std::time::Instant;

/// Filesystems with layouts of their own; those of overlay are the layer's below.
const KINDS: [&str; 4] = ["ext4", "xfs", "btrfs", "tmpfs"];

/// Fails the test if the program found an error; its output says how to repeat it.
#[track_caller]
fn run(program: &Path, words: &[&str], what: &str) {
    let output = Run::preloaded(program)
        .args(words)
        .env("CFR_BACKEND", "emulate")
        .env("CFR_LOG", "off")
        .output();
    assert_eq!(output.status, Some(0), "{what}: {words:?}\n{}{}", output.stdout, output.stderr);
}

fn layouts(from: &Path, to: &Path, rounds: u32, what: &str) {
    let program = compile("drivers/layouts.c", "layouts", &[]);
    let [from, to] = [from, to].map(|path| path.to_str().expect("a path in UTF-8"));
    run(&program, &[from, to, "1", &rounds.to_string()], what);
}

fn soak(place: &Path, seed: u32, operations: u32, what: &str) {
    let program = compile("drivers/soak.c", "soak", &[]);
    let directory = Scratch::below(place);
    let directory = directory.path().to_str().expect("a path in UTF-8");
    run(&program, &[directory, &seed.to_string(), &operations.to_string()], what);
}

#[test]
fn random_layouts_are_copied_between_all_filesystems() {
    let filesystems =
        Filesystems::mount("emulation::layouts::random_layouts_are_copied_between_all_filesystems");
    for (from, source) in filesystems.iter().filter(|(name, _)| KINDS.contains(name)) {
        for (to, target) in filesystems.iter().filter(|(name, _)| KINDS.contains(name)) {
            let (source, target) = (Scratch::below(source), Scratch::below(target));
            layouts(source.path(), target.path(), 100, &format!("{from} to {to}"));
        }
    }
}

/// Data and holes on an xfs that preallocates blocks for appends.
#[test]
fn a_layout_that_once_failed_is_copied() {
    let filesystems = Filesystems::mount("emulation::layouts::a_layout_that_once_failed_is_copied");
    for (from, to) in [("ext4", "xfs"), ("btrfs", "xfs")] {
        if let (Some(source), Some(target)) = (filesystems.get(from), filesystems.get(to)) {
            let (source, target) = (Scratch::below(source), Scratch::below(target));
            let [source, target] =
                [&source, &target].map(|place| place.path().to_str().expect("a path in UTF-8"));
            let program = compile("drivers/layouts.c", "layouts", &[]);
            run(&program, &[source, target, "300579", "1"], &format!("{from} to {to}"));
        }
    }
}

#[test]
fn random_layouts_are_copied_within_a_file() {
    let filesystems =
        Filesystems::mount("emulation::layouts::random_layouts_are_copied_within_a_file");
    for (name, place) in filesystems.iter().filter(|(name, _)| KINDS.contains(name)) {
        let directory = Scratch::below(place);
        layouts(directory.path(), directory.path(), 150, name);
    }
}

#[test]
fn random_operations_agree_with_a_model() {
    let filesystems =
        Filesystems::mount("emulation::layouts::random_operations_agree_with_a_model");
    for (name, place) in filesystems.iter().filter(|(name, _)| KINDS.contains(name)) {
        soak(place, 1, 20_000, name);
    }
}

/// `make soak`.
#[test]
#[ignore = "takes a minute or two"]
fn a_million_random_operations_agree_with_a_model() {
    const TEST: &str = "emulation::layouts::a_million_random_operations_agree_with_a_model";
    /// 25,000 operations each, so that no process runs into the time limit.
    const RUNS: u32 = 10;
    let filesystems = Filesystems::mount(TEST);
    for name in KINDS {
        let Some(place) = filesystems.get(name) else {
            skip(TEST, &format!("no {name}"));
            continue;
        };
        let begun = Instant::now();
        for seed in 1..=RUNS {
            soak(place, seed, 25_000, name);
            eprintln!("{name}: {} operations", seed * 25_000);
        }
        eprintln!("{name}: all is as it should be, after {} s", begun.elapsed().as_secs());
    }
}

//! What the supervisor says of shared blocks: of reflinks, dedupes and copies that succeed.

use super::trace;
use crate::preload::sharing::{KINDS, Kind};
use cfr_testkit::{Filesystems, Run, Scratch, compile, library, parse_call, read_json};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Returns the line of a call that the supervisor made: after the method comes the note.
fn supervised(line: &str) -> String {
    let (call, notes) = line.rsplit_once(" (").unwrap();
    let (method, rest) = notes.split_at(notes.find([',', ')']).unwrap());
    format!("{call} ({method}, supervised{rest}")
}

fn calls(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap_or_default().lines().filter_map(parse_call).collect()
}

/// copy_file_range, sendfile, FICLONE and FICLONERANGE.
#[test]
fn shared_blocks_of_supervised_calls_are_logged() {
    let test = "supervisor::sharing::shared_blocks_of_supervised_calls_are_logged";
    let filesystems = Filesystems::mount(test);
    let program = compile("drivers/shared_blocks.c", "shared_blocks_static", &["-static"]);
    for Kind { name, copied, sent, hole, clones } in KINDS {
        let Some(place) = filesystems.get(name) else { continue };
        let clones = if clones { "clones" } else { "does not" };
        let logs = Scratch::new();
        let run = |run: Run| {
            // Both runs have the same paths.
            let directory = place.join("d");
            fs::create_dir(&directory).unwrap();
            let output = run.args([copied, sent, hole, clones]).within(&directory).ok();
            fs::remove_dir_all(directory).unwrap();
            output.stdout
        };
        let bare = run(Run::bare(&program));
        let log = logs.file("log");
        let seen = run(trace(&log, &["--shared", "yes"]).args([&program]));
        assert_eq!(seen, bare, "{name}");
        let lines = bare.lines().filter(|line| !line.starts_with("# ")).map(supervised);
        let logged: Vec<_> =
            calls(&log).iter().map(|call| cfr_testkit::without_rule(call)).collect();
        assert_eq!(logged, lines.collect::<Vec<_>>(), "{name}");
    }
}

/// FIDEDUPERANGE: the supervisor's record of it is the library's.
#[test]
fn a_supervised_dedupe_is_logged_as_the_librarys() {
    let filesystems =
        Filesystems::mount("supervisor::sharing::a_supervised_dedupe_is_logged_as_the_librarys");
    let preloaded = compile("drivers/dedupes_range.c", "dedupes_range", &[]);
    let alone = compile("drivers/dedupes_range.c", "dedupes_range_static", &["-static"]);
    // The target, the range in both files, how many bytes of it are compared, whether its blocks are shared.
    const CASES: [(&str, [&str; 2], u64, Value); 4] = [
        ("same", ["0", "20000"], 20_000, Value::Bool(true)),
        ("longer", ["0", "20000"], 16_384, Value::Null),
        ("same", ["0", "100"], 0, Value::Null),
        ("other", ["0", "4096"], 0, Value::Null),
    ];
    for (name, place) in filesystems.iter().filter(|(name, _)| ["btrfs", "xfs"].contains(name)) {
        for (target, range, compared, shared) in &CASES {
            let directory = Scratch::below(place);
            let source = directory.random("source", 20_000);
            let bytes = fs::read(&source).unwrap();
            let objects = ["library", "supervisor"].map(|by| {
                directory.write("same", &bytes);
                directory.write("longer", &[&bytes[..], &[0; 4_096][..]].concat());
                directory.write("other", &[7; 20_000]);
                let log = directory.file(by);
                let run = match by {
                    "library" => Run::bare(&preloaded)
                        .env("LD_PRELOAD", library())
                        .env("CFR_SHARED", "yes")
                        .env("CFR_LOG_FORMAT", "json")
                        .env("CFR_LOG_FILE", &log),
                    _ => trace(&log, &["--shared", "yes", "--format", "json"]).args([&alone]),
                };
                let output = run.args([&source, &directory.file(target)]).args(*range).ok();
                (output.stdout, read_json(&fs::read_to_string(log).unwrap()))
            });
            let [(said, mut first), (also_said, mut second)] = objects;
            let case = format!("{name} {target} {range:?}: {first:#} {second:#}");
            assert_eq!(said, also_said, "{case}");
            assert_eq!(second["hook"], "seccomp", "{case}");
            assert_eq!(second["bytes"], *compared, "{case}");
            assert!(shared.is_null() || second["shared"] == *shared, "{case}");
            // What differs between two runs.
            for key in ["hook", "comm", "pid", "tid", "time", "duration_ns"] {
                (first[key], second[key]) = (Value::Null, Value::Null);
            }
            assert_eq!(first, second, "{name} {target}");
        }
    }
}

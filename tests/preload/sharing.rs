//! `CFR_SHARED`: whether the blocks of a copy are shared, on filesystems that can share and that
//! cannot.

use cfr_testkit::{Filesystems, Run, Scratch, compile, find_program, library, parse_call, skip};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A filesystem; what is logged there of a copy by the kernel, and of one without blocks; and
/// whether it clones.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("btrfs", "shared", "not shared", "clones"),
    ("xfs", "shared", "not shared", "clones"),
    ("ext4", "not shared", "not shared", "does not"),
    // tmpfs has no map of its blocks.
    ("tmpfs", "-", "-", "does not"),
];

fn program() -> PathBuf {
    compile("drivers/shared_blocks.c", "shared_blocks", &[])
}

/// Returns the calls of a text log.
fn calls(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap().lines().filter_map(parse_call).collect()
}

/// Returns the lines that a program expects in the log.
fn expected(stdout: &str) -> Vec<&str> {
    stdout.lines().filter(|line| !line.starts_with("# ")).collect()
}

#[test]
fn shared_blocks_are_logged_and_nothing_else_changes() {
    let test = "preload::sharing::shared_blocks_are_logged_and_nothing_else_changes";
    let filesystems = Filesystems::mount(test);
    for (name, copied, empty, clones) in KINDS {
        let Some(place) = filesystems.get(name) else { continue };
        for emulates in [false, true] {
            let copied = if emulates { empty } else { copied };
            let logs = Scratch::new();
            let run = |mut run: Run| {
                // Both runs have the same paths.
                let directory = place.join("d");
                fs::create_dir(&directory).unwrap();
                if emulates {
                    run = run.env("CFR_BACKEND", "emulate");
                }
                let done = run.args([copied, empty, clones]).within(&directory).ok();
                fs::remove_dir_all(directory).unwrap();
                done.stdout
            };
            let bare = run(Run::bare(program()));
            let asked = |format| {
                let log = logs.file(format);
                let asks = Run::preloaded(program())
                    .env("CFR_SHARED", "yes")
                    .env("CFR_LOG_FORMAT", format)
                    .env("CFR_LOG_FILE", &log);
                assert_eq!(run(asks), bare, "{name}");
                log
            };
            assert_eq!(calls(&asked("text")), expected(&bare), "{name}, emulated: {emulates}");
            let objects = fs::read_to_string(asked("json")).unwrap();
            let shared: Vec<_> = objects
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["shared"].clone())
                .collect();
            let said = |line: &&str| match line {
                line if line.contains(", not shared)") => Value::Bool(false),
                line if line.contains(", shared)") => Value::Bool(true),
                _ => Value::Null,
            };
            assert_eq!(shared, expected(&bare).iter().map(said).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn sharing_is_not_logged_without_the_setting() {
    let filesystems =
        Filesystems::mount("preload::sharing::sharing_is_not_logged_without_the_setting");
    let Some(place) = filesystems.get("btrfs") else { return };
    let directory = Scratch::below(place);
    let done = Run::preloaded(program())
        .args(["-", "-", "clones"])
        .env("CFR_LOG_FILE", directory.file("log"))
        .within(directory.path())
        .ok();
    let said: Vec<_> = calls(&directory.file("log"));
    assert_eq!(said.len(), expected(&done.stdout).len());
    assert!(said.iter().all(|call| !call.contains("shared")), "{said:?}");
}

/// A library behind libcfr.so overwrites the copy's first block before libcfr.so reads the block
/// map.
#[test]
fn partly_shared_copies_are_logged_as_such() {
    let filesystems =
        Filesystems::mount("preload::sharing::partly_shared_copies_are_logged_as_such");
    let next = compile("shims/overwriting_copy.c", "sharing_overwriting.so", &["-shared", "-fPIC"]);
    let copier = compile("drivers/scripted_calls.c", "sharing_copier", &[]);
    for (name, place) in filesystems.iter().filter(|(name, _)| ["btrfs", "xfs"].contains(name)) {
        let directory = Scratch::below(place);
        let from = directory.random("from", 256 << 10);
        let to = directory.file("to");
        for (format, said) in [("text", "(next, partly shared)"), ("json", "\"shared\":false")] {
            let log = directory.file(format);
            Run::bare(&copier)
                .args([Path::new("copy"), &from, &to])
                .env("LD_PRELOAD", format!("{}:{}", library().display(), next.display()))
                .env("CFR_FORWARD", "next")
                .env("CFR_SHARED", "yes")
                .env("CFR_LOG_FORMAT", format)
                .env("CFR_LOG_FILE", &log)
                .ok();
            let log = fs::read_to_string(log).unwrap();
            assert!(log.contains(said), "{name}: {log}");
        }
    }
}

/// Through whichever hook cp copies.
#[test]
fn the_sharing_of_gnu_cps_copies_is_logged() {
    let Some(cp) = find_program("cp") else {
        return skip(
            "preload::sharing::the_sharing_of_gnu_cps_copies_is_logged",
            "cp is not installed",
        );
    };
    let filesystems =
        Filesystems::mount("preload::sharing::the_sharing_of_gnu_cps_copies_is_logged");
    for (name, copied, empty, _) in KINDS {
        let Some(place) = filesystems.get(name) else { continue };
        let directory = Scratch::below(place);
        let from = directory.random("from", 300_000);
        for (reflink, said) in [("auto", copied), ("never", empty)] {
            let log = directory.file("log");
            let to = directory.file("to");
            Run::preloaded(&cp)
                .args([Path::new(&format!("--reflink={reflink}")), &from, &to])
                .env("CFR_SHARED", "yes")
                .env("CFR_LOG_FILE", &log)
                .ok();
            assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
            // cp uses read(2) and write(2) if it must not share.
            let calls = if log.exists() { calls(&log) } else { Vec::new() };
            let last = calls.iter().rfind(|call| !call.contains(") = 0 (kernel)"));
            match (reflink, said) {
                ("never", _) => assert_eq!(calls, [""; 0], "{name}"),
                (_, "-") => assert!(!last.unwrap().contains("shared"), "{name}: {calls:?}"),
                _ => assert!(last.unwrap().ends_with(&format!(", {said})")), "{name}: {calls:?}"),
            }
            let _ = fs::remove_file(log);
            fs::remove_file(to).unwrap();
        }
    }
}

//! `CFR_SHARED`: whether the blocks of a copy are shared, on filesystems that can share and that
//! cannot.

use cfr_testkit::{
    Filesystems, Run, Scratch, compile, find_program, launcher, library, parse_call, read_json,
    skip, without_rule,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A filesystem, and what is logged there.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Of a copy by the kernel.
    pub(crate) copied: &'static str,
    /// Of blocks that the kernel does not share.
    pub(crate) sent: &'static str,
    /// Of a hole that the kernel copied.
    pub(crate) hole: &'static str,
    pub(crate) clones: bool,
}

pub(crate) const KINDS: [Kind; 4] = [
    Kind { name: "btrfs", copied: "shared", sent: "not shared", hole: "-", clones: true },
    Kind { name: "xfs", copied: "shared", sent: "not shared", hole: "-", clones: true },
    // Its copy fills the hole.
    Kind {
        name: "ext4",
        copied: "not shared",
        sent: "not shared",
        hole: "not shared",
        clones: false,
    },
    // tmpfs has no map of its blocks.
    Kind { name: "tmpfs", copied: "-", sent: "-", hole: "-", clones: false },
];

fn program() -> PathBuf {
    compile("drivers/shared_blocks.c", "shared_blocks", &[])
}

/// Returns the calls of a text log, without the rules that explain errors.
fn calls(log: &Path) -> Vec<String> {
    let log = fs::read_to_string(log).unwrap();
    log.lines().filter_map(parse_call).map(|call| without_rule(&call)).collect()
}

/// Returns the lines that a program expects in the log.
fn expected(stdout: &str) -> Vec<&str> {
    stdout.lines().filter(|line| !line.starts_with("# ")).collect()
}

#[test]
fn shared_blocks_are_logged_and_nothing_else_changes() {
    let test = "preload::sharing::shared_blocks_are_logged_and_nothing_else_changes";
    let filesystems = Filesystems::mount(test);
    for Kind { name, copied, sent, hole, clones } in KINDS {
        let Some(place) = filesystems.get(name) else { continue };
        let clones = if clones { "clones" } else { "does not" };
        for emulates in [false, true] {
            let (copied, hole) = if emulates { (sent, "-") } else { (copied, hole) };
            let logs = Scratch::new();
            let run = |mut run: Run| {
                // Both runs have the same paths.
                let directory = place.join("d");
                fs::create_dir(&directory).unwrap();
                if emulates {
                    run = run.env("CFR_BACKEND", "emulate");
                }
                let done = run.args([copied, sent, hole, clones]).within(&directory).ok();
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
            let shared: Vec<_> =
                objects.lines().map(|line| read_json(line)["shared"].clone()).collect();
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
        .args(["-", "-", "-", "clones"])
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
    for Kind { name, copied, sent, .. } in KINDS {
        let Some(place) = filesystems.get(name) else { continue };
        let directory = Scratch::below(place);
        let from = directory.random("from", 300_000);
        for (reflink, said) in [("auto", copied), ("never", sent)] {
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

/// The kernel reports every byte that was asked for, and compares whole blocks only unless the range
/// ends both files.
#[test]
fn a_dedupe_is_what_the_kernel_has_compared() {
    let filesystems =
        Filesystems::mount("preload::sharing::a_dedupe_is_what_the_kernel_has_compared");
    let program = compile("drivers/dedupes_range.c", "dedupes_range", &[]);
    // The target, the range in both files, and how many bytes of it are compared.
    const CASES: [(&str, [u64; 2], u64); 7] = [
        ("same", [0, 100], 0),
        ("differs", [16_384, 3_616 - 1_500], 0),
        ("same", [0, 6_000], 4_096),
        ("same", [0, 0], 0),
        ("same", [0, 20_000], 20_000),
        ("same", [16_384, 3_616], 3_616),
        ("longer", [0, 20_000], 16_384),
    ];
    for (name, place) in filesystems.iter().filter(|(name, _)| ["btrfs", "xfs"].contains(name)) {
        let directory = Scratch::below(place);
        let source = directory.random("source", 20_000);
        let bytes = fs::read(&source).unwrap();
        directory.write("same", &bytes);
        directory.write("differs", &[&bytes[..16_384], &[0; 3_616][..]].concat());
        directory.write("longer", &[&bytes[..], &[0; 4_096][..]].concat());
        for (target, [start, len], compared) in CASES {
            let expect = |expectations: &[&str]| {
                let mut run = Run::bare(launcher()).args(["run", "--log", "info"]);
                for expectation in expectations {
                    run = run.args(["--expect", expectation]);
                }
                let numbers = [start, len].map(|number| number.to_string());
                let log = directory.file("log");
                let _ = fs::remove_file(&log);
                let run = run.args(["--format", "json", "--output"]).args([&log]);
                let run = run.args([&program, &source, &directory.file(target)]).args(numbers);
                let output = run.output();
                let line = fs::read_to_string(log).unwrap_or_default();
                (output, read_json(&line))
            };
            let holding = [format!("bytes={compared}"), "ioctl=1".to_owned()];
            let (output, line) = expect(&holding.each_ref().map(String::as_str));
            let case = format!("{name} {target} {start}+{len}: {output:?} {line}");
            assert_eq!(output.status, Some(0), "{case}");
            // What the program was told.
            assert_eq!(output.stdout, format!("{len} 0\n"), "{case}");
            assert_eq!((&line["bytes"], &line["status"]), (&compared.into(), &0.into()), "{case}");
            assert_eq!(line["method"] == "dedupe", compared > 0, "{case}");
            for dedupes in ["method=dedupe", "dedupe>=1", "dedupe=1", "bytes>0"] {
                let held = expect(&[dedupes]).0.status;
                assert_eq!(held, Some(if compared > 0 { 0 } else { 123 }), "{dedupes} {case}");
            }
        }
    }
}

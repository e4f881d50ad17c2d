//! Faults (`CFR_INJECT`): the result at each hook, the state afterwards, and which calls are
//! affected. tests/emulation/differential.rs compares shortened copies with the kernel's.

use cfr_testkit::{Filesystems, Output, Run, Scratch, compile, launcher, read_json};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const SIZE: usize = 100_000;

/// c-tests/drivers/injected_calls.c.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| compile("drivers/injected_calls.c", "injected_calls", &[]));
    &PROGRAM
}

/// A source and a target.
pub(super) struct InjectFiles {
    pub(super) scratch: Scratch,
    pub(super) source: PathBuf,
    pub(super) target: PathBuf,
}

impl InjectFiles {
    pub(super) fn new() -> InjectFiles {
        InjectFiles::below(&std::env::temp_dir())
    }

    pub(super) fn below(place: &Path) -> InjectFiles {
        let scratch = Scratch::below(place);
        let (source, target) = (scratch.random("source", SIZE), scratch.file("target"));
        InjectFiles { scratch, source, target }
    }

    /// Prepares the program with these faults and these calls.
    pub(super) fn run(&self, faults: &str, words: &str) -> Run {
        Run::preloaded(program())
            .args([&self.source, &self.target])
            .args(words.split(' '))
            .env("CFR_INJECT", faults)
    }

    /// Returns what the program prints without a log.
    #[track_caller]
    fn said(&self, faults: &str, words: &str) -> Vec<String> {
        said(&self.run(faults, words).env("CFR_LOG", "off").ok())
    }

    /// Fails the test unless the target is the first `bytes` bytes of the source.
    #[track_caller]
    fn assert_copied(&self, bytes: usize) {
        let (source, target) = (fs::read(&self.source).unwrap(), fs::read(&self.target).unwrap());
        assert_eq!(target.len(), bytes);
        assert!(source[..bytes] == target[..]);
    }
}

pub(super) fn said(output: &Output) -> Vec<String> {
    output.stdout.lines().map(str::to_owned).collect()
}

const EVERY_CALL: &str =
    "copy=10 at=10 number=10 reflink=4096 send=10 send64=10 clone range=4096 dedupe=4096 probe";

// Results.

#[test]
fn an_error_at_every_hook_copies_nothing() {
    for backend in ["auto", "kernel", "emulate"] {
        let files = InjectFiles::new();
        let output = files.run("error=ENOSPC", EVERY_CALL).env("CFR_BACKEND", backend).ok();
        let said = said(&output);
        assert_eq!(said.len(), 10, "{said:?}");
        for (line, word) in said.iter().zip(EVERY_CALL.split(' ')) {
            let name = word.split('=').next().unwrap();
            assert!(line.starts_with(&format!("{name} ENOSPC at 0 0")), "{line}");
        }
        assert!(said[1].ends_with("offsets 0 0"), "{said:?}");
        assert!(said[8].ends_with("status 77 77 bytes 77 77 length 4096"), "{said:?}");
        files.assert_copied(0);
        let calls = output.calls();
        // The two targets of the dedupe are refused as one call.
        assert_eq!(calls.len(), 10, "{calls:?}");
        let end = "= -1 ENOSPC (No space left on device) (none, INJECTED)";
        assert!(calls[..8].iter().all(|call| call.ends_with(end)), "{calls:?}");
        assert!(calls[8].contains("ENOSPC") && calls[8].contains("INJECTED)"), "{calls:?}");
        assert!(!output.stderr.contains("rule "), "{}", output.stderr);
    }
}

/// Success without shared blocks would be false.
#[test]
fn zero_does_not_apply_to_a_clone() {
    let files = InjectFiles::new();
    let said = files.said("zero", EVERY_CALL);
    for (line, word) in said.iter().zip(EVERY_CALL.split(' ')) {
        let name = word.split('=').next().unwrap();
        match name {
            "clone" | "range" => assert!(line.contains(" E"), "{line}"),
            _ => assert!(line.starts_with(&format!("{name} 0 at 0 0")), "{line}"),
        }
    }
    assert!(said[8].ends_with("status 0 0 bytes 0 0 length 4096"), "{said:?}");
    files.assert_copied(0);
}

#[test]
fn a_short_copy_really_copies_the_bytes_that_it_reports() {
    for backend in ["auto", "kernel", "emulate"] {
        let files = InjectFiles::new();
        let words = "copy=5000 number=5000 send=5000 send64=5000";
        let run = files.run("short=700", words).env("CFR_BACKEND", backend);
        let output = run.ok();
        let names = ["copy", "number", "send", "send64"];
        let expected: Vec<_> = (1..)
            .zip(names)
            .map(|(count, name)| format!("{name} 700 at {0} {0}", 700 * count))
            .collect();
        assert_eq!(said(&output), expected);
        files.assert_copied(2800);
        let method = if backend == "emulate" { "emulated" } else { "kernel" };
        let calls = output.calls();
        assert!(
            calls[..2].iter().all(|call| call.ends_with(&format!("= 700 ({method}, INJECTED)")))
        );
        assert!(
            calls[2..].iter().all(|call| call.ends_with("= 700 (kernel, INJECTED)")),
            "{calls:?}"
        );

        let files = InjectFiles::new();
        let run = files.run("short=50%", "at=9223372036854775807 at=100 at=1 at=0");
        let said = said(&run.env("CFR_BACKEND", backend).env("CFR_LOG", "off").ok());
        assert_eq!(
            said,
            [
                "at 50000 at 0 0 offsets 50000 50000",
                "at 50 at 0 0 offsets 50050 50050",
                "at 1 at 0 0 offsets 50051 50051",
                "at 0 at 0 0 offsets 50051 50051",
            ]
        );
        files.assert_copied(50_051);
    }
}

#[test]
fn a_copy_that_is_not_shortened_is_not_marked() {
    let files = InjectFiles::new();
    let output = files.run("short=100000", "copy=200000 copy=200000 copy=0 probe").ok();
    assert_eq!(
        said(&output),
        [
            "copy 100000 at 100000 100000",
            "copy 0 at 100000 100000",
            "copy 0 at 100000 100000",
            "probe EBADF at 100000 100000"
        ]
    );
    assert!(!output.stderr.contains("INJECTED"), "{}", output.stderr);
}

/// The host's struct holds its own length afterwards.
#[test]
fn a_short_clone_is_shortened_to_whole_blocks() {
    let filesystems =
        Filesystems::mount("preload::inject::a_short_clone_is_shortened_to_whole_blocks");
    for name in ["xfs", "btrfs"] {
        let Some(place) = filesystems.get(name) else { continue };
        let files = InjectFiles::below(place);
        let said = files.said("short=9000", "reflink=65536 reflink=100");
        assert_eq!(said[0], "reflink 8192 at 0 0 offsets 8192 8192", "{name}");
        files.assert_copied(8192);
        fs::write(&files.target, fs::read(&files.source).unwrap()).unwrap();
        let said = files.said("short=9000:hook=ioctl", "dedupe=65536 dedupe=4096");
        assert_eq!(
            said,
            [
                "dedupe 0 at 0 0 status 0 0 bytes 8192 8192 length 65536",
                "dedupe 0 at 0 0 status 0 0 bytes 4096 4096 length 4096",
            ],
            "{name}"
        );
        files.assert_copied(SIZE);
        let said = files.said("short=50%;zero", "clone range=4096");
        assert_eq!(said, ["clone 0 at 0 0", "range 0 at 0 0"], "{name}: all or nothing");
    }
}

/// A call that asks for too much is refused as a whole.
#[test]
fn a_short_copy_is_checked_with_the_requested_length() {
    for (dialect, backend) in [("extended", "auto"), ("extended", "emulate"), ("freebsd", "auto")] {
        let files = InjectFiles::new();
        let run = Run::preloaded(program())
            .args([&files.source, &files.source])
            .args(["to=100", "at=5000"])
            .env("CFR_INJECT", "short=1")
            .env("CFR_DIALECT", dialect)
            .env("CFR_BACKEND", backend);
        let output = run.ok();
        assert_eq!(said(&output), ["at EINVAL at 0 0 offsets 0 100"], "{dialect} {backend}");
        assert!(output.stderr.contains("rule overlap"), "{}", output.stderr);
    }
    let files = InjectFiles::new();
    let run = files.run("short=1", "at=100001 at=100000").env("CFR_DIALECT", "linux-4.15");
    let said = said(&run.env("CFR_LOG", "off").ok());
    assert_eq!(said, ["at EINVAL at 0 0 offsets 0 0", "at 1 at 0 0 offsets 1 1"]);
}

#[test]
fn a_short_copy_is_verified() {
    let files = InjectFiles::new();
    let run = files.run("short=5000", "copy=60000 at=60000").env("CFR_VERIFY", "yes");
    let said = said(&run.env("CFR_LOG", "off").ok());
    assert_eq!(said, ["copy 5000 at 5000 5000", "at 5000 at 5000 5000 offsets 5000 5000"]);
    files.assert_copied(5000);
}

/// Even if the library would copy after the same error of the kernel.
#[test]
fn an_injected_error_causes_no_fallback() {
    let files = InjectFiles::new();
    let run = files.run("error=EXDEV:when=1", "copy=10 copy=10").env("CFR_FALLBACK", "EXDEV,EIO");
    let said = said(&run.env("CFR_LOG", "off").ok());
    assert_eq!(said, ["copy EXDEV at 0 0", "copy 10 at 10 10"]);
}

// Signals and delays.

#[test]
fn a_signal_is_delivered_before_the_call_in_the_calling_thread() {
    let files = InjectFiles::new();
    let said = files.said(
        "signal=SIGUSR1:error=EINTR:when=1;signal=RTMIN+1:when=2;signal=USR1:when=2",
        "thread copy=10 copy=10 send=10",
    );
    assert_eq!(
        said,
        [
            "SIGUSR1",
            "copy EINTR at 0 0",
            "SIGUSR1",
            "SIGRTMIN+1",
            "copy 10 at 10 10",
            "send 10 at 20 20"
        ]
    );
}

#[test]
fn a_handler_may_leave_the_call_by_siglongjmp() {
    let files = InjectFiles::new();
    let said = files.said("signal=USR1:when=1..200", "jump copy=10 copy=10 jump dedupe=1 clone");
    assert_eq!(said[..2], ["SIGUSR1", "jumped"]);
    assert_eq!(said[2..4], ["SIGUSR1", "copy 10 at 10 10"]);
    assert_eq!(said[4..6], ["SIGUSR1", "jumped"]);
}

#[test]
fn a_fatal_signal_ends_the_program() {
    let files = InjectFiles::new();
    let output = files.run("signal=KILL:when=2", "copy=10 copy=10 copy=10").output();
    assert_eq!((output.signal, said(&output)), (Some(9), vec!["copy 10 at 10 10".to_owned()]));
    files.assert_copied(10);
}

#[test]
fn a_delay_delays_the_call() {
    let files = InjectFiles::new();
    let output = files
        .run("delay_enter=30ms:delay_exit=20000:when=1", "spend copy=10 spend clone copy=10")
        .ok();
    let said = said(&output);
    let spent = |line: &str| {
        let (_, spent) = line.split_once(" in ").unwrap();
        spent.strip_suffix(" ms").unwrap().parse::<u32>().unwrap()
    };
    assert!(spent(&said[0]) >= 50, "{said:?}");
    let calls = output.calls();
    assert!(calls[0].ends_with("= 10 (kernel, DELAYED)"), "{calls:?}");
    assert!(calls[2].ends_with("= 10 (kernel)"), "{calls:?}");
    // The duration in the line includes the delay.
    let line = output.stderr.lines().next().unwrap();
    let seconds = line.rsplit_once('<').unwrap().1.strip_suffix('>').unwrap();
    assert!(seconds.parse::<f64>().unwrap() >= 0.05, "{line}");
}

// Which calls are affected.

#[test]
fn calls_are_counted_in_each_process() {
    let files = InjectFiles::new();
    let said = files.said("error=EIO:when=2", "copy=1 thread copy=1 fork copy=1 number=1 copy=1");
    let expected =
        ["copy 1 at 1 1", "copy EIO at 1 1", "copy 1 at 2 2", "number EIO at 2 2", "copy 1 at 3 3"];
    assert_eq!(said, expected);
}

#[test]
fn calls_are_counted_in_each_thread() {
    let files = InjectFiles::new();
    let said =
        files.said("error=EIO:when=2:per=thread", "copy=1 thread copy=1 thread copy=1 copy=1");
    assert_eq!(said, ["copy 1 at 1 1", "copy 1 at 2 2", "copy 1 at 3 3", "copy EIO at 3 3"]);
}

#[test]
fn calls_are_counted_on_each_target() {
    let files = InjectFiles::new();
    let other = files.scratch.file("other");
    let out = format!("out={}", other.display());
    let back = format!("out={}", files.target.display());
    let words = format!("copy=1 {out} copy=1 send=1 {back} copy=1 copy=1");
    let said = files.said("error=EIO:when=2:per=path", &words);
    assert_eq!(
        said,
        ["copy 1 at 1 1", "copy 1 at 2 1", "send EIO at 2 1", "copy EIO at 2 0", "copy 1 at 3 1"]
    );
}

/// Under the launcher: without it there is no count that processes share, and each counts its own.
#[test]
fn calls_are_counted_in_the_whole_tree() {
    let files = InjectFiles::new();
    let (fault, words) = ("error=EIO:when=3:per=tree", "copy=1 fork copy=1 number=1 copy=1");
    let run = Run::bare(launcher()).args(["run", "--inject", fault, "--"]).args([program()]);
    let output = run.args([&files.source, &files.target]).args(words.split(' ')).ok();
    let expected = ["copy 1 at 1 1", "copy 1 at 2 2", "number EIO at 2 2", "copy 1 at 3 3"];
    assert_eq!(said(&output), expected);
    let alone = files.said(fault, words);
    assert_eq!(alone, ["copy 1 at 1 1", "copy 1 at 2 2", "number 1 at 3 3", "copy EIO at 3 3"]);
}

#[test]
fn only_calls_of_the_hook_and_the_path_are_counted() {
    let files = InjectFiles::new();
    let said =
        files.said("error=EIO:hook=sendfile,syscall:when=2", "copy=1 send=1 copy=1 number=1");
    assert_eq!(said, ["copy 1 at 1 1", "send 1 at 2 2", "copy 1 at 3 3", "number EIO at 3 3"]);
    let hit = |glob: &str| {
        let said = files.said(&format!("error=EIO:path={glob}"), "copy=1 probe");
        (said[0].starts_with("copy EIO"), said[1].starts_with("probe EIO"))
    };
    let whole = files.target.display().to_string();
    for glob in ["*", "target", "sour?e", "*/tar*", "[s]ource", whole.as_str()] {
        assert_eq!(hit(glob), (true, false), "{glob}");
    }
    for glob in ["targe", "/target", "*.db", "Source"] {
        assert_eq!(hit(glob), (false, false), "{glob}");
    }
    let odd = files.scratch.file("a:b;c");
    let words = format!("out={} copy=1", odd.display());
    assert!(files.said("error=EIO:path=a\\:b\\;c", &words)[0].starts_with("copy EIO"));
}

#[test]
fn a_seed_makes_the_same_calls_fail_every_time() {
    let files = InjectFiles::new();
    let words = ["copy=1"; 60].join(" ");
    let failed = |faults: &str| -> Vec<bool> {
        files.said(faults, &words).iter().map(|line| line.starts_with("copy EIO")).collect()
    };
    let first = failed("error=EIO:prob=0.3:seed=42");
    assert_eq!(first, failed("error=EIO:prob=30%:seed=42"));
    assert_ne!(first, failed("error=EIO:prob=0.3:seed=43"));
    let count = first.iter().filter(|is_hit| **is_hit).count();
    assert!((8..=30).contains(&count), "{count}");
}

/// In the order given, also over several options.
#[test]
fn the_first_fault_with_a_result_decides() {
    let files = InjectFiles::new();
    let output = Run::bare(launcher())
        .args(["trace", "--inject", "short=10:when=2", "--inject", "error=EIO:when=1..2;zero"])
        .args([program()])
        .args([&files.source, &files.target])
        .args(["copy=50", "copy=50", "copy=50"])
        .ok();
    assert_eq!(said(&output), ["copy EIO at 0 0", "copy 10 at 10 10", "copy 0 at 10 10"]);
}

// How they are reported.

#[test]
fn every_format_marks_injected_calls() {
    let files = InjectFiles::new();
    let words = "copy=50 copy=50 copy=50 dedupe=10";
    let faults = "short=5:when=1;delay_exit=1:when=2;signal=URG:when=4";
    let output = files.run(faults, words).env("CFR_LOG_FORMAT", "json").ok();
    let marks: Vec<_> = output
        .stderr
        .lines()
        .map(read_json)
        .map(|object| (object["injected"].clone(), object["delayed"].clone()))
        .collect();
    let of = |injected, delayed| (Value::Bool(injected), Value::Bool(delayed));
    assert_eq!(marks[..3], [of(true, false), of(false, true), of(false, false)]);
    assert!(marks[3..].iter().all(|marks| *marks == of(true, false)), "{marks:?}");

    let warned = files.run(faults, words).env("CFR_LOG", "warn").ok().calls();
    assert_eq!(warned.len(), marks.len() - 1, "{warned:?}");
    let told = files.run(faults, words).env("CFR_LOG", "debug").ok().stderr;
    for fault in 1..=3 {
        assert_eq!(told.matches(&format!("fault {fault} hits this call")).count(), 1, "{told}");
    }
}

#[test]
fn the_summary_and_the_report_count_injected_calls() {
    let files = InjectFiles::new();
    let (sums, log) = (files.scratch.file("sums"), files.scratch.file("log"));
    Run::bare(launcher())
        .args(["trace", "--format", "json", "-o"])
        .args([&log])
        .args([format!("--summary={}", sums.display())])
        .args(["--inject", "error=EIO:when=1..3;delay_enter=1:when=3+"])
        .args([program()])
        .args([&files.source, &files.target])
        .args(["copy=5"; 5])
        .ok();
    let sums = read_json(&fs::read_to_string(sums).unwrap());
    assert_eq!((&sums["summary"]["injected"], &sums["summary"]["delayed"]), (&3.into(), &3.into()));
    let report =
        Run::bare(launcher()).args(["report", "--format", "json"]).args([&log]).ok().stdout;
    let report = read_json(&report);
    assert_eq!((&report["injected"], &report["delayed"]), (&3.into(), &3.into()));
}

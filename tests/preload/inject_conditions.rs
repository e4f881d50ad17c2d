//! The conditions of faults, and faults of single targets and of the whole process. Everything is tried
//! in a program that the library is preloaded into, and in a static one, which is supervised.

use super::inject::{InjectFiles, said};
use cfr_testkit::{Filesystems, Output, Run, compile, is_root, launcher, read_json, skip};
use serde_json::Value;
use std::path::Path;

/// How a program is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Preloaded,
    Supervised,
}

const BOTH: [Reach; 2] = [Reach::Preloaded, Reach::Supervised];

/// Runs c-tests/drivers/injected_calls.c under `cfr trace` with this fault.
fn traced(reach: Reach, files: &InjectFiles, fault: &str, words: &str) -> Output {
    run_with(reach, files, fault, words, &[])
}

/// Runs it likewise, with more options.
fn run_with(
    reach: Reach,
    files: &InjectFiles,
    fault: &str,
    words: &str,
    options: &[&str],
) -> Output {
    let (name, flags, option) = match reach {
        Reach::Preloaded => ("injected_calls", &[][..], "preload"),
        Reach::Supervised => ("injected_calls_static", &["-static"][..], "all"),
    };
    let program = compile("drivers/injected_calls.c", name, flags);
    Run::bare(launcher())
        .args(["trace", "--reach", option, "--inject", fault, "-o"])
        .args([files.scratch.file("log")])
        .args(options)
        .args(["--"])
        .args([&program, &files.source, &files.target])
        .args(words.split(' '))
        .output()
}

/// Returns for each call whether it failed with EIO, which is the same both ways. `words` gets the
/// directory of the files.
#[track_caller]
fn hits(condition: &str, words: impl Fn(&Path) -> String) -> Vec<bool> {
    let [one, other] = BOTH.map(|reach| {
        let files = InjectFiles::new();
        let fault = format!("error=EIO:{condition}");
        let output = traced(reach, &files, &fault, &words(files.scratch.path()));
        assert_eq!(output.status, Some(0), "{reach:?} {output:#?}");
        said(&output).iter().map(|line| line.contains(" EIO ")).collect::<Vec<_>>()
    });
    assert_eq!(one, other, "{condition}: preloaded and supervised");
    one
}

#[test]
fn the_length_chooses_calls() {
    let words = |_: &Path| "copy=4096 number=4097 send=100000 clone range=8 range=0".to_owned();
    for (condition, expected) in [
        ("len=4K", [true, false, false, false, false, false]),
        ("len>4K", [false, true, true, true, false, true]),
        ("len!=4096", [false, true, true, true, true, true]),
        // A clone is of all bytes of the source.
        ("len>=100000", [false, false, true, true, false, true]),
        ("len>4096:len<5000", [false, true, false, false, false, false]),
        ("len<=8", [false, false, false, false, true, false]),
        ("len>1M", [false; 6]),
    ] {
        assert_eq!(hits(condition, words), expected, "{condition}");
    }
}

/// Without a pointer they are the positions of the descriptors.
#[test]
fn the_offsets_choose_calls() {
    let words = |_: &Path| {
        "copy=10 seek=3000000000 copy=10 send=10 at=10 to=5000000000 at=10 clone range=4096 probe"
            .to_owned()
    };
    for (condition, expected) in [
        ("off_in>=2G", [false, true, true, false, false, false, false, false]),
        ("off_out>=2G", [false, true, true, false, true, false, false, false]),
        ("off_out>=4G", [false, false, false, false, true, false, false, false]),
        ("off_in=0", [true, false, false, true, true, true, true, false]),
        ("off_in!=0", [false, true, true, false, true, false, false, false]),
    ] {
        assert_eq!(hits(condition, words), expected, "{condition}");
    }
}

/// A dedupe is chosen by its source and its first target.
#[test]
fn the_first_target_of_a_dedupe_chooses_it() {
    let words = |_: &Path| "dedupe=10".to_owned();
    for condition in ["path=target", "path=source", "off_out=0", "off_in=0", "len=10"] {
        assert_eq!(hits(condition, words), [true], "{condition}");
    }
    for condition in ["path=other", "off_out>0", "flags!=0"] {
        assert_eq!(hits(condition, words), [false], "{condition}");
    }
    assert_eq!(hits("per=path:when=2", |_| "copy=1 dedupe=1".to_owned()), [false, true]);
}

#[test]
fn the_flags_choose_calls() {
    let words = |_: &Path| "at=10 reflink=4096 send=10".to_owned();
    for condition in ["flags!=0", "flags=2", "flags=0x2", "flags=COPY_FR_REFLINK", "flags>=1"] {
        assert_eq!(hits(condition, words), [false, true, false], "{condition}");
    }
    assert_eq!(hits("flags=0", words), [true, false, true]);
}

/// Of the thread, which begins as the program's.
#[test]
fn the_name_of_program_or_thread_chooses_calls() {
    let words = |_: &Path| "copy=1 name=worker copy=1".to_owned();
    assert_eq!(hits("comm=injected_calls*", words), [true, true]);
    assert_eq!(hits("comm=worker", words), [false, true]);
    assert_eq!(hits("comm=cp", words), [false, false]);
    // The thread has only the first 15 bytes of the program's name.
    let files = InjectFiles::new();
    let output = traced(Reach::Supervised, &files, "error=EIO:comm=*_calls_static*", "copy=1");
    assert_eq!(said(&output), ["copy EIO at 0 0"]);
}

/// The ioctl succeeds, and nothing is compared or shared.
#[test]
fn each_target_of_a_dedupe_gets_the_status() {
    let filesystems =
        Filesystems::mount("preload::inject_conditions::each_target_of_a_dedupe_gets_the_status");
    let place = filesystems.get("xfs").map_or_else(std::env::temp_dir, Path::to_path_buf);
    for (fault, status, log) in [
        ("status=differs", "1 1", "status=1}]} (none, INJECTED"),
        ("status=-EINVAL", "-22 -22", "status=-22}]}"),
        ("status=-EPERM:hook=ioctl", "-1 -1", "status=-1}]}"),
    ] {
        for reach in BOTH {
            let files = InjectFiles::below(&place);
            let bytes = std::fs::read(&files.source).unwrap();
            std::fs::write(&files.target, bytes).unwrap();
            let output = traced(reach, &files, fault, "dedupe=4096 copy=10 clone dedupe=5001");
            let lines = said(&output);
            let results = format!("status {status} bytes 0 0");
            let expected = format!("dedupe 0 at 0 0 {results} length 4096");
            assert_eq!(lines[0], expected, "{reach:?} {output:#?}");
            assert_eq!(lines[1], "copy 10 at 10 10");
            assert!(lines[3].contains(&results), "{lines:?}");
            let text = std::fs::read_to_string(files.scratch.file("log")).unwrap();
            let marked: Vec<_> = text.lines().filter(|line| line.contains("INJECTED")).collect();
            assert_eq!(marked.len(), 4, "{text}");
            assert!(!marked.iter().any(|line| line.contains("rule")), "{text}");
            assert!(marked.iter().all(|line| line.contains("bytes_deduped=0")), "{text}");
            assert!(marked.iter().all(|line| line.contains(log.split('}').next().unwrap())));
        }
    }
}

#[test]
fn a_deleted_name_matches_without_its_mark() {
    let words = |_: &Path| "unlink copy=1 copy=1".to_owned();
    for glob in ["target", "*/target", "targe?", "target (deleted)"] {
        assert_eq!(hits(&format!("path={glob}"), words), [true, true], "{glob}");
    }
    assert_eq!(hits("path=target (delete)", words), [false, false]);
    // One count before and after it is deleted.
    let words = |_: &Path| "copy=1 unlink copy=1".to_owned();
    assert_eq!(hits("per=path:when=2", words), [false, true]);
}

#[test]
fn targets_without_a_name_match() {
    for (glob, expected) in [
        ("memfd\\:cache", [true, false, false]),
        ("/memfd\\:*", [true, false, false]),
        ("memfd\\:*", [true, false, false]),
        ("*#*", [false, true, false]),
        ("target", [false, false, true]),
        ("*", [true, true, true]),
    ] {
        let words = |place: &Path| {
            let (place, target) = (place.display(), place.join("target"));
            format!("memory=cache copy=1 unnamed={place} copy=1 out={} copy=1", target.display())
        };
        assert_eq!(hits(&format!("path={glob}"), words), expected, "{glob}");
    }
}

/// A star matches each call with a file, whatever /proc knows. A call without one is a program's way to
/// ask whether the system call exists.
#[test]
fn a_star_matches_without_proc() {
    const TEST: &str = "preload::inject_conditions::a_star_matches_without_proc";
    if !is_root() {
        return skip(TEST, "only root may change the root directory");
    }
    let words = |place: &Path| format!("root={} copy=1 number=1 probe", place.display());
    assert_eq!(hits("path=*", words), [true, true, false]);
    assert_eq!(hits("path=**", words), [true, true, false]);
    let files = InjectFiles::new();
    let words = format!("root={} copy=1", files.scratch.path().display());
    let output = traced(Reach::Preloaded, &files, "error=EIO:path=target", &words);
    assert_eq!(said(&output), ["copy 1 at 1 1"], "its name is not known");
}

/// Before the signal is raised: afterwards there is no process that could do it.
#[test]
fn a_call_that_the_signal_of_a_fault_ends_is_counted_and_logged() {
    for (fault, number) in [
        ("signal=KILL:when=2", libc::SIGKILL),
        ("signal=SYS:error=ENOSYS:when=2", libc::SIGSYS),
        ("signal=SEGV:when=2", libc::SIGSEGV),
        ("signal=USR2:delay_enter=1ms:when=2", libc::SIGUSR2),
        ("signal=RTMIN+2:when=2", 36),
    ] {
        for reach in BOTH {
            let files = InjectFiles::new();
            let results = files.scratch.file("results");
            let expect = ["--expect", "injected>=1", "--expect", "unfinished=1", "--results"];
            let options = [&expect[..], &[results.to_str().unwrap()]].concat();
            let output = run_with(reach, &files, fault, "copy=10 copy=10 copy=10", &options);
            assert_eq!(output.status, Some(128 + number), "{reach:?} {fault} {output:#?}");
            assert_eq!(said(&output), ["copy 10 at 10 10"]);
            let log = std::fs::read_to_string(files.scratch.file("log")).unwrap();
            let lines: Vec<_> = log.lines().collect();
            assert_eq!(lines.len(), 2, "{reach:?} {log}");
            assert!(lines[1].contains(" = ? (unfinished, INJECTED"), "{reach:?} {log}");
            assert!(!lines[0].contains("INJECTED"), "{log}");
        }
    }
}

/// Without a launcher, and for each kind of call.
#[test]
fn every_call_that_a_signal_ends_leaves_its_line() {
    for (word, name) in [
        ("copy=10", "copy_file_range("),
        ("number=10", "SYS_copy_file_range"),
        ("send=10", "sendfile("),
        ("clone", "FICLONE"),
        ("dedupe=10", "FIDEDUPERANGE"),
    ] {
        let files = InjectFiles::new();
        let output = files.run("signal=KILL", word).env("CFR_LOG", "warn").output();
        assert_eq!(output.signal, Some(9), "{word}");
        let calls = output.calls();
        assert_eq!(calls.len(), 1, "{output:#?}");
        assert!(calls[0].contains(name), "{calls:?}");
        assert!(calls[0].contains(" = ? (unfinished, INJECTED)"), "{calls:?}");
        let run = files.run("signal=KILL", word).env("CFR_LOG_FORMAT", "json");
        let line = read_json(run.output().stderr.trim());
        assert_eq!((&line["injected"], &line["ret"]), (&true.into(), &Value::Null), "{line}");
        assert_eq!((&line["errno"], &line["why"]), (&0.into(), &"unfinished".into()), "{line}");
    }
}

/// One that is ignored, blocked or has no effect by default.
#[test]
fn a_signal_that_does_not_end_the_process_leaves_the_call_as_it_is() {
    for (before, signal) in [
        ("trap '' TERM", "TERM"),
        ("true", "URG"),
        ("true", "USR1"),
        ("exec env --block-signal=TERM \"$@\"", "TERM"),
    ] {
        let files = InjectFiles::new();
        let program = compile("drivers/injected_calls.c", "injected_calls", &[]);
        let output = Run::bare(launcher())
            .args(["trace", "--inject", &format!("signal={signal}"), "sh", "-c"])
            .args([&format!("{before}; exec \"$@\""), "sh"])
            .args([&program, &files.source, &files.target])
            .args(["copy=10"])
            .ok();
        assert!(output.stdout.ends_with("copy 10 at 10 10\n"), "{output:#?}");
        let calls = output.calls();
        assert_eq!(calls.len(), 1, "{output:#?}");
        assert!(calls[0].ends_with("= 10 (kernel, INJECTED)"), "{calls:?}");
    }
}

//! A supervised program gets the kernel's results: return value, errno, offsets, positions, sizes and
//! bytes, of calls that the kernel accepts and refuses, on every filesystem.

use super::{compile_musl, trace};
use cfr_testkit::{Filesystems, Run, Scratch, compile, copy_product, find_program, is_root, skip};
use std::fs;
use std::path::{Path, PathBuf};

/// The questions whose answers differ, by the dialect, and why.
const DIFFERENT: [(&str, &str, &str); 2] = [
    ("extended", "flag 1", "the dialect has the flag COPY_FR_COPY"),
    ("extended", "junk above a flag", "the dialect has the flag COPY_FR_DEDUP"),
];

const DIALECTS: [&str; 2] = ["extended", "linux"];

fn program() -> PathBuf {
    compile("drivers/kernel_questions.c", "kernel_questions", &["-static"])
}

/// Runs the program bare and supervised below `place`.
#[track_caller]
fn same_as_bare(program: &Path, place: &Path, what: &str) {
    let directory = Scratch::below(place);
    let bare = Run::bare(program).args([directory.path()]).ok();
    assert!(bare.stdout.lines().count() > 200, "{what}: {bare:#?}");
    for dialect in DIALECTS {
        let (directory, logs) = (Scratch::below(place), Scratch::new());
        let log = logs.file("log");
        let supervised =
            trace(&log, &["--dialect", dialect]).args([program, directory.path()]).ok();
        let differing = differences(&bare.stdout, &supervised.stdout);
        let expected =
            |question: &str| DIFFERENT.iter().any(|row| (row.0, row.1) == (dialect, question));
        let is_expected = differing.iter().all(|(question, ..)| expected(question));
        assert!(is_expected, "{what}, {dialect}: {differing:#?}");
        // The program sets a limit for files, which the log of a preloaded library may have passed.
        let said = supervised.stderr.lines().filter(|line| !line.contains(" (EFBIG)"));
        assert_eq!(said.count(), 0, "{what}, {dialect}: {supervised:#?}");
        assert_log(&log);
    }
}

/// Returns the differing lines, each with its question.
fn differences(bare: &str, supervised: &str) -> Vec<(String, String, String)> {
    assert_eq!(bare.lines().count(), supervised.lines().count(), "{supervised}");
    let pairs =
        bare.lines().zip(supervised.lines()).filter(|(bare, supervised)| bare != supervised);
    let question = |line: &str| line.split(':').next().unwrap().to_owned();
    pairs.map(|(bare, seen)| (question(bare), bare.to_owned(), seen.to_owned())).collect()
}

/// Each call has its line, and no line names a descriptor of the supervisor's.
#[track_caller]
fn assert_log(log: &Path) {
    let log = fs::read_to_string(log).unwrap();
    let calls: Vec<_> = log.lines().filter(|line| !line.ends_with(" ---")).collect();
    assert!(calls.len() > 200, "{log}");
    assert!(!log.contains("seccomp"), "{log}");
}

#[test]
fn a_static_program_gets_the_kernels_results_in_the_temporary_directory() {
    same_as_bare(&program(), &std::env::temp_dir(), "the directory for temporary files");
}

#[test]
fn a_static_program_gets_the_kernels_results_on_every_filesystem() {
    let filesystems = Filesystems::mount(
        "supervisor::kernel_questions::a_static_program_gets_the_kernels_results_on_every_filesystem",
    );
    for (name, place) in filesystems.iter() {
        same_as_bare(&program(), place, name);
    }
}

#[test]
fn a_musl_program_gets_the_kernels_results() {
    if find_program("musl-gcc").is_none() {
        return skip(
            "supervisor::kernel_questions::a_musl_program_gets_the_kernels_results",
            "musl-gcc is not installed",
        );
    }
    let scratch = Scratch::new();
    for (name, flags) in [("static", &["-static"][..]), ("dynamic", &[])] {
        let program = scratch.file(name);
        compile_musl("drivers/kernel_questions.c", &program, flags);
        same_as_bare(&program, scratch.path(), name);
    }
}

/// The supervisor is the user's own.
#[test]
fn a_program_of_an_ordinary_user_gets_the_kernels_results() {
    let test =
        "supervisor::kernel_questions::a_program_of_an_ordinary_user_gets_the_kernels_results";
    if !is_root() || find_program("setpriv").is_none() {
        return skip(test, "needs root and setpriv(1)");
    }
    let scratch = Scratch::new();
    scratch.open_to_all();
    let cfr = copy_product(&scratch.file("product"));
    let program_here = scratch.file("kernel_questions");
    Run::bare("install").args(["-m", "755"]).args([&program(), &program_here]).ok();
    let run = |command: &[&Path], name: &str| {
        let directory = scratch.file(name);
        fs::create_dir(&directory).unwrap();
        let owner = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        Run::bare("chown").args(["65534:65534"]).args([&directory]).ok();
        let run = Run::bare("setpriv").args(owner).args(command);
        run.args([&program_here, &directory]).ok()
    };
    let bare = run(&[], "bare");
    let log = scratch.file("log");
    let options = ["trace", "--reach", "all", "--dialect", "linux", "-o"].map(Path::new);
    let words = [&[cfr.as_path()], &options[..], &[log.as_path()]].concat();
    let supervised = run(&words, "supervised");
    assert_eq!(differences(&bare.stdout, &supervised.stdout), []);
    assert_log(&log);
}

//! Limits on memory and processes that leave the launcher no room for its threads: the program runs as
//! it would have.

use cfr_testkit::{Output, Run, Scratch, copy_product, find_program, is_root, launcher, skip};
use std::fs;
use std::path::Path;

/// A directory in which any user may copy the file `a` to `b` and log it.
fn directory() -> Scratch {
    let directory = Scratch::new();
    directory.open_to_all();
    fs::write(directory.file("a"), vec![b'x'; 200_000]).unwrap();
    directory
}

/// Runs a command line that copies, and reports whether it has.
fn copies(run: Run, directory: &Path) -> (bool, Output) {
    for name in ["b", "log"] {
        let _ = fs::remove_file(directory.join(name));
    }
    let output = run.within(directory).output();
    let same = fs::read(directory.join("a")).ok() == fs::read(directory.join("b")).ok();
    (output.status == Some(0) && same, output)
}

/// Runs a shell in this address space, which executes these words.
fn within(kib: u64, words: &[&str]) -> Run {
    let script = "ulimit -v \"$1\"; shift; exec \"$@\"";
    Run::bare("sh").args(["-c", script, "sh", &kib.to_string()]).args(words)
}

/// Returns the copies that the log has, and fails the test unless each line is whole.
#[track_caller]
fn logged(directory: &Path, output: &Output) -> usize {
    let log = fs::read_to_string(directory.join("log")).unwrap_or_else(|_| panic!("{output:#?}"));
    assert!(log.ends_with('\n'), "{log}");
    log.lines().filter(|line| line.contains(" copy_file_range(")).count()
}

#[test]
fn a_limit_on_the_address_space_leaves_the_program_running() {
    const TEST: &str = "cli::little_room::a_limit_on_the_address_space_leaves_the_program_running";
    const MOST: u64 = 32 << 10;
    let (directory, cfr) = (directory(), launcher().display().to_string());
    let starts = |kib: &u64| within(*kib, &[&cfr, "--version"]).output().status == Some(0);
    let Some(least) = (1..MOST / 256).map(|step| step * 256).find(starts) else {
        return skip(TEST, "cfr does not run below 32 MiB");
    };
    for reach in ["preload", "auto"] {
        for kib in (least..least + (16 << 10)).step_by(512) {
            let words = [&cfr, "trace", "--reach", reach, "-o", "log", "cp", "a", "b"];
            let (has_copied, output) = copies(within(kib, &words), directory.path());
            assert!(has_copied, "{reach}, {kib} KiB, least {least}: {output:#?}");
            assert!(logged(directory.path(), &output) > 0, "{reach}, {kib} KiB: {output:#?}");
        }
    }
}

/// RLIMIT_NPROC counts the processes and threads of an ordinary user: here of one that nothing else
/// runs as.
#[test]
fn a_limit_on_processes_leaves_the_program_running() {
    const TEST: &str = "cli::little_room::a_limit_on_processes_leaves_the_program_running";
    const USER: &str = "64017";
    let programs = ["setpriv", "prlimit"].map(find_program);
    let [Some(setpriv), Some(prlimit)] = programs else {
        return skip(TEST, "setpriv or prlimit is not installed");
    };
    if !is_root() {
        return skip(TEST, "root is needed to become another user");
    }
    let directory = directory();
    let cfr = copy_product(&directory.file("product")).display().to_string();
    let as_user = |limit: u32, words: &[&str]| {
        let run = Run::bare(&setpriv).args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
        run.args([&prlimit]).args([&format!("--nproc={limit}")]).args(words)
    };
    for options in [&[][..], &["--reach", "all"], &["--reach", "preload"]] {
        for limit in 1..=8 {
            let words = [&[&*cfr, "trace", "-o", "log"], options, &["cp", "a", "b"]].concat();
            let (has_copied, output) = copies(as_user(limit, &words), directory.path());
            assert!(has_copied, "{options:?}, {limit}: {output:#?}");
            assert!(logged(directory.path(), &output) > 0, "{options:?}, {limit}: {output:#?}");
            let has_replaced = output.stderr.contains("; the program takes the place of cfr\n");
            assert_eq!(has_replaced, limit == 1, "{options:?}, {limit}: {output:#?}");
        }
    }
    // A summary cannot be written by a launcher that has made room for the program.
    let output = as_user(1, &[&cfr, "run", "-c", "cp", "a", "b"]).within(directory.path()).output();
    let said = "cfr: cannot start a process: Resource temporarily unavailable (EAGAIN), the limit on \
                processes (RLIMIT_NPROC)\n";
    assert_eq!((output.status, output.stderr.ends_with(said)), (Some(125), true), "{output:#?}");
}

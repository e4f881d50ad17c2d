//! The paths in a log are current, although not every call reads them anew
//! (c-tests/drivers/paths_change.c).

use cfr_testkit::{Run, Scratch, compile, read_json};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The same constants as in the program.
const DELETED: u64 = 10_000;
const HIDDEN: u64 = 20_000;

/// Reports whether `path` is the path at the time of a copy with this number.
fn is_right(path: &Value, number: u64) -> bool {
    let holds = |number: u64| move |path: &str| path.contains(&format!("#{number}#"));
    match number {
        HIDDEN.. => path.is_null(),
        DELETED.. => path
            .as_str()
            .and_then(|path| path.strip_suffix(" (deleted)"))
            .is_some_and(holds(number - DELETED)),
        _ => path.as_str().filter(|path| !path.ends_with(" (deleted)")).is_some_and(holds(number)),
    }
}

#[track_caller]
fn must_show_the_paths_of_the_moment(how: &str) {
    let program = compile("drivers/paths_change.c", "paths_change", &[]);
    // A rename is fastest there.
    let memory = Path::new("/dev/shm");
    let files = if memory.is_dir() { Scratch::below(memory) } else { Scratch::new() };
    let logs = Scratch::new();
    let log = logs.file("log");
    Run::preloaded(program)
        .args([how])
        .env("CFR_LOG_FILE", &log)
        .env("CFR_LOG_FORMAT", "json")
        .within(files.path())
        .ok();
    let unsure: BTreeSet<usize> = fs::read_to_string(files.file("unsure"))
        .unwrap_or_default()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    let log = fs::read_to_string(log).unwrap();
    let mut sure = 0;
    for (number, line) in log.lines().enumerate().filter(|(number, _)| !unsure.contains(number)) {
        let object = read_json(line);
        assert!(object.get("message").is_none(), "{line}");
        let len = object["len"].as_u64().unwrap();
        for path in ["path_in", "path_out"] {
            assert!(is_right(&object[path], len), "line {number}: {line}");
        }
        sure += 1;
    }
    assert!(sure >= 500, "{sure} lines");
}

#[test]
fn a_path_is_current_after_a_rename() {
    must_show_the_paths_of_the_moment("rename");
}

#[test]
fn a_path_is_current_after_a_rename_of_a_parent_directory() {
    must_show_the_paths_of_the_moment("rename above");
}

#[test]
fn a_path_is_current_after_an_unlink() {
    must_show_the_paths_of_the_moment("unlink");
}

#[test]
fn a_path_is_current_after_a_dup2_over_the_descriptors() {
    must_show_the_paths_of_the_moment("dup2");
}

#[test]
fn a_path_is_current_after_a_close_and_an_open() {
    must_show_the_paths_of_the_moment("close");
}

#[test]
fn a_path_is_current_after_a_chroot() {
    must_show_the_paths_of_the_moment("chroot");
}

#[test]
fn a_path_is_current_in_a_forked_child() {
    must_show_the_paths_of_the_moment("fork");
}

#[test]
fn a_path_is_current_in_a_vforked_child() {
    must_show_the_paths_of_the_moment("vfork");
}

#[test]
fn a_path_is_current_in_a_signal_handler_and_after_it() {
    must_show_the_paths_of_the_moment("signal");
}

#[test]
fn a_path_is_current_in_64_threads() {
    must_show_the_paths_of_the_moment("threads");
}

#[test]
fn a_path_is_current_1_ms_after_a_rename_by_another_thread() {
    must_show_the_paths_of_the_moment("another thread");
}

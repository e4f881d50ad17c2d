//! The supervisor holds no descriptor of a program longer than its call.

use super::trace;
use cfr_testkit::{Filesystems, Run, Scratch, compile, compile_text, skip};
use std::fs;
use std::path::{Path, PathBuf};

fn program() -> PathBuf {
    compile("drivers/copies_then_execs.c", "copies_then_execs", &["-static"])
}

#[track_caller]
fn nothing_is_held(place: &Path, way: &str, options: &[&str]) {
    // Small, so that the call returns soon.
    let copied = compile_text("int main(void) { return 0; }", "returns_0", &["-static"]);
    let (directory, logs) = (Scratch::below(place), Scratch::new());
    let log = logs.file("log");
    // FICLONE needs the same filesystem.
    let source = directory.file("source");
    Run::bare("install").args([&copied, &source]).ok();
    let output =
        trace(&log, options).args([&program(), &source]).args([way]).within(directory.path()).ok();
    let none = "0 of 200 executions failed, 0 of 500 locks were busy\n";
    assert_eq!(output.stdout, none, "{way} {options:?} {output:#?}");
    assert!(fs::read_to_string(log).unwrap().lines().count() >= 700, "{way}");
}

#[test]
fn a_copied_program_is_executed_at_once_and_a_lock_is_free_after_close() {
    for way in ["copy", "send"] {
        nothing_is_held(&std::env::temp_dir(), way, &[]);
    }
    for options in [&["--backend", "emulate"][..], &["--verify=yes"], &["--shared=yes"]] {
        nothing_is_held(&std::env::temp_dir(), "copy", options);
    }
}

#[test]
fn a_cloned_program_is_executed_at_once() {
    let test = "supervisor::descriptors::a_cloned_program_is_executed_at_once";
    let filesystems = Filesystems::mount(test);
    let Some(xfs) = filesystems.get("xfs") else { return skip(test, "no xfs") };
    nothing_is_held(xfs, "clone", &[]);
}

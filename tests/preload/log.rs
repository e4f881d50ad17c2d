//! The lines of the log as a user sees them.

use cfr_testkit::{Filesystems, Run, Scratch, skip};
use std::fs;

#[test]
fn cp_is_logged_with_its_paths_and_result() {
    let scratch = Scratch::new();
    let source = scratch.random("a", 100_000);
    let target = scratch.file("b");
    let output = Run::preloaded("cp").args([&source, &target]).ok();
    assert_eq!(fs::read(&source).unwrap(), fs::read(&target).unwrap());
    let calls = output.calls();
    // cp tries a reflink first.
    let calls: Vec<_> = calls.iter().filter(|call| !call.starts_with("ioctl(")).collect();
    // The length that cp asks for depends on its version.
    let before =
        format!("copy_file_range(3<{}>, NULL, 4<{}>, NULL, ", source.display(), target.display());
    assert!(calls[0].starts_with(&before), "{calls:?}");
    assert!(calls[0].ends_with(", 0) = 100000 (kernel)"), "{calls:?}");
}

/// When there is room again, the log continues.
#[test]
fn a_full_disk_costs_one_message_and_no_copy() {
    let filesystems = Filesystems::mount("preload::log::a_full_disk_costs_one_message_and_no_copy");
    let Some(disk) = filesystems.get("tmpfs") else {
        return skip("preload::log::a_full_disk_costs_one_message_and_no_copy", "no tmpfs to fill");
    };
    let remount = ["-o", "remount,size=64k"];
    Run::bare("mount").args(remount).args([disk]).ok();
    let (filler, log) = (disk.join("filler"), disk.join("log"));
    assert!(fs::write(&filler, vec![b'x'; 1 << 20]).is_err(), "the disk is not full");
    let scratch = Scratch::new();
    let source = scratch.random("a", 10_000);
    let target = scratch.file("b");
    let copy = || Run::preloaded("cp").args([&source, &target]).env("CFR_LOG_FILE", &log).ok();

    let output = copy();
    assert_eq!(fs::read(&source).unwrap(), fs::read(&target).unwrap());
    let said = format!(
        "cfr: cannot write the log to {}: No space left on device (ENOSPC); \
         its lines are dropped and counted\n",
        log.display()
    );
    assert_eq!(output.stderr, said);

    fs::remove_file(&filler).unwrap();
    assert_eq!(copy().stderr, "");
    assert!(fs::read_to_string(&log).unwrap().contains(" = 10000 (kernel)"));
}

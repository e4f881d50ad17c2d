//! Copies in the library under errors: full disks, disks that fail or are slow, files that change
//! meanwhile, no free descriptor. The programs check what must hold.

use cfr_testkit::{Filesystems, Run, Scratch, compile, find_program, library, skip};
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

/// Prepares the program with the library, which makes the copies itself, in this directory.
fn copying(program: &Path, within: &Path) -> Run {
    Run::bare(program)
        .within(within)
        .env("LD_PRELOAD", library())
        .env("CFR_BACKEND", "emulate")
        .env("CFR_LOG", "off")
}

/// Runs a program on each of these filesystems, in a new directory.
#[track_caller]
fn on_each(filesystems: &Filesystems, names: &[&str], source: &str, words: &[&str]) {
    let name = source.trim_end_matches(".c").rsplit('/').next().expect("a file name");
    let program = compile(source, name, &[]);
    for name in names {
        let Some(point) = filesystems.get(name) else { continue };
        let data = Scratch::below(point);
        let output = copying(&program, data.path()).args(words).output();
        assert_eq!(output.status, Some(0), "{source} {words:?} on {name}: {output:?}");
    }
}

#[test]
fn a_copy_to_a_nearly_full_disk_reports_the_bytes_that_fit() {
    let program = compile("drivers/full_disk.c", "full_disk", &[]);
    let filesystems = Filesystems::mount_also(
        "emulation::failing_disks::a_copy_to_a_nearly_full_disk_reports_the_bytes_that_fit",
        &["small-ext4", "small-tmpfs"],
    );
    for (name, rounds) in [("small-ext4", "200"), ("small-tmpfs", "400"), ("xfs", "100")] {
        let Some(point) = filesystems.get(name) else { continue };
        let sources = Scratch::new();
        let run = copying(&program, sources.path());
        let output = run.args([point.as_os_str(), rounds.as_ref(), "1".as_ref()]).output();
        assert_eq!(output.status, Some(0), "{name}: {output:?}");
    }
}

#[test]
fn a_copy_of_files_that_change_reports_the_bytes_copied() {
    let filesystems = Filesystems::mount(
        "emulation::failing_disks::a_copy_of_files_that_change_reports_the_bytes_copied",
    );
    let names = ["ext4", "xfs", "btrfs", "tmpfs"];
    on_each(&filesystems, &names, "drivers/changing_files.c", &["log", "cut", "1"]);
    on_each(&filesystems, &names, "drivers/changing_files.c", &["log", "append", "0.5"]);
    on_each(&filesystems, &names, "drivers/shared_position.c", &["log", "0.5"]);
    on_each(&filesystems, &["ext4", "btrfs", "tmpfs"], "drivers/few_descriptors.c", &["log"]);
}

/// As it ends a read(2) of the source.
#[test]
fn a_signal_ends_a_copy_from_a_source_that_waits() {
    const COPY: &str = "import os, signal\n\
        signal.signal(signal.SIGALRM, lambda *_: os.write(1, b'rung\\n') and os._exit(0))\n\
        a = os.open('/proc/kmsg', os.O_RDONLY)\n\
        b = os.memfd_create('b')\n\
        signal.alarm(1)\n\
        while True: os.copy_file_range(a, b, 1 << 20)\n";
    let test = "emulation::failing_disks::a_signal_ends_a_copy_from_a_source_that_waits";
    if find_program("python3").is_none() || File::open("/proc/kmsg").is_err() {
        return skip(test, "python3 is not installed, or /proc/kmsg cannot be read");
    }
    let run = Run::preloaded("timeout").args(["-s", "KILL", "60", "python3", "-c", COPY]);
    let output = run.env("CFR_BACKEND", "emulate").env("CFR_LOG", "off").output();
    assert_eq!((output.status, &*output.stdout), (Some(0), "rung\n"), "{output:?}");
}

/// The descriptors of the library's pipe are closed again and again.
#[test]
fn a_copy_survives_that_its_descriptors_are_closed() {
    let filesystems = Filesystems::mount(
        "emulation::failing_disks::a_copy_survives_that_its_descriptors_are_closed",
    );
    on_each(&filesystems, &["ext4", "tmpfs"], "drivers/closes_pipe.c", &["1"]);
}

/// Runs c-tests/drivers/failing_copies.c with `words` on a filesystem of this kind. `numbers` are
/// its size in bytes, the offsets from which reads and writes fail, and the milliseconds of each
/// request. Returns `None` if the filesystem cannot be mounted.
fn on_failing(kind: &str, numbers: [&str; 4], words: &[&str]) -> Option<()> {
    let server = compile("drivers/failing_filesystem.c", "failing_filesystem", &[]);
    let copier = compile("drivers/failing_copies.c", "failing_copies", &[]);
    let (point, data) = (Scratch::new(), memory());
    let output = copying(&server, data.path())
        .args([point.path().as_os_str(), kind.as_ref()])
        .args(numbers)
        .args([OsStr::new("--"), copier.as_os_str(), point.path().as_os_str()])
        .args(words)
        .output();
    if output.status == Some(77) {
        skip("emulation::failing_disks", output.stdout.trim());
        return None;
    }
    assert_eq!(output.status, Some(0), "{kind} {numbers:?} {words:?}: {output:?}");
    Some(())
}

/// Creates a directory in memory, so that the test does not write to the system's disk.
fn memory() -> Scratch {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Scratch::below(memory) } else { Scratch::new() }
}

const NEVER: &str = "99999999";
const SIZE: &str = "3145728";

#[test]
fn a_copy_on_a_failing_disk_reports_the_error_or_the_bytes_copied() {
    for [reads, writes] in [
        ["0", "0"],
        ["1", "1"],
        ["4096", "4096"],
        ["100000", "50000"],
        ["131072", "131073"],
        ["131073", "999999"],
        ["1048576", NEVER],
        [NEVER, "1048576"],
        ["2000000", "1700001"],
    ] {
        let numbers = [SIZE, reads, writes, "0"];
        if on_failing("direct", numbers, &["errors", reads, writes]).is_none() {
            return;
        }
        let numbers = [SIZE, NEVER, writes, "0"];
        on_failing("cached", numbers, &["errors", NEVER, writes]);
        if reads != NEVER {
            on_failing("cached", [SIZE, reads, NEVER, "0"], &["cached", reads]);
        }
    }
}

#[test]
fn a_signal_ends_a_copy_from_a_slow_disk() {
    // 128 KiB take 80 ms, the whole file takes 10 s.
    for kind in ["direct", "cached"] {
        on_failing(kind, ["16777216", NEVER, NEVER, "80"], &["slow", "10"]);
    }
}

//! Files with many holes: what a copy of one costs in system calls, and that a hole takes no space in
//! the target.

use cfr_testkit::{Filesystems, Run, Scratch, compile, find_program, library, skip};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

const PAGE: u64 = 4096;

/// Makes a file with this many pages of data, each before a page that is a hole.
fn scatter(path: &Path, extents: u64) {
    let file = File::create(path).expect("the filesystem can be written");
    for extent in 0..extents {
        file.write_all_at(&[7; PAGE as usize], extent * 2 * PAGE).expect("there is space");
    }
    file.set_len(extents * 2 * PAGE).expect("there is space");
    file.sync_all().expect("the filesystem can be written");
}

/// Copies the file by the library in a program of one call for all of it, and returns how often each
/// system call was made while it copied.
fn counts_of_a_copy(source: &Path, target: &Path) -> BTreeMap<String, u64> {
    let program = compile("drivers/syscall_copy.c", "syscall_copy", &[]);
    let preload = format!("LD_PRELOAD={}", library().display());
    let output = Run::bare("strace")
        .args(["-E", &preload, "-E", "CFR_LOG=off", "-E", "CFR_BACKEND=emulate"])
        .args([program.as_path(), source, target])
        .output();
    assert_eq!(output.status, Some(0), "{output:?}");
    let mut counts = BTreeMap::new();
    let copies = output.stderr.lines().skip_while(|line| !line.starts_with("copy_file_range("));
    for name in copies.filter_map(|line| line.split_once('(')).map(|(name, _)| name.to_owned()) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn a_small_extent_costs_a_read_and_a_write() {
    const TEST: &str = "emulation::holes::a_small_extent_costs_a_read_and_a_write";
    const EXTENTS: u64 = 320;
    if find_program("strace").is_none() {
        return skip(TEST, "strace is not installed");
    }
    let filesystems = Filesystems::mount(TEST);
    // A look at the map shows 32 extents. On xfs each hole of this source is an unwritten extent, and
    // in the target it is punched, so that the next write keeps no preallocated block.
    for (name, most_looks, most_of_target) in
        [("btrfs", 13, 4), ("ext4", 13, 4), ("xfs", 23, EXTENTS + 4)]
    {
        let Some(place) = filesystems.get(name).map(Scratch::below) else { continue };
        let (source, target) = (place.file("source"), place.file("target"));
        scatter(&source, EXTENTS);
        let counts = counts_of_a_copy(&source, &target);
        for (call, most) in [
            ("pread64", EXTENTS),
            ("pwrite64", EXTENTS + 1),
            ("ioctl", most_looks),
            ("fallocate", most_of_target),
            ("statx", most_of_target + 4),
            ("fstatfs", 1),
        ] {
            let count = counts.get(call).copied().unwrap_or(0);
            assert!(count <= most, "{name}, {call}: {counts:?}");
        }
        assert_eq!(fs::read(&source).unwrap(), fs::read(&target).unwrap(), "{name}");
        File::open(&target)
            .and_then(|file| file.sync_all())
            .expect("the filesystem can be written");
        let blocks = fs::metadata(&target).unwrap().blocks();
        assert!(blocks * 512 <= EXTENTS * PAGE + (64 << 10), "{name}: {blocks} blocks");
    }
}

/// Where the target is empty, nothing can be preallocated behind its end.
#[test]
fn a_hole_in_an_empty_target_takes_two_calls() {
    const TEST: &str = "emulation::holes::a_hole_in_an_empty_target_takes_two_calls";
    if find_program("strace").is_none() {
        return skip(TEST, "strace is not installed");
    }
    let filesystems = Filesystems::mount(TEST);
    for name in ["xfs", "btrfs", "ext4", "tmpfs"] {
        let Some(place) = filesystems.get(name).map(Scratch::below) else { continue };
        let (source, target) = (place.file("source"), place.file("target"));
        File::create(&source).and_then(|file| file.set_len(1 << 30)).expect("a sparse file");
        let counts = counts_of_a_copy(&source, &target);
        assert_eq!(counts.get("fallocate"), Some(&2), "{name}: {counts:?}");
        let copied = fs::metadata(&target).unwrap();
        assert_eq!((copied.len(), copied.blocks()), (1 << 30, 0), "{name}");
    }
}

/// What the program has allocated beyond the end of its file is free again where the copy has a
/// hole. ext4 punches nothing there.
#[test]
fn a_hole_frees_what_was_allocated_beyond_the_end() {
    const TEST: &str = "emulation::holes::a_hole_frees_what_was_allocated_beyond_the_end";
    const EXTENTS: u64 = 40;
    const COPY: &str = "import ctypes, os, sys\n\
        a, b = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)\n\
        size, head = os.fstat(a).st_size, int(sys.argv[3])\n\
        os.pwrite(b, b'x' * head, 0)\n\
        call = ctypes.CDLL(None, use_errno=True).fallocate64\n\
        assert call(b, 1, ctypes.c_int64(head), ctypes.c_int64(size)) == 0\n\
        before = os.fstat(b).st_blocks\n\
        done = 0\n\
        while done < size: done += os.copy_file_range(a, b, size - done, done, head + done)\n\
        os.fsync(b)\n\
        print(before, os.fstat(b).st_blocks)\n";
    if find_program("python3").is_none() {
        return skip(TEST, "python3 is not installed");
    }
    let filesystems = Filesystems::mount(TEST);
    for (name, head) in [("btrfs", 0), ("btrfs", 2 * PAGE), ("xfs", 0), ("tmpfs", 0)] {
        let Some(place) = filesystems.get(name).map(Scratch::below) else { continue };
        let (source, target) = (place.file("source"), place.file("target"));
        scatter(&source, EXTENTS);
        let run = Run::preloaded("python3").args(["-c", COPY]).args([&source, &target]);
        let run = run.args([head.to_string()]).env("CFR_BACKEND", "emulate").env("CFR_LOG", "off");
        let output = run.ok();
        let blocks: Vec<u64> =
            output.stdout.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert!(blocks[0] * 512 >= 2 * EXTENTS * PAGE, "{name}: {blocks:?}");
        assert!(blocks[1] * 512 <= EXTENTS * PAGE + head + PAGE, "{name}, {head}: {blocks:?}");
    }
}

/// Its pages are counted, because the number of allocated ones says nothing about holes.
#[test]
fn a_source_with_blocks_beyond_its_end_keeps_its_holes() {
    const TEST: &str = "emulation::holes::a_source_with_blocks_beyond_its_end_keeps_its_holes";
    const EXTENTS: u64 = 40;
    const ALLOCATE: &str = "import ctypes, os, sys\n\
        size = os.stat(sys.argv[1]).st_size\n\
        call = ctypes.CDLL(None, use_errno=True).fallocate64\n\
        file = os.open(sys.argv[1], os.O_RDWR)\n\
        assert call(file, 1, ctypes.c_int64(size), ctypes.c_int64(size)) == 0\n";
    if find_program("strace").is_none() || find_program("python3").is_none() {
        return skip(TEST, "strace or python3 is not installed");
    }
    let filesystems = Filesystems::mount(TEST);
    for name in ["tmpfs", "ext4", "xfs", "btrfs"] {
        let Some(place) = filesystems.get(name).map(Scratch::below) else { continue };
        let (source, target) = (place.file("source"), place.file("target"));
        scatter(&source, EXTENTS);
        Run::bare("python3").args(["-c", ALLOCATE]).args([&source]).ok();
        assert!(fs::metadata(&source).unwrap().blocks() * 512 >= 3 * EXTENTS * PAGE, "{name}");
        counts_of_a_copy(&source, &target);
        assert_eq!(fs::read(&source).unwrap(), fs::read(&target).unwrap(), "{name}");
        File::open(&target).and_then(|file| file.sync_all()).expect("there is space");
        let blocks = fs::metadata(&target).unwrap().blocks();
        assert!(blocks * 512 <= EXTENTS * PAGE + (64 << 10), "{name}: {blocks} blocks");
    }
}

/// To count the pages of 1 MiB takes a twentieth of the time of its copy: of a file without holes two
/// short ranges are looked at, for the size of the first piece.
#[test]
fn the_pages_of_a_source_without_holes_are_not_counted() {
    const TEST: &str = "emulation::holes::the_pages_of_a_source_without_holes_are_not_counted";
    if find_program("strace").is_none() {
        return skip(TEST, "strace is not installed");
    }
    let filesystems = Filesystems::mount(TEST);
    let Some(place) = filesystems.get("tmpfs").map(Scratch::below) else { return };
    let (source, target) = (place.file("source"), place.file("target"));
    fs::write(&source, vec![7; 1 << 20]).expect("there is space");
    let counts = counts_of_a_copy(&source, &target);
    // strace before 6.4 does not know the name.
    let count = |name| counts.get(name).copied().unwrap_or(0);
    let looks = count("cachestat") + count("syscall_0x1c3");
    assert!((1..=2).contains(&looks), "{counts:?}");
    assert_eq!(fs::read(&source).unwrap(), fs::read(&target).unwrap());
}

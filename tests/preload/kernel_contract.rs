//! The host gets the kernel's results: return value, errno, offsets, positions and bytes of calls
//! that the kernel accepts and refuses, through both hooks, on every filesystem.

use cfr_testkit::{Filesystems, Run, Scratch, compile, skip};
use std::path::Path;

/// Settings under which the host must not notice the library.
const MODES: [(&str, &[(&str, &str)]); 5] = [
    ("off", &[("CFR_LOG", "off")]),
    ("off, next", &[("CFR_LOG", "off"), ("CFR_FORWARD", "next")]),
    ("text", &[]),
    ("json", &[("CFR_LOG_FORMAT", "json"), ("CFR_LOG", "trace")]),
    ("next", &[("CFR_FORWARD", "next")]),
];

#[track_caller]
fn same_as_bare(place: &Path, what: &str) {
    let program = compile("drivers/kernel_contract.c", "kernel_contract", &[]);
    let directory = Scratch::below(place);
    let bare = Run::bare(&program).args([directory.path()]).ok();
    let calls = bare.stdout.lines().count();
    assert_eq!(calls, 2 * 37, "{what}");
    for (mode, settings) in MODES {
        let directory = Scratch::below(place);
        let log = directory.file("log");
        let mut run = Run::preloaded(&program).args([directory.path()]).env("CFR_LOG_FILE", &log);
        for (name, value) in settings {
            run = run.env(name, value);
        }
        let watched = run.ok();
        for (bare, watched) in bare.stdout.lines().zip(watched.stdout.lines()) {
            assert_eq!(watched, bare, "{what}, {mode}");
        }
        assert_eq!(watched.stdout.lines().count(), calls, "{what}, {mode}");
        assert_eq!(watched.stderr, "", "{what}, {mode}");
        let logged = std::fs::read_to_string(&log).unwrap_or_default();
        // Without the messages about rules, whose sources name the call too.
        let logged = logged.lines().filter(|line| line.contains("copy_file_range"));
        let logged = logged.filter(|line| !line.ends_with(" ---"));
        let expected = if mode.starts_with("off") { 0 } else { calls };
        let logged = logged.filter(|line| !line.contains("\"message\":")).count();
        assert_eq!(logged, expected, "{what}, {mode}");
    }
}

#[test]
fn the_host_gets_the_kernels_results_in_the_temporary_directory() {
    same_as_bare(&std::env::temp_dir(), "the directory for temporary files");
}

#[test]
fn the_host_gets_the_kernels_results_on_every_filesystem() {
    let filesystems = Filesystems::mount(
        "preload::kernel_contract::the_host_gets_the_kernels_results_on_every_filesystem",
    );
    for (name, place) in filesystems.iter() {
        same_as_bare(place, name);
    }
}

/// And the log has it.
#[test]
fn the_host_gets_the_kernels_result_across_filesystems() {
    let filesystems = Filesystems::mount(
        "preload::kernel_contract::the_host_gets_the_kernels_result_across_filesystems",
    );
    let (Some(from), Some(to)) = (filesystems.get("ext4"), filesystems.get("tmpfs")) else {
        return skip(
            "preload::kernel_contract::the_host_gets_the_kernels_result_across_filesystems",
            "no ext4 and tmpfs",
        );
    };
    let source = Scratch::below(from);
    let source = source.random("a", 10_000);
    let program = compile("drivers/syscall_copy.c", "syscall_copy", &[]);
    let bare = Run::bare(&program).args([&source, &to.join("b")]).output();
    let watched = Run::preloaded(&program).args([&source, &to.join("b")]).output();
    assert_eq!((bare.status, bare.signal), (watched.status, watched.signal));
    let call = watched.calls().pop().unwrap();
    let expected = if bare.status == Some(0) { " = 10000 (kernel)" } else { " = -1 EXDEV " };
    assert!(call.contains(expected), "{call}");
}

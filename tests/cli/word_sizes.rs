//! 32-bit programs in the tree of a traced program, and the path by which LD_PRELOAD names the
//! library for them.

use cfr_testkit::{Run, Scratch, find_program, is_root, launcher, library, project, skip};
use std::fs;
use std::path::{Path, PathBuf};

/// The dynamic linker of 32-bit programs.
const LINKER: &str = "/lib/ld-linux.so.2";

/// Builds c-tests/drivers/word_size.c as a 32-bit program. `None`, after a report, if this machine
/// cannot build or run one.
fn small_program(test: &str, scratch: &Scratch) -> Option<PathBuf> {
    let program = scratch.file("small");
    let c_library = fs::canonicalize(LINKER).ok().map(|path| path.with_file_name("libc.so.6"));
    let Some(c_library) = c_library.filter(|_| cfg!(target_arch = "x86_64")) else {
        skip(test, "no C library for 32-bit programs is installed");
        return None;
    };
    let linker = format!("-Wl,-dynamic-linker,{LINKER}");
    Run::bare("cc")
        .args(["-m32", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-pie", "-no-pie"])
        .args(["-nostdlib", "-nostartfiles", "-o"])
        .args([&program, &project().join("c-tests/drivers/word_size.c"), &c_library])
        .args([linker])
        .ok();
    let output = Run::bare(&program).output();
    if output.status != Some(3) {
        skip(test, &format!("32-bit programs do not run here: {output:?}"));
        return None;
    }
    Some(program)
}

fn run(words: &[&str]) -> Run {
    Run::bare(launcher()).args(["run"]).args(words)
}

/// Returns the directory of the links to the library.
fn links() -> PathBuf {
    library().canonicalize().unwrap().with_file_name("libcfr").join("before-libasan.so")
}

/// Returns the path by which LD_PRELOAD names the library.
fn entry() -> String {
    run(&["sh", "-c", "echo $LD_PRELOAD"]).ok().stdout.trim_end().to_owned()
}

/// The dynamic linker prints nothing about a library of another word size.
#[test]
fn a_32_bit_child_is_as_bare() {
    let scratch = Scratch::new();
    let test = "cli::word_sizes::a_32_bit_child_is_as_bare";
    let Some(small) = small_program(test, &scratch) else { return };
    let small = small.to_str().unwrap();
    for words in [
        &["sh", "-c", "\"$0\"; exit $?", small][..],
        &["env", small],
        &["sh", "-c", "\"$0\" \"$0\" sh -c '\"$0\"; exit $?' \"$0\"; exit $?", small],
        &["sh", "-c", "env \"$0\" env \"$0\"", small],
    ] {
        let (program, args) = words.split_first().unwrap();
        let bare = Run::bare(program).args(args).output();
        assert!(bare.stdout.contains("4 bytes") && bare.status == Some(3), "{bare:#?}");
        assert_eq!(run(words).output(), bare, "{words:?}");
    }
}

/// Only the launcher itself says something, because it can know.
#[test]
fn a_32_bit_program_is_reported_as_not_seen() {
    let scratch = Scratch::new();
    let test = "cli::word_sizes::a_32_bit_program_is_reported_as_not_seen";
    let Some(small) = small_program(test, &scratch) else { return };
    let output = run(&["--reach=preload", small.to_str().unwrap()]).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(3), "4 bytes\n"));
    let reported = format!(
        "cfr: {} is a program for 32-bit x86: libcfr.so cannot be loaded into it, and there is no \
         supervisor (turned off by --reach preload); its copies will not be seen\n4 bytes\n",
        small.display()
    );
    assert_eq!(output.stderr, reported);
    let words = ["--reach=preload", "--expect", "calls=0", small.to_str().unwrap()];
    let output = run(&words).output();
    assert_eq!(output.status, Some(123), "{output:#?}");
}

#[test]
fn a_64_bit_child_of_a_32_bit_program_is_traced() {
    let scratch = Scratch::new();
    let test = "cli::word_sizes::a_64_bit_child_of_a_32_bit_program_is_traced";
    let Some(small) = small_program(test, &scratch) else { return };
    let (from, to) = (scratch.random("from", 5000), scratch.file("to"));
    for before in [&[][..], &["sh", "-c", "\"$@\"; exit $?", "sh"]] {
        let output = Run::bare(launcher())
            .args(["trace"])
            .args(before)
            .args([small.as_path(), small.as_path(), "cp".as_ref(), &from, &to])
            .ok();
        assert!(output.calls().iter().any(|call| call.contains(" = 5000 ")), "{output:#?}");
    }
}

#[test]
fn a_trace_without_copies_says_that_32_bit_programs_are_not_watched() {
    let output = Run::bare(launcher()).args(["trace", "--reach=preload", "true"]).ok();
    let why = "nor, without a supervisor (turned off by --reach preload), are system calls by \
               instruction and programs without libcfr.so or the shared counters (static, Go, 32-bit, ";
    assert!(output.stderr.contains(why), "{output:#?}");
}

/// Each value that `$PLATFORM` has in a program leads to a library for that program.
#[test]
fn every_platform_has_a_library() {
    let links = links();
    let (native, small): (&[&str], &[&str]) = if cfg!(target_arch = "x86_64") {
        (&["x86_64", "haswell", "xeon_phi", "$PLATFORM"], &["i386", "i486", "i586", "i686"])
    } else {
        (&["aarch64", "$PLATFORM"], &["v7l", "v8l"])
    };
    for name in native {
        let library = links.join(name).join("libcfr.so").canonicalize().unwrap();
        assert_eq!(library, cfr_testkit::library().canonicalize().unwrap(), "{name}");
    }
    for name in small {
        let stub = fs::read(links.join(name).join("libcfr.so")).unwrap();
        // ELF, 32-bit.
        assert_eq!(stub.get(..5), Some(&b"\x7fELF\x01"[..]), "{name}");
        assert!(stub.len() < 300, "{name}");
    }
    let names = fs::read_dir(links).unwrap().count();
    assert_eq!(names, native.len() + small.len());
}

/// The system calls of a program while it is loaded.
fn calls_at_load(entry: &str) -> Vec<String> {
    let log = Scratch::new();
    let file = log.file("strace");
    Run::bare("strace")
        .args(["-o", file.to_str().unwrap()])
        .args(["-E", &format!("LD_PRELOAD={entry}"), "-E", "CFR_LOG=off", "true"])
        .ok();
    let calls = fs::read_to_string(file).unwrap();
    calls.lines().filter_map(|line| line.split('(').next()).map(str::to_owned).collect()
}

/// To replace `$PLATFORM`, the dynamic linker of each program calls readlink. Without 32-bit
/// programs nothing is added to what the load of a library costs.
#[test]
fn the_path_costs_a_system_call_only_if_32_bit_programs_can_run() {
    let test = "cli::word_sizes::the_path_costs_a_system_call_only_if_32_bit_programs_can_run";
    let entry = entry();
    let is_expanded = entry.contains("/$PLATFORM/");
    if cfg!(target_arch = "x86_64") {
        assert_eq!(is_expanded, Path::new(LINKER).exists());
    }
    if find_program("strace").is_none() {
        return skip(test, "strace is not installed");
    }
    let mut calls = calls_at_load(&entry);
    if is_expanded {
        let added = calls.iter().position(|call| call == "readlink").unwrap();
        calls.remove(added);
    }
    assert_eq!(calls, calls_at_load(library().to_str().unwrap()));
}

#[test]
fn a_machine_without_32_bit_programs_has_a_plain_path() {
    let test = "cli::word_sizes::a_machine_without_32_bit_programs_has_a_plain_path";
    let hidden = fs::canonicalize(LINKER).ok();
    let Some(hidden) = hidden.filter(|_| is_root() && find_program("unshare").is_some()) else {
        return skip(test, "needs root, unshare(1) and a C library for 32-bit programs");
    };
    let script = "mount -t tmpfs none \"$1\" && exec \"$0\" run sh -c 'echo $LD_PRELOAD'";
    let output = Run::bare("unshare")
        .args(["-m", "sh", "-c", script])
        .args([&launcher(), hidden.parent().unwrap()])
        .output();
    if output.status != Some(0) {
        return skip(test, &format!("mount namespaces are not allowed: {output:?}"));
    }
    let links = links();
    let plain = links.join(std::env::consts::ARCH).join("libcfr.so");
    assert_eq!(Path::new(output.stdout.trim_end()), plain);
    assert_eq!(Path::new(&entry()), links.join("$PLATFORM/libcfr.so"));
}

/// As a user writes it without the launcher.
#[test]
fn the_path_can_be_preloaded_by_hand() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.random("from", 5000), scratch.file("to"));
    let entry = links().join("$PLATFORM/libcfr.so");
    let output = Run::bare("cp").args([&from, &to]).env("LD_PRELOAD", &entry).ok();
    assert!(output.calls().iter().any(|call| call.contains(" = 5000 ")), "{output:#?}");
    let test = "cli::word_sizes::the_path_can_be_preloaded_by_hand";
    let Some(small) = small_program(test, &scratch) else { return };
    let output = Run::bare(small).env("LD_PRELOAD", entry).output();
    assert_eq!(output.stderr, "4 bytes\n");
}

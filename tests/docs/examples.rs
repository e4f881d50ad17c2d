//! Programs that make calls as the examples of the manual pages do, and one with its own wrapper.
//!
//! The programs are the project's own: `c-tests/drivers/{proposal,linux,freebsd}_loop.c`.

use cfr_testkit::{Filesystems, Output, Run, Scratch, compile, compiler, library, project};
use std::fs;
use std::path::Path;

const SIZE: usize = 300_001;

/// Returns the flags and the method of a line of the text log.
fn notes(call: &str) -> (&str, &str) {
    let flags = call.split(')').next().unwrap().rsplit(", ").next().unwrap();
    let method = call.rsplit('(').next().unwrap().trim_end_matches(')');
    (flags, method)
}

/// Returns the result of a line of the text log.
fn result(call: &str) -> usize {
    call.split(" = ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// Compiles `c-tests/drivers/LOOP.c` against include/ and copies a file with it, under `dialect`.
fn run_loop(name: &str, dialect: &str, words: &[&str]) -> Output {
    let include = format!("-I{}", project().join("include").display());
    let words: Vec<_> = words.iter().copied().chain([include.as_str()]).collect();
    let program = compile(&format!("drivers/{name}.c"), &format!("{name}-{}", words.len()), &words);
    let scratch = Scratch::new();
    let source = scratch.random("source", SIZE);
    let target = scratch.file("target");
    let output =
        Run::preloaded(&program).args([&source, &target]).env("CFR_DIALECT", dialect).output();
    if output.status == Some(0) {
        assert_eq!(fs::read(source).unwrap(), fs::read(target).unwrap(), "{name} {dialect}");
        let copied: usize = output.calls().iter().map(|call| result(call)).sum();
        assert_eq!(copied, SIZE, "{name} {dialect}: {output:?}");
    }
    output
}

/// The 2015 page's loop passes COPY_FR_COPY, which no kernel implements. v3 and v4 of the page have
/// the same loop.
#[test]
fn the_loop_of_the_2015_proposal_copies() {
    for dialect in ["extended", "proposal-2015"] {
        let output = run_loop("proposal_loop", dialect, &[]);
        assert_eq!(output.status, Some(0), "{dialect}: {output:?}");
        let calls = output.calls();
        assert!(calls.iter().all(|call| call.starts_with("syscall(SYS_copy_file_range, ")));
        assert!(calls.iter().all(|call| notes(call).0 == "COPY_FR_COPY"), "{calls:?}");
    }
    // In a dialect without the flag it is an error, as in every kernel.
    let refused = run_loop("proposal_loop", "linux-5.19", &[]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("copy_file_range: Invalid argument"), "{refused:?}");
}

#[test]
fn the_loops_of_the_linux_pages_copy() {
    for (words, call_start) in
        [(&["-DOWN_WRAPPER"][..], "syscall(SYS_copy_file_range, "), (&[], "copy_file_range(")]
    {
        for dialect in ["linux-4.15", "linux-5.19", "extended"] {
            let output = run_loop("linux_loop", dialect, words);
            assert_eq!(output.status, Some(0), "{dialect}: {output:?}");
            let calls = output.calls();
            assert!(!calls.is_empty(), "{output:?}");
            assert!(calls.iter().all(|call| call.starts_with(call_start)), "{calls:?}");
            assert!(calls.iter().all(|call| notes(call) == ("0", "kernel")), "{calls:?}");
        }
    }
}

/// Each call asks for SSIZE_MAX, and the result 0 ends the loop.
#[test]
fn the_loop_of_the_freebsd_page_copies() {
    for dialect in ["freebsd-14", "freebsd-15", "extended"] {
        let output = run_loop("freebsd_loop", dialect, &[]);
        assert_eq!(output.status, Some(0), "{dialect}: {output:?}");
        let calls = output.calls();
        assert!(calls.len() >= 2 && result(calls.last().unwrap()) == 0, "{dialect}: {calls:?}");
        let asked = format!(", {}, 0) = ", isize::MAX);
        assert!(calls.iter().all(|call| call.contains(&asked)), "{dialect}: {calls:?}");
    }
}

/// On every filesystem: supported flags work, others are refused.
#[test]
fn a_program_with_its_own_wrapper_gets_every_flag() {
    let include = format!("-I{}", project().join("include").display());
    let program = compile("drivers/own_wrapper.c", "own_wrapper", &[&include]);
    let filesystems =
        Filesystems::mount("docs::examples::a_program_with_its_own_wrapper_gets_every_flag");
    for (name, place) in filesystems.iter() {
        let shares = matches!(name, "xfs" | "btrfs");
        for flag in ["copy", "reflink", "dedupe", "0"] {
            let scratch = Scratch::below(place);
            let source = scratch.random("source", 1 << 20);
            let target = scratch.file("target");
            let content = fs::read(&source).unwrap();
            if flag == "dedupe" {
                fs::write(&target, &content).unwrap();
            }
            let bare = Run::bare(&program).args([flag.as_ref(), source.as_path(), &target]);
            let takes_flags = bare.output().status == Some(0);
            assert_eq!(takes_flags, flag == "0", "{name} {flag}: no kernel takes flags");
            let _ = flag == "dedupe" || fs::remove_file(&target).is_ok();
            let output =
                Run::preloaded(&program).args([flag.as_ref(), source.as_path(), &target]).output();
            let had = shares || matches!(flag, "copy" | "0");
            assert_eq!(output.status, Some(i32::from(!had)), "{name} {flag}: {output:?}");
            let expected = match (flag, had) {
                ("copy", _) if matches!(name, "ext4" | "tmpfs") => "kernel",
                ("copy", _) => "emulated",
                ("reflink", true) => "reflink",
                ("dedupe", true) => "dedupe",
                ("reflink", false) => "kernel, rule cannot-reflink",
                ("dedupe", false) => "kernel, rule cannot-dedupe",
                _ => "kernel",
            };
            let calls = output.calls();
            assert!(!calls.is_empty(), "{output:?}");
            assert!(calls.iter().all(|call| notes(call).1 == expected), "{name}: {calls:?}");
            if had {
                assert!(fs::read(&target).unwrap() == content, "{name} {flag}");
            } else {
                assert_refused(&target, flag, &content);
            }
        }
    }
}

fn assert_refused(target: &Path, flag: &str, content: &[u8]) {
    let left = fs::read(target).unwrap();
    let expected = if flag == "dedupe" { content } else { &[] };
    assert!(left == expected, "{flag}: something was written");
}

/// A Rust program that links the crates gets the records with a subscriber of its own.
#[test]
fn the_records_reach_the_subscriber_of_a_rust_program() {
    let scratch = Scratch::new();
    let source = scratch.random("source", SIZE);
    let target = scratch.file("target");
    let manifest = project().join("examples/subscriber/Cargo.toml");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("subscriber");
    let output = Run::bare(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .args([&manifest])
        .args(["--target-dir"])
        .args([&built])
        .args(["--"])
        .args([&source, &target])
        .output();
    assert_eq!(output.status, Some(0), "{output:?}");
    assert_eq!(fs::read(source).unwrap(), fs::read(target).unwrap());
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{output:?}");
    assert!(lines[0].starts_with(" INFO cfr::call: "), "{output:?}");
    assert!(lines[0].contains(&format!(", 0) = {SIZE} (kernel) <")), "{output:?}");
}

/// Returns the C programs of a page, by the line that follows `#include`s: each is compiled as the page
/// says, and run in a directory that has a file `a` of 1 MiB.
fn programs_of(page: &str) -> Vec<String> {
    let text = fs::read_to_string(project().join(page)).unwrap();
    let mut blocks = text.split("```c\n").skip(1);
    let programs: Vec<_> =
        blocks.by_ref().map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    programs.into_iter().filter(|program| program.contains("int main(")).collect()
}

#[test]
fn the_programs_of_the_c_guide_run_as_it_says() {
    let test = "docs::examples::the_programs_of_the_c_guide_run_as_it_says";
    let place = library();
    let place = place.parent().expect("target/release");
    for (name, point) in Filesystems::mount(test).iter() {
        let shares = matches!(name, "xfs" | "btrfs");
        if !shares && name != "ext4" {
            continue;
        }
        let scratch = Scratch::below(point);
        let content = fs::read(scratch.random("a", 1 << 20)).unwrap();
        std::os::unix::fs::symlink(library(), scratch.file("libcfr.so.0")).unwrap();
        let programs = programs_of("docs/guide/c.md");
        let mut seen = Vec::new();
        for program in &programs {
            let (words, kind): (&[&str], _) = match program {
                it if it.contains("cfr_configure") => (&[], "configured"),
                it if it.contains("cfr_copy") => (&[], "told"),
                it if it.contains("COPY_FR_DEDUP") => (&[], "dedupe"),
                it if it.contains("COPY_FR_REFLINK") => (&[], "reflink"),
                _ => (&["a", "b"], "copy"),
            };
            seen.push(kind);
            let source = scratch.write(&format!("{kind}.c"), program.as_bytes());
            Run::bare(compiler("cc"))
                .args(["-std=gnu17", "-Wall", "-Wextra", "-Wno-sign-compare"])
                .args([&format!("-I{}", project().join("include").display())])
                .args([&source])
                .args([&format!("-L{}", place.display()), "-lcfr", "-o"])
                .args([scratch.file(kind)])
                .ok();
            if kind == "dedupe" {
                fs::write(scratch.file("b"), &content).unwrap();
            } else {
                let _ = fs::remove_file(scratch.file("b"));
            }
            let output = Run::bare(scratch.file(kind))
                .args(words)
                .env("LD_LIBRARY_PATH", scratch.path())
                .within(scratch.path())
                .output();
            let expected = match (kind, shares) {
                ("configured" | "told", true) => "1048576 bytes: reflink\n",
                ("configured" | "told", false) => "1048576 bytes: kernel\n",
                ("dedupe", true) => "1048576 bytes are shared now\n",
                ("reflink", true) => "1048576 bytes share their blocks\n",
                _ => "",
            };
            assert_eq!(output.stdout, expected, "{name} {kind}: {output:#?}");
            let refused = !shares && matches!(kind, "dedupe" | "reflink");
            assert_eq!(output.stderr.contains("Operation not supported"), refused, "{output:#?}");
            if !refused {
                assert!(fs::read(scratch.file("b")).unwrap() == content, "{name} {kind}");
            }
        }
        assert_eq!(seen, ["reflink", "told", "configured", "copy", "dedupe"]);
    }
}

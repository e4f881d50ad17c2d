//! The example programs of the manual pages, as they are printed there, and one of our own that
//! calls in the same way.

use cfr_testkit::{Filesystems, Output, Run, Scratch, compile, compile_text, project, skip};
use std::fs;
use std::path::Path;

/// The flag and method of a line of the text log.
fn notes(call: &str) -> (&str, &str) {
    let flags = call.split(')').next().unwrap().rsplit(", ").next().unwrap();
    let method = call.rsplit('(').next().unwrap().trim_end_matches(')');
    (flags, method)
}

/// A program's text in a page of ../shared/seeds, or why it cannot be had: the pages' words do not
/// stand in this project.
fn printed(page: &str, extract: impl Fn(&str) -> String) -> Result<String, String> {
    let seeds = project().join("../shared/seeds");
    let entries = fs::read_dir(&seeds).map_err(|_| "../shared/seeds is not there".to_owned())?;
    let path = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(page)));
    let text = fs::read_to_string(path.ok_or(format!("there is no {page}"))?).unwrap();
    let program = extract(&text);
    assert!(
        program.contains("#define _GNU_SOURCE") && program.contains("main(int argc"),
        "{program}"
    );
    assert!(program.trim_end().ends_with('}'), "{program}");
    Ok(program)
}

/// What stands behind `.SH EXAMPLE` in a patch that adds a page in roff.
fn from_patch(text: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != "+.SH EXAMPLE").skip(2);
    let lines = lines.take_while(|line| *line != "+.fi").map(|line| &line[1..]);
    lines.collect::<Vec<_>>().join("\n").replace("\\-", "-").replace("\\\\", "\\") + "\n"
}

/// What stands under EXAMPLE in a formatted page.
fn from_formatted(text: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != "EXAMPLE").skip(1);
    let lines = lines.take_while(|line| *line != "SEE ALSO");
    let lines = lines.map(|line| line.strip_prefix("       ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Compiles a page's example against include/ and has it copy a file, under `dialect`.
fn run_example(name: &str, program: &str, dialect: &str, words: &[&str]) -> Output {
    let include = format!("-I{}", project().join("include").display());
    let words: Vec<_> = words.iter().copied().chain([include.as_str()]).collect();
    let program = compile_text(program, name, &words);
    let scratch = Scratch::new();
    let source = scratch.random("source", 300_001);
    let target = scratch.file("target");
    let output =
        Run::preloaded(&program).args([&source, &target]).env("CFR_DIALECT", dialect).output();
    if output.status == Some(0) {
        assert_eq!(fs::read(source).unwrap(), fs::read(target).unwrap(), "{name}");
    }
    output
}

/// The 2015 program asks for COPY_FR_COPY, which no kernel ever took.
fn page_with_flags(test: &str, page: &str) {
    let program = match printed(page, from_patch) {
        Ok(program) => program,
        Err(reason) => return skip(test, &reason),
    };
    let name = test.replace("::", "-");
    for dialect in ["extended", "proposal-2015"] {
        let output = run_example(&name, &program, dialect, &[]);
        assert_eq!(output.status, Some(0), "{dialect}: {output:?}");
        let calls = output.calls();
        assert!(calls.iter().all(|call| call.starts_with("syscall(SYS_copy_file_range, ")));
        let moved: usize = calls
            .iter()
            .map(|call| call.split(" = ").nth(1).unwrap().split(' ').next().unwrap())
            .map(|bytes| bytes.parse::<usize>().unwrap())
            .sum();
        assert_eq!(moved, 300_001, "{calls:?}");
        assert!(calls.iter().all(|call| notes(call).0 == "COPY_FR_COPY"), "{calls:?}");
    }
    // Elsewhere its flag is what it always was.
    let refused = run_example(&name, &program, "linux-5.19", &[]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("copy_file_range: Invalid argument"), "{refused:?}");
}

#[test]
fn the_page_of_2015() {
    page_with_flags("docs::examples::the_page_of_2015", "000_");
}

#[test]
fn the_page_of_the_review() {
    page_with_flags("docs::examples::the_page_of_the_review", "001_");
}

#[test]
fn the_page_of_2018() {
    let program = match printed("003_", from_formatted) {
        Ok(program) => program,
        Err(reason) => return skip("docs::examples::the_page_of_2018", &reason),
    };
    // Since 2.27 the C library declares what the program defines; the header read before
    // _GNU_SOURCE is defined does not.
    let words = ["-include", "unistd.h"];
    for dialect in ["linux-4.15", "extended"] {
        let output = run_example("examples-the_page_of_2018", &program, dialect, &words);
        assert_eq!(output.status, Some(0), "{dialect}: {output:?}");
        let calls = output.calls();
        assert!(!calls.is_empty() && calls.iter().all(|call| notes(call) == ("0", "kernel")));
    }
}

/// On every filesystem, with every flag: what can be had is had, and what cannot is refused.
#[test]
fn a_program_with_a_wrapper_of_its_own() {
    let include = format!("-I{}", project().join("include").display());
    let program = compile("drivers/own_wrapper.c", "own_wrapper", &[&include]);
    let filesystems = Filesystems::mount("docs::examples::a_program_with_a_wrapper_of_its_own");
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

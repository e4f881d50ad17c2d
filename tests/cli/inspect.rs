//! `cfr inspect`: what a program's files show of its copies, checked with programs made for it.

use cfr_testkit::{
    Output, Run, Scratch, compile, compile_go, compile_rust, compile_text, find_program, launcher,
    read_json, skip,
};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn inspect<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Run {
    Run::bare(launcher()).args(["inspect"]).args(words)
}

fn parsed(output: &Output) -> Value {
    read_json(&output.stdout)
}

#[track_caller]
fn report(program: impl AsRef<OsStr>) -> Value {
    let words = ["--format".as_ref(), "json".as_ref(), program.as_ref()];
    parsed(&inspect(words).ok())
}

#[track_caller]
fn text(program: impl AsRef<OsStr>) -> String {
    inspect([program]).ok().stdout
}

/// Returns how the file at `place` in the report uses `hook`, or null.
fn how(report: &Value, place: usize, hook: &str) -> Value {
    let hooks = report["files"][place]["hooks"].as_array().expect("hooks");
    hooks.iter().find(|row| row["hook"] == hook).map_or(Value::Null, |row| row["how"].clone())
}

fn marks(report: &Value, hook: &str) -> Value {
    let hooks = report["files"][0]["hooks"].as_array().expect("hooks");
    hooks.iter().find(|row| row["hook"] == hook).map_or(Value::Null, |row| row["asks_for"].clone())
}

/// Returns the copies that the program itself makes by instruction, with their requests.
fn by_instruction(report: &Value) -> Vec<String> {
    let calls = report["files"][0]["by_instruction"]["calls"].as_array().expect("calls");
    let name = |call: &Value| {
        assert_eq!(call["seen_by"], "supervisor");
        let requests = call["asks_for"].as_array().expect("requests").iter();
        let requests: Vec<_> = requests.map(|name| name.as_str().expect("a string")).collect();
        let name = call["call"].as_str().expect("a string");
        if requests.is_empty() { name.into() } else { format!("{name} ({})", requests.join(", ")) }
    };
    calls.iter().map(name).collect()
}

/// Writes an executable file. It is never executed, so this process may write it.
fn executable(scratch: &Scratch, name: &str, content: &[u8]) -> PathBuf {
    let path = scratch.write(name, content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

// Ways to a hook.

const COPY: &str = "
    #define _GNU_SOURCE
    #include <unistd.h>
    int main(void) { return copy_file_range(-1, 0, -1, 0, 1, 0) == 0; }";

fn strong() -> PathBuf {
    compile_text(COPY, "inspect_strong", &[])
}

#[test]
fn strong_and_weak_imports_are_told_apart() {
    let json = report(strong());
    assert_eq!(
        (how(&json, 0, "copy_file_range"), how(&json, 0, "syscall")),
        ("strong".into(), Value::Null)
    );
    assert_eq!((&json["verdict"], &json["preload"]), (&json!("preload sees"), &json!("sees")));
    let text = text(strong());
    let line = format!("the preload sees the copies of {}: copy_file_range", strong().display());
    assert_eq!(first_line(&text), line);
    assert!(text.contains("\n  copy_file_range  imported  the program  preload\n"), "{text}");
    assert!(text.contains("\n  syscall          -\n"), "{text}");

    let weak = compile_text(
        "#include <unistd.h>
        __attribute__((weak)) long copy_file_range(int, long *, int, long *, unsigned long, unsigned);
        int main(void) { return copy_file_range ? copy_file_range(-1, 0, -1, 0, 1, 0) == 0 : 2; }",
        "inspect_weak",
        &[],
    );
    let json = report(&weak);
    assert_eq!(how(&json, 0, "copy_file_range"), "weak", "{json:#}");
    assert_eq!(json["verdict"], "preload sees");
}

/// Rust's standard library imports copy_file_range weakly and passes its number to syscall.
#[test]
fn a_rust_program_imports_the_call_weakly() {
    let json = report(compile_rust("fs_copy"));
    assert_eq!(how(&json, 0, "copy_file_range"), "weak", "{json:#}");
    assert_eq!(json["verdict"], "preload sees");
}

#[test]
fn a_name_that_may_be_passed_to_dlsym_is_a_maybe() {
    let program = |more: &str, name: &str| {
        let text = format!(
            "#define _GNU_SOURCE
            #include <dlfcn.h>
            #include <stdio.h>
            int main(void) {{ puts(\"no copy_file_range here\"); return {more}; }}"
        );
        compile_text(&text, name, &[])
    };
    let json = report(program("!dlsym(RTLD_DEFAULT, \"copy_file_range\")", "inspect_dlsym"));
    assert_eq!(how(&json, 0, "copy_file_range"), "name", "{json:#}");
    assert_eq!(json["verdict"], "may copy");
    assert_eq!(json["files"][0]["hooks"][0]["seen_by"], "either");
    let line = json["text"].as_str().unwrap();
    assert!(
        line.ends_with(" may copy: functions that it finds by name (copy_file_range)"),
        "{line}"
    );
    // Words of a message are not a name, nor is a name in a program that looks up nothing.
    let json = report(program("!dlsym(RTLD_DEFAULT, \"getpid\")", "inspect_dlsym_other"));
    assert_eq!(
        (how(&json, 0, "copy_file_range"), &json["verdict"]),
        (Value::Null, &json!("no copy"))
    );
    let json = report(program("!puts(\"copy_file_range\")", "inspect_puts"));
    assert_eq!(how(&json, 0, "copy_file_range"), Value::Null, "{json:#}");
}

#[test]
fn hooks_with_many_uses_count_only_if_a_copy_uses_them() {
    let program = |call: &str, name: &str| {
        let text = format!(
            "#include <unistd.h>
            #include <sys/ioctl.h>
            #include <sys/syscall.h>
            #include <linux/fs.h>
            int main(void) {{ return {call} == 0; }}"
        );
        compile_text(&text, name, &["-D_GNU_SOURCE"])
    };
    for (call, name, hook, mark) in [
        ("ioctl(1, FICLONE, 0)", "inspect_ficlone", "ioctl", "FICLONE"),
        ("ioctl(1, FICLONERANGE, 0)", "inspect_ficlonerange", "ioctl", "FICLONERANGE"),
        ("ioctl(1, FIDEDUPERANGE, 0)", "inspect_fideduperange", "ioctl", "FIDEDUPERANGE"),
        (
            "syscall(SYS_copy_file_range, 0, 0, 1, 0, 1, 0)",
            "inspect_syscall",
            "syscall",
            "SYS_copy_file_range",
        ),
    ] {
        let json = report(program(call, name));
        assert_eq!((how(&json, 0, hook), marks(&json, hook)), ("strong".into(), json!([mark])));
        let line = json["text"].as_str().unwrap();
        assert_eq!(json["verdict"], "preload sees");
        assert!(line.ends_with(&format!(": {hook} ({mark})")), "{line}");
    }
    for (call, name, hook) in [
        ("ioctl(1, TIOCGWINSZ, 0)", "inspect_window", "ioctl"),
        ("syscall(SYS_gettid)", "inspect_gettid", "syscall"),
        #[cfg(target_arch = "x86_64")] // mov $326, %r15d: no argument
        (
            "syscall(SYS_gettid) & ({ __asm__(\".byte 0x41, 0xbf, 0x46, 1, 0, 0\"); 1; })",
            "inspect_r15",
            "syscall",
        ),
    ] {
        let json = report(program(call, name));
        assert_eq!((how(&json, 0, hook), marks(&json, hook)), ("strong".into(), json!([])));
        assert_eq!(json["verdict"], "no copy");
    }
    assert!(
        text(program("syscall(SYS_gettid)", "inspect_gettid"))
            .contains("without SYS_copy_file_range")
    );
}

#[test]
fn sendfile_is_a_hook_under_both_names() {
    for (name, words) in [("sendfile", &[][..]), ("sendfile64", &["-D_FILE_OFFSET_BITS=64"])] {
        let source = "#include <sys/sendfile.h>
            int main(void) { return sendfile(1, 0, 0, 1) == 0; }";
        let json = report(compile_text(source, &format!("inspect_{name}"), words));
        assert_eq!(
            (how(&json, 0, name), &json["verdict"]),
            ("strong".into(), &json!("preload sees"))
        );
    }
}

// System calls by instruction.

/// Compiles a program with this instruction sequence, or skips the test.
fn with_assembly(assembly: &str, name: &str) -> Option<PathBuf> {
    if !cfg!(target_arch = "x86_64") {
        skip(&format!("inspect::{name}"), "the assembly is x86-64's");
        return None;
    }
    let text = format!("int main(void) {{ __asm__(\"{assembly}\"); return 0; }}");
    Some(compile_text(&text, name, &[]))
}

#[test]
fn a_copy_by_instruction_is_named() {
    let Some(program) = with_assembly("mov $326, %eax; xor %edi, %edi; syscall", "inspect_raw")
    else {
        return;
    };
    let json = report(&program);
    let found = &json["files"][0]["by_instruction"];
    let call = json!({"call": "copy_file_range", "asks_for": [], "seen_by": "supervisor"});
    assert_eq!(*found, json!({"places": 1, "calls": [call]}), "{json:#}");
    assert_eq!(
        (&json["verdict"], &json["supervisor"]),
        (&json!("supervisor sees"), &json!("sees"))
    );
    let text = text(&program);
    let line = format!(
        "only the supervisor sees the copies of {}: by instruction: copy_file_range",
        program.display()
    );
    assert_eq!(first_line(&text), line);
    assert!(text.contains("1 place: copy_file_range  the program  supervisor\n"), "{text}");
    assert!(text.contains("if root runs cfr trace, for other users with --reach all"), "{text}");
}

#[test]
fn a_copy_by_instruction_beside_a_hook_is_partly_visible() {
    let test = "cli::inspect::a_copy_by_instruction_beside_a_hook_is_partly_visible";
    if !cfg!(target_arch = "x86_64") {
        return skip(test, "the assembly is x86-64's");
    }
    let text = COPY.replace("return", "__asm__(\"mov $326, %eax; syscall\"); return");
    let json = report(compile_text(&text, "inspect_part", &[]));
    assert_eq!((&json["verdict"], &json["preload"]), (&json!("both see"), &json!("sees")));
    let line = json["text"].as_str().unwrap();
    let end = ": copy_file_range; by instruction, seen by the supervisor: copy_file_range";
    assert!(line.ends_with(end), "{line}");
}

#[test]
fn another_system_call_by_instruction_is_not_a_copy() {
    for (assembly, name) in [
        ("mov $39, %eax; syscall", "inspect_raw_getpid"),
        // The number is in another register, overwritten, or another call's.
        ("mov $326, %edi; mov %ebx, %eax; syscall", "inspect_raw_other"),
        ("mov $326, %eax; mov $39, %eax; syscall", "inspect_raw_overwritten"),
        ("mov $326, %eax; ret; syscall", "inspect_raw_elsewhere"),
    ] {
        let Some(program) = with_assembly(assembly, name) else { return };
        let found = &report(&program)["files"][0]["by_instruction"];
        assert_eq!(*found, json!({"places": 1, "calls": []}), "{name}");
    }
}

#[test]
fn bytes_inside_other_instructions_are_not_a_system_call() {
    for (assembly, name) in [
        ("mov $0x050f, %eax; mov $0x50f0146, %ebx; nop; nop", "inspect_immediate"),
        ("lea 0x50f(%rax), %rcx; movabs $0x1122050f33440f05, %rdx; nop", "inspect_displacement"),
    ] {
        let Some(program) = with_assembly(assembly, name) else { return };
        let found = &report(&program)["files"][0]["by_instruction"];
        assert_eq!(*found, json!({"places": 0, "calls": []}), "{name}");
    }
}

/// Compiles c-tests/drivers/reflink_ways.c with these flags, and returns the program and the number of
/// reflinks that a preload sees of it.
fn reflinks(name: &str, flags: &[&str]) -> (PathBuf, usize) {
    let program = compile("drivers/reflink_ways.c", &format!("inspect_{name}"), flags);
    let scratch = Scratch::new();
    let words = [scratch.random("a", 5000), scratch.file("b")];
    let run = Run::preloaded(&program).args(words).ok();
    let seen = run.calls().iter().filter(|call| call.starts_with("ioctl(")).count();
    (program, seen)
}

const NO_PLT: &str = "-fno-plt";

#[test]
fn a_reflink_by_instruction_is_no_proof_for_an_imported_ioctl() {
    for (name, flags) in [
        ("reflink_raw", &["-DBY_INSTRUCTION"][..]),
        ("reflink_raw_no_plt", &["-DBY_INSTRUCTION", NO_PLT]),
        // The request and the instruction are in different functions.
        ("reflink_function", &["-DBY_FUNCTION"]),
        ("reflink_function_no_plt", &["-DBY_FUNCTION", NO_PLT]),
        ("reflink_pointer", &["-DBY_POINTER"]),
    ] {
        let (program, seen) = reflinks(name, flags);
        assert_eq!(seen, 0, "{name}");
        let json = report(&program);
        assert_eq!((how(&json, 0, "ioctl"), marks(&json, "ioctl")), ("strong".into(), json!([])));
        assert_eq!(by_instruction(&json), ["ioctl (FICLONE)"], "{name}: {json:#}");
        assert_eq!(json["verdict"], "supervisor sees", "{name}");
        let text = text(&program);
        assert!(text.contains("imported, without a reflink request  the program\n"), "{text}");
        assert!(text.contains(": ioctl (FICLONE)"), "{text}");
    }
}

#[test]
fn a_reflink_through_the_import_is_told_from_an_ioctl_by_instruction() {
    for (name, flags) in [
        ("reflink_import", &["-DBY_IMPORT"][..]),
        ("reflink_import_no_plt", &["-DBY_IMPORT", NO_PLT]),
    ] {
        let (program, seen) = reflinks(name, flags);
        assert_eq!(seen, 1, "{name}");
        let json = report(&program);
        assert_eq!(marks(&json, "ioctl"), json!(["FICLONE"]), "{name}: {json:#}");
        assert_eq!((by_instruction(&json).len(), &json["verdict"]), (0, &json!("preload sees")));
        assert_eq!(json["files"][0]["by_instruction"]["places"], 1, "{json:#}");
    }
    let (program, seen) = reflinks("reflink_both", &["-DBY_IMPORT", "-DBY_INSTRUCTION"]);
    assert_eq!(seen, 1);
    let json = report(program);
    assert_eq!(marks(&json, "ioctl"), json!(["FICLONE"]), "{json:#}");
    assert_eq!(
        (by_instruction(&json).as_slice(), &json["verdict"]),
        (&["ioctl (FICLONE)".to_owned()][..], &json!("both see"))
    );
}

/// A number that is loaded for `syscall` is also an argument of other functions.
#[test]
fn a_number_counts_for_the_function_that_gets_it() {
    let test = "cli::inspect::a_number_counts_for_the_function_that_gets_it";
    if !cfg!(target_arch = "x86_64") {
        return skip(test, "the assembly is x86-64's");
    }
    let program = |name: &str, call: &str| {
        let text = format!(
            "#include <unistd.h>
            #include <sys/syscall.h>
            __attribute__((noinline)) long by_instruction(long number)
            {{
                __asm__ volatile(\"syscall\" : \"+a\"(number) : : \"rcx\", \"r11\", \"memory\");
                return number;
            }}
            int main(void) {{ by_instruction(syscall(SYS_gettid)); {call}; return 0; }}"
        );
        report(compile_text(&text, &format!("inspect_number_{name}"), &["-D_GNU_SOURCE"]))
    };
    let json = program("function", "by_instruction(SYS_copy_file_range)");
    assert_eq!(
        (marks(&json, "syscall"), by_instruction(&json)),
        (json!([]), vec!["copy_file_range".into()])
    );
    assert_eq!(json["verdict"], "supervisor sees");
    let json = program("hook", "syscall(SYS_copy_file_range, -1, 0, -1, 0, 1, 0)");
    assert_eq!(
        (marks(&json, "syscall"), by_instruction(&json)),
        (json!(["SYS_copy_file_range"]), vec![])
    );
    assert_eq!(json["verdict"], "preload sees");
    let json = program("other", "sleep(SYS_copy_file_range)");
    assert_eq!((marks(&json, "syscall"), by_instruction(&json)), (json!([]), vec![]));
    assert_eq!(json["verdict"], "may copy");
}

// Ways to copy that the files do not show.

#[test]
fn a_program_that_loads_libraries_may_copy() {
    let program = compile("drivers/copies_by_library.c", "inspect_loads", &[]);
    let library = compile(
        "drivers/copies_by_library.c",
        "inspect_loaded.so",
        &["-DCOPY", "-shared", "-fPIC"],
    );
    let scratch = Scratch::new();
    let words = [library, scratch.random("a", 5000), scratch.file("b")];
    assert_eq!(Run::preloaded(&program).args(words).ok().calls().len(), 1);
    let json = report(&program);
    assert_eq!(json["verdict"], "may copy", "{json:#}");
    let way = json!({
        "through": "libraries", "file": program, "why": ["dlopen"], "seen_by": "either",
    });
    assert_eq!(json["may_copy"], json!([way]));
    let text = text(&program);
    let end = " may copy: libraries that it loads at run time (dlopen)";
    assert!(first_line(&text).ends_with(end), "{text}");
    assert!(text.contains("\n  loads libraries  dlopen  the program  either\n"), "{text}");
}

#[test]
fn a_program_that_starts_programs_may_copy() {
    let starter = |name: &str, flags: &[&str]| {
        compile("drivers/starts_program.c", &format!("inspect_starts_{name}"), flags)
    };
    for (name, flags, why) in
        [("exec", &[][..], "execv"), ("spawn", &["-DBY_SPAWN"], "posix_spawn")]
    {
        let program = starter(name, flags);
        let scratch = Scratch::new();
        let cp = find_program("cp").expect("cp");
        let words = [cp, scratch.random("a", 5000), scratch.file("b")];
        assert!(!Run::preloaded(&program).args(words).ok().calls().is_empty());
        let json = report(&program);
        assert_eq!(json["verdict"], "may copy", "{json:#}");
        let way =
            json!({"through": "programs", "file": program, "why": [why], "seen_by": "either"});
        assert_eq!(json["may_copy"], json!([way]));
        let text = text(&program);
        let end = format!(" may copy: programs that it starts ({why})");
        assert!(first_line(&text).ends_with(&end), "{text}");
    }
    // A child that is the same program has the same files.
    let json = report(starter("fork", &["-DFORK_ONLY"]));
    assert_eq!((&json["verdict"], &json["may_copy"]), (&json!("no copy"), &json!([])));
}

/// A number that is computed cannot be told; one that is passed as a constant can.
#[test]
fn a_program_that_passes_unknown_numbers_to_syscall_may_copy() {
    let report_of = |number: &str, name: &str, flags: &[&str]| {
        let source = format!(
            "#include <stdlib.h>\n#include <unistd.h>\n\
             int main(int c, char **v) {{ (void)v; return syscall({number}, 0, c, 1, c, 10, 0) < 0; }}"
        );
        let program = cfr_testkit::compile_text(&source, name, flags);
        (report(&program), text(&program), program)
    };
    // With a stub, and without one.
    for (plt, flags) in [("plt", &["-O1"][..]), ("no_plt", &["-O1", "-fno-plt"])] {
        let (json, text, program) = report_of("300 + c", &format!("inspect_computed_{plt}"), flags);
        assert_eq!(json["verdict"], "may copy", "{plt}: {json:#}");
        let way = json!({
            "through": "system calls", "file": program, "why": ["syscall, number unknown"],
            "seen_by": "preload",
        });
        assert_eq!(json["may_copy"], json!([way]), "{plt}");
        assert!(text.contains(" may copy: "), "{text}");
        for number in ["39", "0"] {
            let name = format!("inspect_constant_{number}_{plt}");
            let (json, ..) = report_of(number, &name, flags);
            assert_eq!(json["verdict"], "no copy", "{plt} {number}: {json:#}");
        }
    }
}

/// The number is in another register, or computed: it cannot be told.
#[test]
fn a_program_that_makes_unknown_system_calls_may_copy() {
    let assembly = "mov %ebp, %eax; syscall";
    let Some(program) = with_assembly(assembly, "inspect_raw_unknown") else { return };
    let json = report(&program);
    assert_eq!(json["verdict"], "may copy", "{json:#}");
    let way = json!({
        "through": "system calls", "file": program, "why": ["number unknown"],
        "seen_by": "supervisor",
    });
    assert_eq!(json["may_copy"], json!([way]));
    let text = text(&program);
    let end = " may copy: system calls that it makes itself (number unknown)";
    assert!(first_line(&text).ends_with(end), "{text}");
    assert!(
        text.contains("\n  makes system calls  number unknown  the program  supervisor\n"),
        "{text}"
    );
    // A known number is not a copy's.
    let Some(program) = with_assembly("mov $39, %eax; syscall", "inspect_raw_known") else {
        return;
    };
    assert_eq!(report(&program)["verdict"], "no copy");
}

#[test]
fn a_program_that_copies_may_also_copy_in_other_ways() {
    let text = COPY.replace("return", "execv(\"/bin/true\", 0); return");
    let json = report(compile_text(&text, "inspect_also", &[]));
    assert_eq!(json["verdict"], "preload sees");
    let notes = json["notes"].to_string();
    assert!(notes.contains("it may also copy: programs that it starts"), "{notes}");
}

// What a preloaded library cannot see.

/// Reports whether static programs can be linked, or skips the test.
fn may_link_statically(test: &str) -> bool {
    let archive = Run::bare("cc").args(["-print-file-name=libc.a"]).ok().stdout;
    let is_there = Path::new(archive.trim()).is_absolute();
    if !is_there {
        skip(&format!("cli::inspect::{test}"), "there is no libc.a");
    }
    is_there
}

#[test]
fn only_the_supervisor_sees_a_static_program() {
    if !may_link_statically("only_the_supervisor_sees_a_static_program") {
        return;
    }
    let program = compile_text(COPY, "inspect_static", &["-static"]);
    let json = report(&program);
    assert_eq!((&json["verdict"], &json["static"]), (&json!("supervisor sees"), &json!(true)));
    assert_eq!((&json["preload"], &json["c_library"]), (&json!("is not loaded"), &Value::Null));
    assert_eq!(by_instruction(&json), ["copy_file_range"], "{json:#}");
    let text = text(&program);
    assert!(first_line(&text).starts_with("only the supervisor sees the copies of "), "{text}");
    assert!(first_line(&text).contains("statically linked"), "{text}");
    let note = "  * cfr trace turns the supervisor on by itself for this program\n";
    assert!(text.contains(note) && !text.contains("--reach all"), "{text}");
}

#[test]
fn a_static_program_shows_its_reflinks_and_what_it_starts() {
    if !may_link_statically("a_static_program_shows_its_reflinks_and_what_it_starts") {
        return;
    }
    for (name, flags) in [("raw", "-DBY_INSTRUCTION"), ("import", "-DBY_IMPORT")] {
        let name = format!("inspect_static_{name}");
        let program = compile("drivers/reflink_ways.c", &name, &[flags, "-static"]);
        let json = report(&program);
        assert_eq!(by_instruction(&json), ["ioctl (FICLONE)"], "{json:#}");
        assert_eq!(json["may_copy"], json!([]), "{json:#}");
    }
    let program = compile("drivers/starts_program.c", "inspect_static_starts", &["-static"]);
    let json = report(&program);
    let way = json!({
        "through": "programs", "file": program, "why": ["execve by instruction"], "seen_by": "either",
    });
    assert_eq!((&json["may_copy"], by_instruction(&json).len()), (&json!([way]), 0));
    assert!(json["notes"].to_string().contains("may also copy: programs"), "{json:#}");
}

/// It preloads the library if it is executed by its own name.
#[test]
fn the_dynamic_linker_is_not_a_static_program() {
    let linker = report(strong())["dynamic_linker"].as_str().unwrap().to_owned();
    let json = report(&linker);
    assert_eq!((&json["preload"], &json["static"]), (&json!("sees"), &json!(false)));
    let scratch = Scratch::new();
    let (from, to) = (scratch.random("a", 5000), scratch.file("b"));
    let cp = find_program("cp").expect("cp");
    let words = ["trace".as_ref(), linker.as_ref(), cp.as_os_str(), from.as_ref(), to.as_ref()];
    let output = Run::bare(launcher()).args(words).ok();
    assert!(!output.calls().is_empty(), "{output:#?}");
    assert!(!output.stderr.contains("will not be seen"), "{output:#?}");
}

#[test]
fn a_missing_dynamic_linker_is_reported() {
    let option = "-Wl,--dynamic-linker=/nowhere/ld.so";
    let program = compile_text(COPY, "inspect_without_linker", &[option]);
    assert!(text(program).contains("/nowhere/ld.so (not found)\n"));
}

#[test]
fn a_go_program_makes_system_calls_without_the_c_library() {
    for (section, kind) in [(".note.go.buildid", "note"), (".gopclntab", "progbits")] {
        let text = format!(
            "int main(void) {{ return 0; }}
            __asm__(\".section {section},\\\"a\\\",@{kind}\\n.long 0, 0, 0\\n.previous\");"
        );
        let json = report(compile_text(&text, &format!("inspect{section}"), &[]));
        assert_eq!((&json["go"], &json["preload"]), (&json!(true), &json!("is bypassed")));
        assert_eq!(json["verdict"], "supervisor sees");
    }
}

/// It passes the number of each system call to one function, which holds the instruction.
#[test]
fn the_system_calls_of_a_go_program_are_the_supervisors() {
    if find_program("go").is_none() {
        return skip(
            "cli::inspect::the_system_calls_of_a_go_program_are_the_supervisors",
            "go is not installed",
        );
    }
    let program = compile_go("io_copy");
    let json = report(program.clone());
    assert_eq!(json["verdict"], "supervisor sees");
    let file = program.to_str().unwrap();
    let way = json!({
        "through": "system calls", "file": file, "why": ["number unknown"], "seen_by": "supervisor",
    });
    assert_eq!(json["may_copy"], json!([way]));
    let text = text(program);
    let row = text.lines().find(|line| line.starts_with("  makes system calls  "));
    assert!(row.is_some_and(|row| row.ends_with("  supervisor")), "{text}");
    assert!(text.contains("* it passes the numbers of system calls at run time: "), "{text}");
    assert!(!text.contains("it may also copy"), "{text}");
}

#[test]
fn a_program_for_another_machine_is_reported() {
    let scratch = Scratch::new();
    let with_machine = |name: &str, class: u8, machine: u16| {
        let mut file = fs::read(strong()).unwrap();
        file[4] = class;
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        executable(&scratch, name, &file)
    };
    for (name, class, machine, said) in [
        ("risc-v", 2, 243, "RISC-V"),
        ("i386", 1, 3, "32-bit x86"),
        ("x32", 1, 62, "x32"),
        ("unheard-of", 2, 0xfefe, "ELF machine 65278"),
    ] {
        let json = report(with_machine(name, class, machine));
        assert_eq!((&json["machine"], &json["verdict"]), (&json!(said), &json!("neither sees")));
        assert_eq!((&json["files"], &json["supervisor"]), (&json!([]), &json!("does not see")));
    }
    let tried = scratch.file("m32");
    let source = scratch.write("m32.c", COPY.as_bytes());
    let compiled = Run::bare("cc").args(["-m32", "-w", "-o"]).args([&tried, &source]).output();
    if compiled.status == Some(0) {
        assert_eq!(report(&tried)["machine"], "32-bit x86");
    }
}

fn may_change_user(test: &str, place: &Path) -> bool {
    let reason = if !fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
    {
        "needs root"
    } else if fs::read_to_string("/proc/self/status").unwrap().contains("NoNewPrivs:\t1") {
        "set-user-ID programs have no effect here"
    } else {
        let mount = Run::bare("findmnt").args(["-n", "-o", "OPTIONS", "-T"]).args([place]).ok();
        if !mount.stdout.contains("nosuid") {
            return true;
        }
        "the filesystem ignores set-user-ID"
    };
    skip(test, reason);
    false
}

#[test]
fn a_privileged_program_is_reported() {
    let scratch = Scratch::new();
    if !may_change_user("cli::inspect::a_privileged_program_is_reported", scratch.path()) {
        return;
    }
    let content = fs::read(strong()).unwrap();
    let program = |mode: u32, name: &str| {
        let path = executable(&scratch, name, &content);
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    for (mode, why) in [(0o4755, "is set-user-ID"), (0o2755, "is set-group-ID")] {
        let json = report(program(mode, &format!("{mode:o}")));
        assert_eq!(
            (&json["verdict"], &json["preload"]),
            (&json!("supervisor sees"), &json!("is not loaded"))
        );
        assert_eq!(json["files"][0]["hooks"][0]["seen_by"], "supervisor", "{json:#}");
        assert!(json["notes"].to_string().contains("without its privileges"), "{json:#}");
        assert!(json["why"].as_str().unwrap().contains(why), "{json:#}");
    }
    // A bit for mandatory locking; and the kernel ignores the bits of a script.
    assert_eq!(report(program(0o2745, "locking"))["preload"], "sees");
    let script = executable(&scratch, "script", b"#!/bin/sh\n");
    std::os::unix::fs::chown(&script, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o6755)).unwrap();
    assert_eq!(report(script)["preload"], "sees");
}

// Scripts.

#[test]
fn a_script_is_followed_to_its_interpreter() {
    let scratch = Scratch::new();
    let tool = strong();
    let first = format!("#! {} -x\n", tool.display());
    let script = executable(&scratch, "script", first.as_bytes());
    let second = executable(&scratch, "second", format!("#!{}\n", script.display()).as_bytes());
    let json = report(&second);
    assert_eq!(json["scripts"], json!([second, script]));
    assert_eq!((&json["program"], &json["asked"]), (&json!(tool), &json!(second)));
    assert_eq!(json["verdict"], "preload sees");
    let shown = text(&second);
    assert!(first_line(&shown).contains(second.to_str().unwrap()), "{shown}");
    assert!(shown.contains(&format!("program          {}", tool.display())), "{shown}");

    // Through env(1), as most scripts do.
    for line in ["#!/usr/bin/env inspect_strong\n", "#!/usr/bin/env -S A=b inspect_strong -x\n"] {
        let script = executable(&scratch, "by-env", line.as_bytes());
        let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
        let words = ["--format".as_ref(), "json".as_ref(), script.as_os_str()];
        let json = parsed(&inspect(words).env("PATH", path).ok());
        assert_eq!((&json["program"], &json["scripts"][1]), (&json!(tool), &json!("/usr/bin/env")));
    }

    // Without a first line, as execvp(3) accepts.
    let plain = executable(&scratch, "plain", b"echo plain\n");
    assert_eq!(report(&plain)["scripts"], json!([plain]));
    let text = text(&plain);
    assert!(text.contains("\n  script           ") && text.contains("/bin/sh\n"), "{text}");
    assert!(text.contains(" may copy: ") && text.contains("programs that it starts"), "{text}");

    let endless = scratch.file("endless");
    executable(&scratch, "endless", format!("#!{}\n", endless.display()).as_bytes());
    let output = inspect([endless]).output();
    assert!(matches!(output.status, Some(0 | 126)), "{output:#?}");
}

// Libraries.

/// A library that copies, a program that calls it, and their directory: `$ORIGIN` leads from one
/// to the other.
fn with_library(scratch: &Scratch, words: &[&str]) -> PathBuf {
    let copy = COPY.replace("main", "copy_it");
    let inner = scratch.write("inner.c", copy.as_bytes());
    let outer =
        scratch.write("outer.c", b"int copy_it(void); int outer(void) { return copy_it(); }");
    let main = scratch.write("main.c", b"int outer(void); int main(void) { return outer(); }");
    let directory = format!("-L{}", scratch.path().display());
    let compile = |name: &str, source: &Path, words: &[&str]| {
        let path = scratch.file(name);
        let all = ["-w", "-Wl,--no-as-needed,--allow-shlib-undefined", "-o"];
        Run::bare("cc").args(all).args([&path, source]).args([&directory]).args(words).ok();
        path
    };
    compile("libinner.so", &inner, &["-shared", "-fPIC"]);
    compile("libouter.so", &outer, &["-shared", "-fPIC", "-linner"]);
    compile("main", &main, &[&["-louter"], words].concat())
}

#[test]
fn a_copy_by_a_library_of_a_library_is_found() {
    let scratch = Scratch::new();
    // DT_RPATH applies to libraries of libraries too, DT_RUNPATH does not.
    let program = with_library(&scratch, &["-Wl,--disable-new-dtags,-rpath,$ORIGIN"]);
    let json = report(&program);
    assert_eq!(
        (&json["verdict"], &json["missing"]),
        (&json!("preload sees"), &json!([])),
        "{json:#}"
    );
    assert_eq!(json["files"][2]["path"], json!(scratch.file("libinner.so")));
    assert_eq!(how(&json, 2, "copy_file_range"), "strong");
    assert_eq!(how(&json, 0, "copy_file_range"), Value::Null);
    let shown = text(&program);
    let end = "main copies through its libraries: copy_file_range through libinner.so";
    assert!(first_line(&shown).ends_with(end), "{shown}");

    let program = with_library(&scratch, &["-Wl,--enable-new-dtags,-rpath,${ORIGIN}"]);
    let json = report(&program);
    let by = scratch.file("libouter.so");
    assert_eq!(json["missing"], json!([{"name": "libinner.so", "by": by}]));
    assert_eq!(json["verdict"], "no copy");
    let found = inspect(["--format".as_ref(), "json".as_ref(), program.as_os_str()])
        .env("LD_LIBRARY_PATH", scratch.path())
        .ok();
    assert_eq!(parsed(&found)["verdict"], "preload sees");
    let text = text(&program);
    assert!(text.contains("1 not found\n"), "{text}");
    assert!(text.contains("libinner.so, needed by ") && text.contains("was not found"), "{text}");
}

#[test]
fn the_libraries_are_those_of_the_dynamic_linker() {
    let Some(program) = find_program("qemu-img").or(find_program("git")).or(find_program("cp"))
    else {
        return skip("cli::inspect::the_libraries_are_those_of_the_dynamic_linker", "no cp");
    };
    let listed = Run::bare("ldd").args([&program]).ok().stdout;
    let mut expected: Vec<PathBuf> = listed
        .lines()
        .filter_map(|line| line.split_once(" => ")?.1.split(' ').next())
        .filter(|path| {
            !["libc.so", "libm.so", "libpthread", "libdl", "librt", "libutil"]
                .iter()
                .any(|part| path.contains(part))
        })
        .map(|path| Path::new(path).canonicalize().unwrap())
        .collect();
    let json = report(&program);
    let mut found: Vec<PathBuf> = json["files"].as_array().unwrap()[1..]
        .iter()
        .map(|file| Path::new(file["path"].as_str().unwrap()).canonicalize().unwrap())
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(json["missing"], json!([]));
}

/// Copies the C library and its dynamic linker to a directory, so that the linker knows no other one,
/// as in Nix. Returns the paths of both.
fn own_c_library(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let json = report(strong());
    let read = |key: &str| fs::read(json[key].as_str().unwrap()).unwrap();
    let mut linker = read("dynamic_linker");
    let mut start = 0;
    while let Some(size) = linker[start..].iter().position(|byte| *byte == 0) {
        let string = &mut linker[start..start + size];
        let is_path = string.starts_with(b"/") && size > 1;
        if is_path && (string.ends_with(b"/") || string.ends_with(b"/ld.so.cache")) {
            string[1] = b'X';
        }
        start += size + 1;
    }
    let linker = executable(scratch, "ld-linux.so", &linker);
    (linker, executable(scratch, "libc.so.6", &read("c_library")))
}

#[test]
fn a_c_library_of_the_programs_own_needs_no_other_preload() {
    let scratch = Scratch::new();
    let (linker, c_library) = own_c_library(&scratch);
    let program = |name: &str, more: &[&str]| {
        let path = scratch.file(name);
        let linker = format!("-Wl,--dynamic-linker={},-rpath,$ORIGIN", linker.display());
        let source = scratch.write("main.c", COPY.as_bytes());
        Run::bare("cc").args(["-w", "-o"]).args([&path, &source]).args([&linker]).args(more).ok();
        path
    };
    let own = program("own", &[]);
    assert_eq!(Run::preloaded(&own).ok().calls().len(), 1);
    let json = report(&own);
    assert_eq!((&json["verdict"], &json["missing"]), (&json!("preload sees"), &json!([])));
    assert_eq!((&json["c_library"], &json["dynamic_linker"]), (&json!(c_library), &json!(linker)));
    assert!(text(&own).contains(&format!("  C library        {}\n", c_library.display())));

    // The dynamic linker does not search the directories of the system.
    let words = ["-Wl,--no-as-needed", "-lgcc_s"];
    let needs = program("needs", &words);
    assert_eq!(Run::bare(&needs).output().status, Some(127));
    let json = report(&needs);
    assert_eq!(json["missing"], json!([{"name": "libgcc_s.so.1", "by": needs}]), "{json:#}");
}

/// If it is preloaded before libcfr.so, it gets the calls first.
#[test]
fn a_library_that_defines_a_hook_itself_is_reported() {
    let shim = compile("shims/returns_7.c", "returns_7.so", &["-shared", "-fPIC"]);
    let program = strong();
    let words = ["--format".as_ref(), "json".as_ref(), program.as_os_str()];
    let json = parsed(&inspect(words).env("LD_PRELOAD", &shim).ok());
    assert_eq!(json["files"][1]["role"], "preloaded", "{json:#}");
    assert_eq!(json["files"][1]["defines"][0], "copy_file_range", "{json:#}");
    assert!(json["notes"][0].as_str().unwrap().contains("gets the calls first"), "{json:#}");

    let output = inspect([strong()]).env("LD_PRELOAD", "no-such-shim.so").ok();
    assert!(
        output.stdout.contains("no-such-shim.so, needed by LD_PRELOAD, was not"),
        "{output:#?}"
    );
}

// Real programs.

#[test]
fn installed_programs_have_the_hooks_that_they_are_known_for() {
    let json = report("cp");
    assert_eq!(how(&json, 0, "copy_file_range"), "strong", "{json:#}");
    assert_eq!(
        (&json["verdict"], &marks(&json, "ioctl")),
        (&json!("preload sees"), &json!(["FICLONE"]))
    );
    if find_program("node").is_some() {
        let json = report("node");
        let text = json["text"].as_str().unwrap();
        assert!(text.contains("syscall (SYS_copy_file_range)"), "{text}");
    }
    if let Some(python) = find_program("python3") {
        // If that is a wrapper, the Python that it starts.
        let behind =
            Run::bare(python).args(["-c", "import sys; print(sys.executable)"]).ok().stdout;
        let json = report(behind.trim());
        assert_eq!(json["verdict"], "preload sees", "{json:#}");
        let text = json["text"].as_str().unwrap();
        assert!(text.contains("copy_file_range") && text.contains("sendfile"), "{text}");
        assert!(json["notes"].to_string().contains("loads at run time"), "{json:#}");
        assert_eq!(json["may_copy"][0]["through"], "libraries", "{json:#}");
    }
    if find_program("uv").is_some() {
        assert_eq!(marks(&report("uv"), "ioctl"), json!([]));
        assert_eq!(by_instruction(&report("uv")), ["ioctl (FICLONE)"]);
    }
    let json = report("true");
    assert_eq!(json["verdict"], "no copy");
}

// Statuses, and files that are not programs.

#[track_caller]
fn assert_fails(words: &[&OsStr], status: i32, said: &str) {
    let output = inspect(words).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(status), ""), "{output:#?}");
    assert!(output.stderr.starts_with("cfr: ") && output.stderr.contains(said), "{output:#?}");
}

#[test]
fn a_program_that_cannot_be_inspected_has_the_status_of_trace() {
    let scratch = Scratch::new();
    let fifo = scratch.file("fifo");
    Run::bare("mkfifo").args(["-m", "755"]).args([&fifo]).ok();
    let plain = scratch.write("plain", b"#!/bin/sh\n");
    let garbage = executable(&scratch, "garbage", b"\x01\x02\x03\0garbage\n");
    let missing = scratch.file("missing");
    assert_fails(&[missing.as_os_str()], 127, "no such program");
    assert_fails(&["no-program-has-this-name".as_ref()], 127, "not found on the PATH");
    assert_fails(&["".as_ref()], 127, "is empty");
    assert_fails(&[fifo.as_os_str()], 126, "not a regular file");
    assert_fails(&[scratch.path().as_os_str()], 126, "is a directory");
    assert_fails(&[plain.as_os_str()], 126, "not executable");
    assert_fails(&[garbage.as_os_str()], 126, "is neither a script nor an ELF program");
    assert_fails(&[], 125, "PROGRAM");
    assert_fails(&["cp".as_ref(), "a".as_ref()], 125, "a");
    assert_fails(&["--format".as_ref(), "xml".as_ref(), "cp".as_ref()], 125, "xml");
    // So is a wrong interpreter of a script.
    let script = executable(&scratch, "script", format!("#!{}\n", fifo.display()).as_bytes());
    assert_fails(&[script.as_os_str()], 125, "not a regular file");
    let output = Run::bare(launcher()).args(["trace".as_ref(), fifo.as_os_str()]).output();
    assert_eq!(output.status, Some(126), "{output:#?}");
    // And a name that would command a terminal.
    let hostile = executable(&scratch, "\u{1b}[31m", &fs::read(strong()).unwrap());
    assert!(!text(hostile).contains('\u{1b}'));
}

/// Checks that the truncated or damaged program gives a result or an error, without a crash and
/// within the limits.
#[track_caller]
fn assert_survives(path: &Path, what: &str) {
    // 1 GiB of address space in all.
    let script = "ulimit -v 1048576 && exec \"$0\" inspect --format json \"$1\"";
    let output = Run::bare("sh").args(["-c", script]).args([&launcher(), path]).output();
    assert!(matches!(output.status, Some(0 | 125 | 126)), "{what}: {output:#?}");
    match output.status {
        Some(0) => drop(parsed(&output)),
        _ => assert!(output.stderr.starts_with("cfr: ") && output.stdout.is_empty(), "{output:#?}"),
    }
    assert!(!output.stderr.contains("panicked"), "{what}: {output:#?}");
}

#[test]
fn a_truncated_program_is_an_error_and_not_a_crash() {
    let scratch = Scratch::new();
    let whole = fs::read(strong()).unwrap();
    let path = executable(&scratch, "program", b"");
    let lengths = (0..1024).step_by(31).chain((1024..whole.len()).step_by(211));
    for length in lengths {
        executable(&scratch, "program", &whole[..length]);
        assert_survives(&path, &format!("{length} bytes"));
    }
}

#[test]
fn a_damaged_program_is_an_error_and_not_a_crash() {
    let scratch = Scratch::new();
    let whole = fs::read(strong()).unwrap();
    let path = executable(&scratch, "program", b"");
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..150 {
        let mut file = whole.clone();
        for _ in 0..=random(6) {
            // Most damage is in headers and dynamic sections.
            let end = if random(2) == 0 { 0x400 } else { file.len() };
            let at = random(end - 8);
            let value = [0, 1, 0x7f, 0xff, random(256) as u8][random(5)];
            let length = [1, 4, 8][random(3)];
            file[at..at + length].fill(value);
        }
        executable(&scratch, "program", &file);
        assert_survives(&path, &format!("round {round}"));
    }
}

#[test]
fn a_file_that_claims_terabytes_is_an_error_and_not_a_crash() {
    let scratch = Scratch::new();
    let program = strong();
    let headers = fs::read(&program).unwrap();
    let at = u64::from_le_bytes(headers[32..40].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes(headers[56..58].try_into().unwrap()));
    let word = |at: usize| u64::from_le_bytes(headers[at..at + 8].try_into().unwrap());
    // Sections say where the code is; without them segments do. String tables are read whole.
    for claim in ["sections", "segments", "strings"] {
        let mut file = headers.clone();
        for header in (0..count).map(|header| at + header * 56) {
            if file[header] == 1 {
                // p_filesz of a PT_LOAD
                file[header + 32..header + 40].copy_from_slice(&(1u64 << 42).to_le_bytes());
            }
            if claim == "strings" && file[header] == 2 {
                // DT_STRSZ of the PT_DYNAMIC
                let entries = word(header + 8) as usize;
                let size = (entries..).step_by(16).find(|entry| word(*entry) == 10).unwrap();
                file[size + 8..size + 16].copy_from_slice(&(600u64 << 20).to_le_bytes());
            }
        }
        if claim == "segments" {
            file[40..48].fill(0);
            file[58..64].fill(0);
        }
        let path = executable(&scratch, claim, &file);
        let grown = fs::File::options().write(true).open(&path).unwrap().set_len(4 << 40);
        if let Err(error) = grown {
            let test = "cli::inspect::a_file_that_claims_terabytes_is_an_error_and_not_a_crash";
            return skip(test, &format!("no file of 4 TiB here: {error}"));
        }
        assert_survives(&path, claim);
        if claim == "strings" {
            assert_fails(&[path.as_os_str()], 125, "has a damaged dynamic section");
        }
    }
}

#[test]
fn help_has_examples_options_and_exit_statuses() {
    let help = inspect(["--help"]).ok().stdout;
    for word in ["Examples:", "cfr inspect cp", "--format", "Exit status", "interpreter"] {
        assert!(help.contains(word), "no {word:?} in {help}");
    }
    assert!(Run::bare(launcher()).args(["--help"]).ok().stdout.contains("inspect"));
}

#[test]
fn a_name_that_is_not_utf_8_is_inspected() {
    let scratch = Scratch::new();
    let path = scratch.path().join(OsStr::from_bytes(b"\xff odd"));
    let script = "cp \"$0\" \"$1\"";
    Run::bare("sh").args(["-c", script]).args([&strong(), &path]).ok();
    assert_eq!(report(&path)["verdict"], "preload sees");
}

//! `include/`: the headers for C and C++ programs.

use cfr_testkit::{
    Output, Run, Scratch, compile, compiler, find_program, library, project, skip, userland,
};
use std::fs;
use std::path::{Path, PathBuf};

/// Searched before the system's own `linux/`, as with pkg-config.
fn include() -> String {
    format!("-I{}", project().join("include").display())
}

fn source(name: &str) -> PathBuf {
    project().join("c-tests/headers").join(name)
}

/// The arguments that link a program with the library, which it then finds where it was built.
fn link() -> Vec<String> {
    let place = library().parent().expect("target/release").display().to_string();
    vec![format!("-L{place}"), "-lcfr".to_owned(), format!("-Wl,-rpath,{place}")]
}

/// The compilers of a language. One that is not installed is reported as a skip of `test`.
fn compilers(test: &str, names: &[&'static str]) -> Vec<&'static str> {
    let is_there = |name: &&&str| {
        let found = find_program(name).is_some();
        if !found {
            skip(test, &format!("{name} is not installed"));
        }
        found
    };
    names.iter().filter(is_there).copied().collect()
}

#[test]
fn the_headers_are_those_that_the_build_generates() {
    for (committed, generated) in [("cfr.h", "cfr.h"), ("linux/copy.h", "linux-copy.h")] {
        let generated = Path::new(env!("OUT_DIR")).join(generated);
        let committed = project().join("include").join(committed);
        assert_eq!(
            fs::read_to_string(&committed).unwrap(),
            fs::read_to_string(generated).unwrap(),
            "{} is out of date: make header",
            committed.display()
        );
    }
}

#[test]
fn the_header_has_the_version_of_the_package() {
    let header = fs::read_to_string(project().join("include/cfr.h")).unwrap();
    for line in [
        format!("#define CFR_VERSION \"{}\"", env!("CARGO_PKG_VERSION")),
        format!("#define CFR_VERSION_MAJOR {}", env!("CARGO_PKG_VERSION_MAJOR")),
        format!("#define CFR_VERSION_MINOR {}", env!("CARGO_PKG_VERSION_MINOR")),
        format!("#define CFR_VERSION_PATCH {}", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        assert!(header.lines().any(|found| found == line), "no {line}");
    }
}

/// Compiles a file in every language standard, position relative to <unistd.h>, and feature test macro.
fn compile_in_all(compiler: &str, file: &str, standards: &[&str]) {
    const MACROS: [&[&str]; 2] = [&[], &["-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64"]];
    for standard in standards {
        for place in ["-DCFR_ALONE", "-DCFR_FIRST", "-DCFR_LAST"] {
            for macros in MACROS {
                let output = Run::bare(compiler)
                    .args(["-fsyntax-only", "-Wall", "-Wextra", "-pedantic-errors", "-Werror"])
                    .args([standard, place, &include()])
                    .args(macros)
                    .args([source(file)])
                    .output();
                assert_eq!(
                    output.status,
                    Some(0),
                    "{compiler} {standard} {place} {macros:?}: {output:#?}"
                );
            }
        }
    }
}

/// Where both declare the function, a compiler compares its declaration with the C library's.
#[test]
fn the_header_compiles_in_every_c() {
    let test = "install::header::the_header_compiles_in_every_c";
    for compiler in compilers(test, &["gcc", "clang", "musl-gcc"]) {
        // c2x is C23, by the name that older compilers know too.
        let standards = [
            "-std=c89", "-std=c99", "-std=c11", "-std=c17", "-std=c2x", "-std=gnu89", "-std=gnu17",
        ];
        compile_in_all(compiler, "order.c", &standards);
    }
}

#[test]
fn the_header_compiles_in_every_c_plus_plus() {
    let test = "install::header::the_header_compiles_in_every_c_plus_plus";
    for compiler in compilers(test, &["g++", "clang++"]) {
        let standards =
            ["-std=c++11", "-std=c++14", "-std=c++17", "-std=c++20", "-std=c++2b", "-std=gnu++20"];
        compile_in_all(compiler, "order.cc", &standards);
    }
}

#[test]
fn a_linked_program_runs_and_its_header_agrees_with_the_library() {
    for (file, standard) in
        [("order.c", "-std=c89"), ("order.c", "-std=gnu17"), ("order.cc", "-std=c++11")]
    {
        let words = [vec![standard.to_owned(), include()], link()].concat();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let name = format!("header-{file}{standard}").replace('=', "");
        let program = compile(&format!("headers/{file}"), &name, &words);
        let run = Run::bare(program);
        let directory = library();
        let directory = directory.parent().expect("target/release");
        // The program needs the library by its SONAME.
        let scratch = Scratch::new();
        std::os::unix::fs::symlink(library(), scratch.file("libcfr.so.0")).unwrap();
        let path = format!("{}:{}", scratch.path().display(), directory.display());
        run.env("LD_LIBRARY_PATH", path).ok();
    }
}

/// Links `not_linked.c` into a program, with these arguments around it.
fn try_to_link(cc: &str, before: &[String], after: &[String]) -> Output {
    let scratch = Scratch::new();
    Run::bare(cc)
        .args(before)
        .args([include()])
        .args([source("not_linked.c")])
        .args(after)
        .args(["-o".into(), scratch.file("program")])
        .output()
}

/// It would run, and the kernel would refuse its flags.
#[test]
fn a_program_with_the_header_and_without_the_library_cannot_be_linked() {
    let test =
        "install::header::a_program_with_the_header_and_without_the_library_cannot_be_linked";
    if userland().is_some() {
        return skip(test, "the compiler of a userland");
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // `cc $(pkg-config --cflags --libs cfr) x.c`: the linker has not seen the need for the library yet.
    let library_first = [words("-Wl,--as-needed"), link()].concat();
    for cc in compilers(test, &["gcc", "clang", "g++", "clang++", "musl-gcc"]) {
        for before in [
            words(""),
            words("-O2"),
            words("-O2 -flto -ffunction-sections -fdata-sections -Wl,--gc-sections"),
            words("-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64"),
            words("-static"),
            library_first.clone(),
        ] {
            if before.contains(&"-flto".to_owned()) && cc.starts_with("clang") {
                // It needs a linker with LLVM's plugin.
                continue;
            }
            let output = try_to_link(cc, &before, &[]);
            assert_ne!(output.status, Some(0), "{cc} {before:?}");
            let named = output.stderr.contains("cfr_copy_file_range_needs_lcfr");
            assert!(named, "{cc} {before:?}: {}", output.stderr);
        }
        if cc != "musl-gcc" {
            let output = try_to_link(cc, &[], &link());
            assert_eq!(output.status, Some(0), "{cc}: {output:#?}");
        }
    }
}

/// The same in a static library, which is linked without it, and in a plugin, which is opened without
/// it.
#[test]
fn code_with_the_header_needs_the_library_wherever_it_is() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.file(name).display().to_string();
    let run = |program: &str, words: &[&str]| Run::bare(program).args(words).within(scratch.path());
    let copy = format!(
        "#include <cfr.h>\nint copy(void) {{ return {} < 0 ? 0 : 1; }}\n",
        "(int)copy_file_range(-1, 0, -1, 0, 0, COPY_FR_COPY)"
    );
    scratch.write("copy.c", copy.as_bytes());
    scratch.write("main.c", b"int copy(void);\nint main(void) { return copy(); }\n");
    let open = "#include <dlfcn.h>\n#include <stdio.h>\nint main(void) {\n\
                if (dlopen(\"./plugin.so\", RTLD_NOW)) return 0;\nputs(dlerror());\nreturn 1; }\n";
    scratch.write("open.c", open.as_bytes());
    let cc = compiler("cc").display().to_string();
    run(&cc, &["-c", "-fPIC", &include(), "copy.c"]).ok();
    run("ar", &["rcs", "libcopy.a", "copy.o"]).ok();
    let linked = run(&cc, &["main.c", "libcopy.a", "-o", "main"]).output();
    assert!(linked.stderr.contains("cfr_copy_file_range_needs_lcfr"), "{linked:#?}");
    assert_ne!(linked.status, Some(0));

    run(&cc, &["-shared", "copy.o", "-o", "plugin.so"]).ok();
    run(&cc, &["open.c", "-ldl", "-o", "open"]).ok();
    let opened = Run::bare(at("open")).within(scratch.path()).output();
    assert_eq!(opened.status, Some(1));
    assert!(opened.stdout.contains("cfr_copy_file_range_needs_lcfr"), "{opened:#?}");
    Run::preloaded(at("open")).within(scratch.path()).ok();
}

#[test]
fn the_flags_have_a_header_of_their_own() {
    let words = ["-std=c11", "-pedantic", &include()];
    let program = compile("headers/flags.c", "header_flags", &words);
    assert_eq!(Run::bare(program).ok().stdout, "1 2 4 4 0x800000\n");
}

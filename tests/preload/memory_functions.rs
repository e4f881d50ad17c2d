//! The library's own memory functions.

use cfr_testkit::{Run, Scratch, compile, project};

/// The names of the functions.
const NAMES: [&str; 6] = ["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"];

/// For each length and alignment that takes another way in them.
#[test]
fn the_memory_functions_do_what_those_of_the_c_library_do() {
    let architecture = std::env::consts::ARCH;
    let file = project().join(format!("src/memory_functions/{architecture}.s"));
    let scratch = Scratch::new();
    // Rust's assembler begins with Intel syntax.
    let syntax = if architecture == "x86_64" { ".intel_syntax noprefix\n" } else { "" };
    let source = format!("{syntax}#include \"{}\"\n", file.display());
    let source = scratch.write("functions.S", source.as_bytes());
    let object = scratch.file("functions.o");
    Run::bare("cc")
        .args(["-c", "-Wa,--noexecstack"])
        .args(NAMES.map(|name| format!("-D{name}=cfr_{name}")))
        .args(["-o".as_ref(), object.as_os_str(), source.as_ref()])
        .ok();
    let object = object.to_str().unwrap();
    let program = compile("drivers/memory_functions.c", "memory_functions", &[object]);
    assert_eq!(Run::bare(program).ok().stdout, "same\n");
}

//! No panic is left in the released library: it has no unwinder, and a panic would end the host.

use cfr_testkit::{Run, Scratch, find_program, launcher, library, skip, unoptimized_library};
use std::collections::BTreeSet;
use std::path::Path;

/// The compiler that is held to it. Another one may not see that a check cannot fail.
const COMPILER: &str = "rustc version 1.95.0";

/// Runs a program of binutils on a file. The error is the reason why it cannot run.
fn binutils(program: &str, words: &[&str], file: &Path) -> Result<String, String> {
    let program = find_program(program).ok_or(format!("{program} is not installed"))?;
    Ok(Run::bare(program).args(words).args([file]).ok().stdout)
}

/// Returns each function of the file that calls a panic function of core, with that function, as
/// `caller -> callee`; and the panic functions that nothing calls directly.
fn panics(file: &Path) -> Result<BTreeSet<String>, String> {
    let is_panic = |name: &str| name.contains("panic") || name.contains("begin_unwind");
    let symbols = binutils("nm", &["--defined-only", "--demangle", "--format=bsd"], file)?;
    let left = symbols.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
    let mut found: BTreeSet<_> = left.filter(|name| is_panic(name)).map(str::to_owned).collect();
    if found.is_empty() {
        return Ok(found);
    }
    let code = binutils("objdump", &["-d", "-C", "--no-show-raw-insn"], file)?;
    let mut caller = "";
    for line in code.lines() {
        if let Some((_, name)) = line.strip_suffix(">:").and_then(|line| line.split_once('<')) {
            caller = name;
        } else if let Some((_, callee)) = line.split_once('<')
            && is_panic(callee)
            && !is_panic(caller)
        {
            found.insert(format!("{caller} -> {}", callee.trim_end_matches('>')));
        }
    }
    Ok(found)
}

#[test]
fn no_panic_is_left_in_the_library() {
    const TEST: &str = "repository::panics::no_panic_is_left_in_the_library";
    let library = library();
    let (found, compiler) =
        match (panics(&library), binutils("readelf", &["-p", ".comment"], &library)) {
            (Ok(found), Ok(compiler)) => (found, compiler),
            (Err(reason), _) | (_, Err(reason)) => return skip(TEST, &reason),
        };
    if !compiler.contains(COMPILER) && !found.is_empty() {
        return skip(TEST, &format!("the compiler is not {COMPILER}; it leaves {found:?}"));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The test above sees a panic: the command, which may panic, has many.
#[test]
fn a_panic_that_is_left_is_found() {
    match panics(&launcher()) {
        Ok(found) => {
            let calls = found.iter().filter(|found| found.contains(" -> ")).count();
            assert!(calls > 100, "{calls}");
        }
        Err(reason) => skip("repository::panics::a_panic_that_is_left_is_found", &reason),
    }
}

/// Without link-time optimization, code of core that the library does not need stays in the file, with
/// what it refers to. It must not be missing: that would end every program at load.
#[test]
fn a_build_without_optimization_can_be_loaded() {
    let scratch = Scratch::new();
    let source = scratch.random("source", 5000);
    let output = Run::bare("cp")
        .args([&source, &scratch.file("target")])
        .env("LD_PRELOAD", unoptimized_library())
        .output();
    assert_eq!(output.status, Some(0), "{output:?}");
    assert!(output.calls().iter().any(|call| call.contains(" = 5000 (")), "{output:?}");
}

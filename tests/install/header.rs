//! `include/`: the headers for C and C++ programs.

use cfr_testkit::{Run, compile, project};
use std::fs;
use std::path::Path;

/// Searched before the system's own `linux/`, as with pkg-config.
fn include() -> String {
    format!("-I{}", project().join("include").display())
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

/// In every dialect, order relative to <unistd.h>, and feature test macro. Each program also runs
/// with the C library alone, whose function then takes the offsets.
#[test]
fn the_header_compiles_everywhere_and_agrees_with_the_c_library() {
    for (source, dialect) in [
        ("headers/order.c", "-std=c11"),
        ("headers/order.c", "-std=gnu17"),
        ("headers/order.cc", "-std=c++17"),
    ] {
        for place in ["-DCFR_ALONE", "-DCFR_FIRST", "-DCFR_LAST"] {
            for macros in ["-D_GNU_SOURCE", "-U_GNU_SOURCE"] {
                let name = format!("{source}{dialect}{place}{macros}").replace('=', "");
                let words = [dialect, "-pedantic", place, macros, &include()];
                let program = compile(source, &name, &words);
                Run::bare(program).ok();
            }
        }
    }
    Run::bare(compile("headers/c_library.c", "header_c_library", &[])).ok();
}

#[test]
fn the_flags_have_a_header_of_their_own() {
    let words = ["-std=c11", "-pedantic", &include()];
    let program = compile("headers/flags.c", "header_flags", &words);
    assert_eq!(Run::bare(program).ok().stdout, "1 2 4 4 0x800000\n");
}

//! The functions of `cfr.h`, in programs that are linked with the library.

use cfr_testkit::{Run, Scratch, compile, library, project};
use std::path::{Path, PathBuf};

pub mod abi;
pub mod configure;
pub mod copy;

/// A program of `c-tests/drivers/` that is linked with the library, and a directory for it.
pub struct Linked {
    program: PathBuf,
    pub scratch: Scratch,
}

impl Linked {
    pub fn new(source: &str) -> Linked {
        Linked::with(source, Scratch::new())
    }

    /// Runs in a directory below `place`.
    pub fn below(source: &str, place: &Path) -> Linked {
        Linked::with(source, Scratch::below(place))
    }

    fn with(source: &str, scratch: Scratch) -> Linked {
        let include = format!("-I{}", project().join("include").display());
        let place = format!("-L{}", library().parent().expect("target/release").display());
        let words = ["-std=gnu17", &include, &place, "-lcfr"];
        let program = compile(&format!("drivers/{source}.c"), source, &words);
        // The linker uses one name of the library, the program its SONAME.
        std::os::unix::fs::symlink(library(), scratch.file("libcfr.so.0")).expect("a new link");
        Linked { program, scratch }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs the program in its directory.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::bare(&self.program)
            .args(args)
            .env("LD_LIBRARY_PATH", self.scratch.path())
            .within(self.scratch.path())
    }
}

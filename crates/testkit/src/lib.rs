//! The harness of the test programs: the built product, programs to run under it, places to run
//! them in.
#![allow(unsafe_code, reason = "mount namespaces and signals")]
#![allow(clippy::print_stderr, reason = "a skip is printed")]

mod build;
mod filesystem;
mod host;
mod log;
mod run;
mod scratch;
mod skip;

pub use build::{
    compile, compile_rust, compile_text, copy_product, launcher, library, library_with_panics,
    project,
};
pub use filesystem::Filesystems;
pub use host::{Host, Outcome};
pub use log::{Lines, parse, parse_text};
pub use run::{Output, Run, call, find_program};
pub use scratch::Scratch;
pub use skip::skip;

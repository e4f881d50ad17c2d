//! What the tests stand on: the built product, programs to run under it, places to run them in.

mod build;
mod filesystem;
mod host;
mod log;
mod run;
mod scratch;
mod skip;

pub use build::{
    compile, compile_rust, compile_text, launcher, library, library_with_panics, project,
};
pub use filesystem::Filesystems;
pub use host::{Host, Outcome};
pub use log::{Lines, parse, parse_text};
pub use run::{Output, Run, call, find_program};
pub use scratch::Scratch;
pub use skip::skip;

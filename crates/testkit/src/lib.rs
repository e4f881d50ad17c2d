//! The harness of the black-box tests. It builds the product and the C programs, runs programs with
//! and without the library, mounts filesystems, and parses logs.
//!
//! * [`library`], [`launcher`]: the built product; [`compile`]: a program of c-tests/
//! * [`userland`], [`compiler`]: the same tests with another C library or on another machine
//! * [`Run`] starts a program once and returns its [`Output`], or a [`Running`] program; nothing waits
//!   without a limit
//! * [`Host`] starts a program of c-tests/ repeatedly; a [`HostRun`] holds everything that one run left
//! * [`Scratch`], [`Filesystems`], [`LoopDevice`]: places to copy from and to
//! * [`parse`], [`parse_text`], [`parse_call`]: the lines of a log
//! * [`read_json`], [`read_json_lines`]: what the tools print as JSON, held against its schema
//! * [`skip()`]: reports a test that cannot run on this machine
#![allow(unsafe_code, reason = "mount namespaces and signals")]
#![allow(clippy::print_stderr, reason = "a skip is printed")]

mod build;
mod filesystem;
mod host;
mod log;
mod loop_device;
mod run;
mod running;
mod schema;
mod scratch;
mod skip;
mod user;

pub use build::{
    BUILD_LIMIT, compile, compile_go, compile_rust, compile_text, compiler, copy_product,
    is_foreign, launcher, library, project, unoptimized_library, userland,
};
pub use filesystem::Filesystems;
pub use host::{Host, HostRun, LeftFile};
pub use log::{LogLines, parse, parse_call, parse_text, without_rule};
pub use loop_device::LoopDevice;
pub use run::{Output, Run, find_program};
pub use running::{Running, until};
pub use schema::{is_described, read_foreign_json, read_json, read_json_lines};
pub use scratch::Scratch;
pub use skip::skip;
pub use user::is_root;

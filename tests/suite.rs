//! The black-box tests: real programs under the built library and the built launcher. One folder for
//! each part of the product, all in one program, which links once and runs its tests in parallel.
#![allow(
    unsafe_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test program exports nothing, makes system calls and fails by panicking"
)]

mod c_api;
mod cli;
mod docs;
mod emulation;
mod install;
mod preload;
mod repository;
mod supervisor;

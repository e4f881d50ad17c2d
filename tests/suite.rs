//! The black-box tests: real programs under the library and the launcher as they are shipped.
//!
//! One folder a part of the product, all in one program: it links once and its tests run side by side.
#![allow(unreachable_pub, unsafe_code, reason = "nobody links a test program")]
#![allow(clippy::print_stderr, reason = "a skip is said aloud")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod cli;
mod docs;
mod emulation;
mod install;
mod preload;
mod repository;

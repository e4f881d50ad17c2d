//! The black-box tests: real programs under the library and the launcher as they are shipped.
//!
//! One module a part of the product, in one program: it links once and its tests run side by side.
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

mod harness;

mod architecture;
mod backend;
mod careful;
mod dialects;
mod docs;
mod doors;
mod examples;
mod expect;
mod faults;
mod figures;
mod hazards;
mod header;
mod inspect;
mod install;
mod kernel;
mod launcher;
mod layouts;
mod log;
mod paths;
mod probe;
mod profiles;
mod programs;
mod progress;
mod report;
mod settings;
mod sharing;
mod summary;
mod sweep;
mod swept;
mod trouble;
mod twins;

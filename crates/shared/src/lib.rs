//! What libcfr.so and the command `cfr` agree on: settings, faults, records of calls, their
//! formats, and the counters in shared memory.
//!
//! Like the engine, this crate is `no_std` and does not allocate.
//!
//! A file uses only what stands above it in this list.
#![no_std]
#![forbid(unsafe_code)]
#![doc(html_no_source)]

#[cfg(test)]
extern crate std;

pub mod line;

pub mod record;

pub mod stats;

pub mod format;

pub mod inject;

pub mod settings;

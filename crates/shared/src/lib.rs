//! What libcfr.so and the command `cfr` share: settings, faults, records of calls, their formats,
//! and the counters in shared memory.
//!
//! Like the engine, this crate is `no_std` and does not allocate, because libcfr.so runs it in
//! signal handlers of the host.
//!
//! A file uses only files above it in this list.
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

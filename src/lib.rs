//! libcfr.so: the library inside a host, a process that may not have asked for it.
//!
//! The host outranks this library. No code here aborts, exits, waits for a lock, allocates while a
//! call is carried out, changes errno on success, or writes to a descriptor that is not proven to be
//! the library's own. What a call *means* is in the crate `cfr-engine`.
//!
//! A file uses only files above it in this list. ARCHITECTURE.md follows one call through it.
//!
//! It needs no C library and no unwinder: `panic = "abort"` in both profiles (Cargo.toml). Only when
//! cargo builds it as a dependency of the tests, where panics unwind, is it linked with std.
#![cfg_attr(panic = "abort", no_std)]

#[cfg(panic = "abort")]
mod no_std;

#[cfg(panic = "abort")]
mod memory_functions;

mod route;

mod environment;

mod runtime;

mod configuration;

mod summary;

mod hooks;

mod capi;

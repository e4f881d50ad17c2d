//! What a `copy_file_range` call means: its arguments, the facts about its files, the rules of a
//! dialect, the choice of a backend, and the copy itself.
//!
//! This crate knows nothing of preloading and does not allocate: it is `no_std`, so that each
//! function may run in a signal handler, after `fork` in a threaded program, or while the host's
//! heap is corrupt.
//!
//! A file uses only what stands above it in this list.
#![no_std]
#![forbid(unsafe_code)]
#![doc(html_no_source)]

#[cfg(test)]
extern crate std;

pub mod flags;

pub mod hook;

pub mod call;

pub mod diag;

pub mod facts;

pub mod dialect;

mod backend;

mod plan;

pub mod execution;

//! What a `copy_file_range` call means: its arguments, the facts about its files, the rules of a
//! dialect, the choice of a copy method, and the copy itself.
//!
//! This crate does not depend on preloading and does not allocate: it is `no_std`, so that each
//! function may run in a signal handler, after `fork` in a threaded program, or while the host's
//! heap is corrupt.
//!
//! A file uses only files that are above it in this list.
#![no_std]
#![forbid(unsafe_code)]
#![doc(html_no_source)]

#[cfg(test)]
extern crate std;

pub mod flags;

pub mod hook;

pub mod near_miss;

pub mod call;

pub mod diag;

pub mod facts;

pub mod dialect;

pub mod policy;

mod backend;

mod plan;

pub mod execution;

//! What a `copy_file_range` call means: its arguments, its outcome, its log line, its settings.
//!
//! This crate knows nothing of preloading and refuses to allocate: it is `no_std`, so that
//! whatever stands here may run in a signal handler, after `fork` in a threaded program, or
//! while the host's heap is in ruins. Unsafe code stands in [`sys`] and nowhere else.
//!
//! A file uses only what stands above it in this list.
#![no_std]
#![doc(html_no_source)]

#[cfg(test)]
extern crate std;

pub mod errno;
pub mod flags;
mod signal;

pub mod door;

pub mod sys;

pub mod call;

pub mod trail;

pub mod facts;

pub mod dialect;

mod backend;

mod plan;

pub mod engine;

pub mod line;

pub mod record;

pub mod account;

pub mod format;

pub mod fault;

pub mod settings;

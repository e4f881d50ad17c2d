//! What a `copy_file_range` call means: its arguments, the facts about its files, the rules of a
//! dialect, the choice of a copy method, and the copy itself.
//!
//! This crate does not depend on preloading and does not allocate: it is `no_std`, so that each
//! function may run in a signal handler, after `fork` in a threaded program, or while the host's
//! heap is corrupt.
//!
//! A program that copies through the engine chooses a [policy](policy::Policy), and gets an
//! [outcome](execution::Outcome) for each call:
//!
//! ```
//! use cfr_engine::call::Method;
//! use cfr_engine::dialect;
//! use cfr_engine::execution::Execution;
//! use cfr_engine::flags::Flags;
//! use cfr_engine::policy::{Backend, Checks, Policy};
//! use cfr_sys::errno::ErrnoSet;
//! use cfr_sys::{Args, OffsetPointer};
//! use std::os::fd::AsRawFd;
//!
//! # let directory = std::env::temp_dir().join(format!("cfr-engine-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! # let (source, target) = (directory.join("source"), directory.join("target"));
//! std::fs::write(&source, "five bytes and more")?;
//! let (from, to) = (std::fs::File::open(&source)?, std::fs::File::create(&target)?);
//! let policy = Policy {
//!     dialect: dialect::DEFAULT,
//!     checks: Checks::Enforce,
//!     default_flags: Flags(0),
//!     backend: Backend::Emulate,
//!     fallback: ErrnoSet::NONE,
//!     verify: false,
//! };
//! let args = Args {
//!     fd_in: from.as_raw_fd(),
//!     off_in: OffsetPointer::new(std::ptr::null_mut()),
//!     fd_out: to.as_raw_fd(),
//!     off_out: OffsetPointer::new(std::ptr::null_mut()),
//!     len: 4,
//!     flags: 0,
//! };
//! let kernel = |args: &Args| (cfr_sys::copy_file_range(args), Method::Kernel);
//! let outcome = Execution::new(&args, &policy).run(None, kernel);
//! assert_eq!((outcome.answer, outcome.method), (Ok(4), Method::Emulated));
//! assert_eq!(std::fs::read(&target)?, b"five");
//!
//! // A rule of the dialect answers a call that it forbids, and says why.
//! let unknown = Args { flags: 1 << 30, ..args };
//! let outcome = Execution::new(&unknown, &policy).run(None, kernel);
//! assert_eq!(outcome.answer.unwrap_err().name(), Some("EINVAL"));
//! assert_eq!(outcome.rule.unwrap().id, "flags");
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), std::io::Error>(())
//! ```
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

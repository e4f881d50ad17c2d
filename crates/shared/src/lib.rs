//! What libcfr.so and the command `cfr` share: settings, faults, records of calls, their formats,
//! and the counters in shared memory.
//!
//! Like the engine, this crate is `no_std` and does not allocate, because libcfr.so runs it in
//! signal handlers of the host.
//!
//! A [record](record::Record) is a call with its outcome and context. `{:?}` is its line in the text
//! log, `{:#?}` the one in the JSON log:
//!
//! ```
//! use cfr_engine::call::{Call, Method, Offset, Request};
//! use cfr_engine::dialect;
//! use cfr_engine::execution::Outcome;
//! use cfr_engine::flags::Flags;
//! use cfr_engine::hook::Hook;
//! use cfr_shared::record::{Context, Ending, Record};
//!
//! let call = Call {
//!     request: Request::Copy,
//!     fd_in: 3,
//!     off_in: Offset::File,
//!     fd_out: 4,
//!     off_out: Offset::At(4096),
//!     len: 100,
//!     flags: Flags(0),
//! };
//! let context = Context {
//!     time_ns: 1_795_341_701_246_407_000,
//!     duration_ns: 21_000,
//!     pid: 42,
//!     ending: Ending::Returned,
//!     tid: Some(42),
//!     comm: Some(b"cp"),
//!     hook: Hook::CopyFileRange,
//!     path_in: Some(b"/src/a"),
//!     path_out: Some(b"/dst/b"),
//!     offsets_after: (None, Some(4196)),
//!     sharing: None,
//!     dialect: dialect::DEFAULT,
//!     injected: false,
//!     delayed: false,
//! };
//! let record = Record { call: &call, outcome: &Outcome::new(Ok(100), Method::Kernel), context };
//! assert_eq!(
//!     format!("{record:?}"),
//!     "42 1795341701.246407 copy_file_range(3</src/a>, NULL, 4</dst/b>, [4096], 100, 0) \
//!      = 100 (kernel) <0.000021>",
//! );
//! assert!(format!("{record:#?}").contains(r#""off_out_after":4196"#));
//! ```
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

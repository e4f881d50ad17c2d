//! What was asked and what happened, as one `tracing` event.
//!
//! The event's message is the record itself, unformatted: whatever subscriber is installed, the
//! library's own or one of a Rust program that links this crate, has it formatted into its own
//! buffer. How a record looks is in [`crate::format`].

use crate::call::{Answer, Call, Method};
use crate::door::Door;
use tracing::info;

/// The target of the one event per call.
pub const TARGET: &str = "cfr::call";

/// One call, answered.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// When it began, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Process.
    pub pid: i32,
    /// Thread; `None` where no format asks for it.
    pub tid: Option<i32>,
    /// The thread's name; `None` where no format asks for it.
    pub comm: Option<&'a [u8]>,
    /// Through which function it came.
    pub door: Door,
    /// What was asked.
    pub call: Call,
    /// The source's path, or what /proc calls it; `None` where unknown or not asked for.
    pub path_in: Option<&'a [u8]>,
    /// The target's path.
    pub path_out: Option<&'a [u8]>,
    /// `*off_in` and `*off_out` afterwards, in bytes.
    pub offsets_after: (Option<i64>, Option<i64>),
    /// What the host was told.
    pub answer: Answer,
    /// How the bytes moved.
    pub method: Method,
    /// From asking until the answer, in nanoseconds.
    pub duration_ns: u64,
}

impl Record<'_> {
    /// Sends the record to the subscriber.
    #[inline]
    pub fn emit(&self) {
        info!(target: TARGET, message = ?self);
    }
}

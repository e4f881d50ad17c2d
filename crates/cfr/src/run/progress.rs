//! `--progress`: shows the copies in flight on a terminal.
//!
//! The progress of a copy is read from the size of its target, so the program is not slowed down.

use crate::term::failure::printable;
use crate::term::small_thread::small_thread;
use crate::term::status_line;
use cfr_engine::call::Call;
use cfr_shared::format::Bytes;
use cfr_shared::stats::{Extent, InFlight, Stats};
use cfr_sys as sys;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// The time between two updates.
const INTERVAL: Duration = Duration::from_millis(200);
/// Copies that take less than this are not shown, in nanoseconds.
const SHORT_NS: u64 = 200_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// The longest wait for a filesystem that does not respond.
const MAX_END_WAIT: Duration = Duration::from_secs(1);

/// A thread that shows the copies in flight until this value is dropped.
pub(crate) struct ProgressThread {
    /// Ends the thread when it is dropped.
    end: Option<Sender<()>>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl ProgressThread {
    /// Starts to show the calls in flight.
    pub(crate) fn new(stats: Stats) -> ProgressThread {
        let (end, is_over) = mpsc::channel::<()>();
        let (at_end, ended) = mpsc::channel::<()>();
        // If the thread cannot be started, no progress is shown.
        let _ = small_thread(move || {
            let mut copies = Vec::new();
            while is_over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                copies = update(&stats, &copies);
                show(&copies);
            }
            status_line::erase();
            drop(at_end);
        });
        ProgressThread { end: Some(end), ended }
    }
}

impl Drop for ProgressThread {
    fn drop(&mut self) {
        drop(self.end.take());
        // The thread may be blocked by a filesystem if its server does not respond.
        if self.ended.recv_timeout(MAX_END_WAIT) == Err(RecvTimeoutError::Timeout) {
            status_line::erase();
        }
    }
}

/// What the progress of a call is read from.
struct CallInProgress {
    pid: i32,
    tid: i32,
    begun_ns: u64,
    fd_in: i32,
    fd_out: i32,
    len: u64,
    extent: Extent,
}

impl CallInProgress {
    fn of(call: &InFlight) -> Option<CallInProgress> {
        let Call { fd_in, fd_out, len, .. } = call.call();
        Some(CallInProgress {
            pid: call.pid(),
            tid: call.tid()?,
            begun_ns: call.begun_ns(),
            fd_in,
            fd_out,
            len: len as u64,
            extent: call.extent()?,
        })
    }
}

/// A copy in flight, as it was last seen. A program may need several calls for it.
struct CopyInFlight {
    call: CallInProgress,
    source: OpenFile,
    target: OpenFile,
    /// The begin of the first call that was seen, by the monotonic clock.
    since_ns: u64,
    /// The target's size before the first call, in bytes.
    size_before: u64,
    at_ns: u64,
    /// The current speed, in bytes a second.
    rate: u64,
}

impl CopyInFlight {
    fn is_of(&self, call: &CallInProgress) -> bool {
        (self.call.pid, self.call.fd_in, self.call.fd_out) == (call.pid, call.fd_in, call.fd_out)
    }

    /// Returns the bytes that the call asks for: a reflink of 0 bytes is one of all up to the end.
    fn asked_for(&self) -> u64 {
        match self.call.len {
            0 => self.source.size,
            len => len.min(self.source.size),
        }
    }

    /// Returns the offset in the source up to which it is copied. `None` if it is unknown, because
    /// existing bytes are overwritten.
    fn reached(&self) -> Option<u64> {
        let Extent { off_in, off_out, .. } = self.call.extent;
        let size = self.target.size;
        let at = size.checked_sub(off_out)?.checked_add(off_in)?;
        (size > self.size_before && at <= self.source.size).then_some(at)
    }
}

/// Returns the copies in flight, the longest first.
fn update(stats: &Stats, before: &[CopyInFlight]) -> Vec<CopyInFlight> {
    let at_ns = sys::monotonic_ns();
    let copy = |call: InFlight| {
        let call = CallInProgress::of(&call)?;
        let (source, target) = (file(&call, call.fd_in)?, file(&call, call.fd_out)?);
        let last = before.iter().find(|last| last.is_of(&call) && last.target.path == target.path);
        let (since_ns, size_before) = last.map_or((call.begun_ns, call.extent.size_out), |last| {
            (last.since_ns, last.size_before)
        });
        let rate = last.map_or(0, |last| rate(last, target.size, at_ns));
        Some(CopyInFlight { call, source, target, since_ns, size_before, at_ns, rate })
    };
    let mut copies: Vec<_> = stats.in_flight().filter_map(copy).collect();
    copies.sort_by_key(|copy| copy.since_ns);
    copies
}

/// Returns the speed in bytes a second, as a moving average: disks are written to in bursts.
fn rate(last: &CopyInFlight, size: u64, at_ns: u64) -> u64 {
    let moved = u128::from(size.saturating_sub(last.target.size));
    let now = moved * u128::from(SECOND_NS) / u128::from(at_ns.saturating_sub(last.at_ns).max(1));
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    match last.rate {
        0 => now,
        rate => (rate / 4).saturating_mul(3).saturating_add(now / 4),
    }
}

/// Shows the longest of the copies that take long enough.
fn show(copies: &[CopyInFlight]) {
    let is_long = |copy: &&CopyInFlight| copy.at_ns.saturating_sub(copy.since_ns) >= SHORT_NS;
    let mut long = copies.iter().filter(is_long);
    match long.next() {
        Some(longest) => {
            let names = [&longest.source, &longest.target].map(|file| printable(&file.path));
            status_line::show_with_names(&parts(longest, long.count()), &names);
        }
        None => status_line::erase(),
    }
}

/// Describes a copy, and counts the others: the parts of a line, the most important first.
fn parts(copy: &CopyInFlight, others: usize) -> Vec<String> {
    let size = copy.source.size;
    let grown = copy.target.size.saturating_sub(copy.size_before);
    let seconds = copy.at_ns.saturating_sub(copy.since_ns) / SECOND_NS;
    let mut parts = vec![match copy.reached() {
        _ if !copy.source.has_size => format!("{} copied, {seconds} s", Bytes(grown)),
        Some(at) => {
            let percent = u128::from(at) * 100 / u128::from(size.max(1));
            format!("{} of {} ({percent} %)", Bytes(at), Bytes(size))
        }
        None => format!("{} asked for, {seconds} s", Bytes(copy.asked_for())),
    }];
    if copy.rate > 0 {
        parts.push(format!(", {}/s", Bytes(copy.rate)));
        if let Some(at) = copy.reached()
            && copy.source.has_size
        {
            let seconds = (size - at).div_ceil(copy.rate);
            parts.push(format!(", {}:{:02} left", seconds / 60, seconds % 60));
        }
    }
    if others > 0 {
        parts.push(format!(", and {others} more"));
    }
    parts
}

/// A file that another process has open.
struct OpenFile {
    path: PathBuf,
    size: u64,
    /// Whether the size is that of its data: a device has none.
    has_size: bool,
}

/// Returns the file behind a descriptor. `None` if it is closed, or not accessible.
fn file(call: &CallInProgress, fd: i32) -> Option<OpenFile> {
    let link = PathBuf::from(format!("/proc/{}/task/{}/fd/{fd}", call.pid, call.tid));
    let metadata = fs::metadata(&link).ok()?;
    let path = fs::read_link(&link).ok()?;
    Some(OpenFile { path, size: metadata.len(), has_size: metadata.is_file() })
}

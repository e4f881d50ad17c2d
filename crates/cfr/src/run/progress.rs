//! `--progress`: the copies that are under way, on a terminal.
//!
//! How far a copy has come is seen at its target, which grows: the program is not held up for it.

use crate::term::failure::plain;
use crate::term::status_line;
use cfr_shared::format::Bytes;
use cfr_shared::stats::{InFlight, Stats};
use cfr_sys as sys;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How often the line changes.
const INTERVAL: Duration = Duration::from_millis(200);
/// What is over sooner is not worth a line, in nanoseconds.
const SHORT_NS: u64 = 200_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// How long a filesystem that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread that shows them, until this is dropped.
pub(crate) struct Live {
    /// Dropped, it ends the thread.
    end: Option<Sender<()>>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl Live {
    /// Begins to show the calls under way in `accounts`.
    pub(crate) fn new(accounts: Stats) -> Live {
        let (end, is_over) = mpsc::channel::<()>();
        let (at_end, ended) = mpsc::channel::<()>();
        // Where no thread can be had, nothing is shown.
        let _ = thread::Builder::new().spawn(move || {
            let mut sights = Vec::new();
            while is_over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                sights = look(&accounts, &sights);
                show(&sights);
            }
            status_line::erase();
            drop(at_end);
        });
        Live { end: Some(end), ended }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.end.take());
        // A file that it looks at may lie on a filesystem whose server is gone.
        if self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            status_line::erase();
        }
    }
}

/// One copy, as it was last seen. A program may need several calls for it.
struct Sight {
    /// The call under way.
    way: InFlight,
    source: Seen,
    target: Seen,
    /// When the first call was seen to have begun, by the monotonic clock.
    since_ns: u64,
    /// The target's size before that, in bytes.
    size_before: u64,
    at_ns: u64,
    /// Bytes a second, as of late.
    rate: u64,
}

impl Sight {
    fn is_of(&self, way: &InFlight) -> bool {
        (self.way.pid, self.way.fd_in, self.way.fd_out) == (way.pid, way.fd_in, way.fd_out)
    }

    /// Up to where the source is copied, in bytes; `None` where that cannot be seen, because what is
    /// there is overwritten.
    fn reached(&self) -> Option<u64> {
        let InFlight { off_in, off_out, .. } = self.way;
        let size = self.target.size;
        let at = size.checked_sub(off_out)?.checked_add(off_in)?;
        (size > self.size_before && at <= self.source.size).then_some(at)
    }
}

/// The copies under way now, the longest first.
fn look(accounts: &Stats, before: &[Sight]) -> Vec<Sight> {
    let at_ns = sys::monotonic_ns();
    let sight = |way: InFlight| {
        let (source, target) = (file(&way, way.fd_in)?, file(&way, way.fd_out)?);
        let last = before.iter().find(|last| last.is_of(&way) && last.target.path == target.path);
        let (since_ns, size_before) =
            last.map_or((way.start_ns, way.size_out), |last| (last.since_ns, last.size_before));
        let rate = last.map_or(0, |last| rate(last, target.size, at_ns));
        Some(Sight { way, source, target, since_ns, size_before, at_ns, rate })
    };
    let mut sights: Vec<_> = accounts.in_flight().filter_map(sight).collect();
    sights.sort_by_key(|sight| sight.since_ns);
    sights
}

/// Bytes a second. Writing to a disk comes in waves: of the last seconds, and not of this moment.
fn rate(last: &Sight, size: u64, at_ns: u64) -> u64 {
    let moved = u128::from(size.saturating_sub(last.target.size));
    let now = moved * u128::from(SECOND_NS) / u128::from(at_ns.saturating_sub(last.at_ns).max(1));
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    match last.rate {
        0 => now,
        rate => (rate / 4).saturating_mul(3).saturating_add(now / 4),
    }
}

/// Shows the longest of those that are worth a line.
fn show(sights: &[Sight]) {
    let is_long = |sight: &&Sight| sight.at_ns.saturating_sub(sight.since_ns) >= SHORT_NS;
    let mut long = sights.iter().filter(is_long);
    match long.next() {
        Some(longest) => status_line::show(&line(longest, long.count())),
        None => status_line::erase(),
    }
}

/// What is said of a copy, and of how many besides.
fn line(sight: &Sight, others: usize) -> String {
    let mut line = String::new();
    let size = sight.source.size;
    // Writing into a String cannot fail.
    let _ = match sight.reached() {
        Some(at) => {
            let percent = u128::from(at) * 100 / u128::from(size.max(1));
            write!(line, "{} of {} ({percent} %)", Bytes(at), Bytes(size))
        }
        None => {
            let seconds = sight.at_ns.saturating_sub(sight.since_ns) / SECOND_NS;
            write!(line, "{} asked for, {seconds} s", Bytes(sight.way.len.min(size)))
        }
    };
    if sight.rate > 0 {
        let _ = write!(line, ", {}/s", Bytes(sight.rate));
        if let Some(at) = sight.reached() {
            let seconds = (size - at).div_ceil(sight.rate);
            let _ = write!(line, ", {}:{:02} left", seconds / 60, seconds % 60);
        }
    }
    if others > 0 {
        let _ = write!(line, ", and {others} more");
    }
    let _ = write!(line, ": {} -> {}", plain(&sight.source.path), plain(&sight.target.path));
    line
}

/// A descriptor of a process, seen from outside.
struct Seen {
    path: PathBuf,
    size: u64,
}

/// `None` where it is gone, or not ours to see.
fn file(way: &InFlight, fd: i32) -> Option<Seen> {
    let link = PathBuf::from(format!("/proc/{}/task/{}/fd/{fd}", way.pid, way.tid));
    Some(Seen { size: fs::metadata(&link).ok()?.len(), path: fs::read_link(&link).ok()? })
}

//! `--progress`: the copies that are under way, on a terminal.
//!
//! How far a copy has come is seen at its target, which grows: the program is not held up for it.

use crate::failure::plain;
use crate::progress;
use cfr_core::account::{Accounts, UnderWay};
use cfr_core::format::Bytes;
use cfr_core::sys;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the line changes.
const INTERVAL: Duration = Duration::from_millis(200);
/// What is over sooner is not worth a line, in nanoseconds.
const SHORT_NS: u64 = 200_000_000;

/// A thread that shows them, until this is dropped.
pub(crate) struct Live {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Begins to show the calls under way in `accounts`; does nothing where no terminal is.
    pub(crate) fn new(accounts: Accounts) -> Live {
        if !progress::is_watched() {
            return Live { end: None, thread: None };
        }
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let mut last = None;
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                last = show(&accounts, last);
            }
            progress::erase();
        });
        Live { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say but that it is done.
            let _ = thread.join();
        }
    }
}

/// How far one call's copy has come.
#[derive(Clone, Copy)]
struct Sight {
    way: UnderWay,
    at_ns: u64,
    /// The target's size in bytes.
    reached: u64,
    /// Bytes a second, as of late.
    rate: u64,
}

/// Shows the longest of the calls under way; what was seen of it.
fn show(accounts: &Accounts, last: Option<Sight>) -> Option<Sight> {
    let now_ns = sys::monotonic_ns();
    let mut ways: Vec<_> = accounts
        .under_way()
        .filter(|way| now_ns.saturating_sub(way.begun_ns) >= SHORT_NS)
        .filter_map(|way| Some((way, file(&way, way.fd_in)?, file(&way, way.fd_out)?)))
        .collect();
    ways.sort_by_key(|(way, ..)| way.begun_ns);
    let Some((way, source, target)) = ways.first() else {
        progress::erase();
        return last;
    };
    let before = last.filter(|last| is_same_copy(&last.way, way));
    let rate = before.map_or(0, |before| {
        let moved = target.size.saturating_sub(before.reached);
        let now = u128::from(moved) * 1_000_000_000 / u128::from((now_ns - before.at_ns).max(1));
        // Writing to a disk comes in waves.
        (before.rate * 3 + u64::try_from(now).unwrap_or(u64::MAX)) / 4
    });
    let rate = if before.is_some_and(|before| before.rate == 0) { rate * 4 } else { rate };
    progress::show(&line(way, source, target, rate, now_ns, ways.len()));
    Some(Sight { way: *way, at_ns: now_ns, reached: target.size, rate })
}

/// Whether both are calls for one copy: a program may need several.
fn is_same_copy(one: &UnderWay, other: &UnderWay) -> bool {
    (one.pid, one.fd_in, one.fd_out) == (other.pid, other.fd_in, other.fd_out)
}

fn line(
    way: &UnderWay,
    source: &Seen,
    target: &Seen,
    rate: u64,
    now_ns: u64,
    count: usize,
) -> String {
    let mut line = String::new();
    if target.size > way.off_out && target.size <= source.size {
        let percent = target.size.saturating_mul(100) / source.size.max(1);
        line += &format!("{} of {} ({percent} %)", Bytes(target.size), Bytes(source.size));
    } else {
        // It overwrites what is there: nothing shows how far it is.
        let seconds = now_ns.saturating_sub(way.begun_ns) / 1_000_000_000;
        line += &format!("{} asked for, {seconds} s", Bytes(way.len.min(source.size)));
    }
    if rate > 0 {
        line += &format!(", {}/s", Bytes(rate));
    }
    if count > 1 {
        line += &format!(", and {} more", count - 1);
    }
    format!("{line}: {} -> {}", plain(&source.path), plain(&target.path))
}

/// A descriptor of a process, seen from outside.
struct Seen {
    path: PathBuf,
    size: u64,
}

/// `None` where it is gone, or not ours to see.
fn file(way: &UnderWay, fd: i32) -> Option<Seen> {
    let link = PathBuf::from(format!("/proc/{}/task/{}/fd/{fd}", way.pid, way.tid));
    Some(Seen { size: fs::metadata(&link).ok()?.len(), path: fs::read_link(&link).ok()? })
}

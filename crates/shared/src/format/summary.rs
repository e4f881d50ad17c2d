//! The summary: what it is about, and which of its rows are shown. One file a form.

use crate::stats::{Counter, Pair, SlowCall, Stats};
use cfr_sys::errno::Errno;
use core::fmt;

/// The accounts of one process or of many, and who they are of.
pub struct Summary<'a> {
    /// What was counted.
    pub accounts: &'a Stats,
    /// The program, for the heading.
    pub program: &'a [u8],
    /// The process; `None` where it is about all that the program started.
    pub pid: Option<i32>,
    /// What each line of the table begins with.
    pub prefix: &'a str,
}

impl Summary<'_> {
    /// Room in bytes for the longest object, and so for the longest table: every error, every number
    /// as long as it gets, and names of escapes alone.
    pub const MAX_LEN: usize = 16 << 10;
}

/// The most that one name may take, in bytes.
pub(super) const ROOM_FOR_NAME: usize = 200;
/// Shares of the calls, in thousandths, and their names.
pub(super) const PERCENTILES: [(u64, &str); 3] = [(500, "p50"), (900, "p90"), (990, "p99")];
/// What came of calls besides bytes and errors: in the table, in the object.
pub(super) const RESULTS: [(&str, &str, Counter); 8] = [
    ("end of file", "end_of_file", Counter::EndOfFile),
    ("differing", "differing", Counter::Differing),
    ("shared", "shared", Counter::Shared),
    ("partly shared", "partly_shared", Counter::PartlyShared),
    ("not shared", "not_shared", Counter::NotShared),
    ("injected", "injected", Counter::Injected),
    ("delayed", "delayed", Counter::Delayed),
    ("lines lost", "lines_lost", Counter::LinesLost),
];

/// How many of the slowest calls and of the busiest pairs are shown.
const SHOWN: usize = 5;

pub(super) fn error_name(errno: Option<Errno>) -> &'static str {
    errno.and_then(Errno::name).unwrap_or("other errors")
}

/// The slowest calls, the slowest first.
pub(super) fn slowest(accounts: &Stats) -> impl Iterator<Item = SlowCall> {
    largest(accounts.slowest(), SlowCall::duration_ns)
}

/// The pairs of files between which most bytes moved, or most calls were made.
pub(super) fn busiest(accounts: &Stats) -> impl Iterator<Item = Pair> {
    largest(accounts.pairs(), |pair| (pair.bytes, pair.calls))
}

/// The sums of calls, bytes, errors and time over the pairs that [`busiest`] leaves out.
pub(super) fn others(accounts: &Stats) -> Others {
    let unlisted = Others {
        calls: accounts.get(Counter::UnlistedCalls),
        bytes: accounts.get(Counter::UnlistedBytes),
        errors: accounts.get(Counter::UnlistedErrors),
        time_ns: accounts.get(Counter::UnlistedDuration),
    };
    let all = accounts.pairs().fold(unlisted, |sums, pair| sums.with(&pair, u64::wrapping_add));
    busiest(accounts).fold(all, |sums, pair| sums.with(&pair, u64::wrapping_sub))
}

/// Sums over several pairs of files.
#[derive(Clone, Copy)]
pub(super) struct Others {
    pub(super) calls: u64,
    pub(super) bytes: u64,
    pub(super) errors: u64,
    pub(super) time_ns: u64,
}

impl Others {
    fn with(self, pair: &Pair, operation: fn(u64, u64) -> u64) -> Others {
        Others {
            calls: operation(self.calls, pair.calls),
            bytes: operation(self.bytes, pair.bytes),
            errors: operation(self.errors, pair.errors),
            time_ns: operation(self.time_ns, pair.time_ns),
        }
    }
}

/// Those of the largest `key`, the largest first. Nothing is sorted, and no memory is needed for that.
fn largest<T: Copy, K: PartialOrd>(
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = T> {
    let mut largest: [Option<T>; SHOWN] = [None; SHOWN];
    for one in all {
        let mut one = Some(one);
        for place in &mut largest {
            if one.as_ref().map(&key) > place.as_ref().map(&key) {
                core::mem::swap(place, &mut one);
            }
        }
    }
    largest.into_iter().flatten()
}

/// Has `write` write each, with a separator between.
pub(super) fn separated<T>(
    out: &mut impl fmt::Write,
    all: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut dyn fmt::Write, T) -> fmt::Result,
) -> fmt::Result {
    for (place, one) in all.enumerate() {
        if place > 0 {
            out.write_char(',')?;
        }
        write(out, one)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_largest_come_first() {
        let seen: Vec<_> = largest([3u64, 9, 1, 9, 4, 0, 2].into_iter(), |&one| one).collect();
        assert_eq!(seen, [9, 9, 4, 3, 2]);
    }
}

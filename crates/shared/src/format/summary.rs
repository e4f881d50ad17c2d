//! The summary of stats, and which of its rows are shown; summary_table.rs and summary_json.rs write
//! it.

use crate::stats::{Counter, InFlight, Pair, ProgramSums, SlowCall, Stats, Sums};
use cfr_engine::call::Method;
use cfr_sys::errno::Errno;
use core::fmt;

/// A summary of stats, with the program that they are of.
pub struct Summary<'a> {
    pub stats: &'a Stats,
    /// The program's name, for the heading.
    pub program: &'a [u8],
    /// The process; `None` for the program with all processes that it started.
    pub pid: Option<i32>,
    /// The beginning of each line of the table.
    pub prefix: &'a str,
    /// What the launcher knows of the run; `None` for a process without one.
    pub run: Option<Run<'a>>,
}

/// A run of a program: when, where and what.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The start in RFC 3339, UTC.
    pub start: &'a str,
    /// The time from the start to the program's end, in nanoseconds.
    pub wall_ns: u64,
    /// The name of the machine.
    pub host: &'a [u8],
    /// The program and its arguments.
    pub command: &'a [&'a [u8]],
}

/// The version of this program or library.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Summary<'_> {
    /// The most bytes of a summary: a JSON object with every error, the longest numbers, and paths in
    /// which every byte is escaped. A table is shorter.
    pub const MAX_LEN: usize = 24 << 10;
}

/// The most bytes of an escaped path or name.
pub(super) const MAX_NAME: usize = 200;
/// The percentiles that are shown: thousandths of the calls, and the name.
pub(super) const PERCENTILES: [(u64, &str); 3] = [(500, "p50"), (900, "p90"), (990, "p99")];
/// Further counters that are shown: the name in the table, the key in the object.
pub(super) const RESULTS: [(&str, &str, Counter); 10] = [
    ("end of file", "end_of_file", Counter::EndOfFile),
    ("differing", "differing", Counter::Differing),
    ("not compared", "not_compared", Counter::NotCompared),
    ("shared", "shared", Counter::Shared),
    ("partly shared", "partly_shared", Counter::PartlyShared),
    ("not shared", "not_shared", Counter::NotShared),
    ("injected", "injected", Counter::Injected),
    ("delayed", "delayed", Counter::Delayed),
    ("let through", "let_through", Counter::LetThrough),
    ("lines lost", "lines_lost", Counter::LinesLost),
];

/// The most slow calls, and the most pairs, that are shown.
const MAX_SHOWN: usize = 5;

pub(super) fn error_name(errno: Option<Errno>) -> &'static str {
    errno.and_then(Errno::name).unwrap_or("other errors")
}

/// Returns the first calls that have not returned.
pub(super) fn unfinished(stats: &Stats) -> impl Iterator<Item = InFlight> {
    stats.in_flight().take(MAX_SHOWN)
}

/// Returns the slowest calls, the slowest first.
pub(super) fn slowest(stats: &Stats) -> impl Iterator<Item = SlowCall> {
    largest(stats.slowest(), SlowCall::duration_ns)
}

/// Returns the pairs with the most bytes, or the most calls if the bytes are equal.
pub(super) fn busiest(stats: &Stats) -> impl Iterator<Item = Pair> {
    largest(stats.pairs(), |pair| (pair.sums.bytes, pair.sums.calls))
}

/// Returns the pairs of which every copy was refused, those with the most refusals first.
pub(super) fn never_copied(stats: &Stats) -> impl Iterator<Item = Pair> {
    let refused = stats.pairs().filter(|pair| pair.sums.errors > 0 && pair.most_bytes() == 0);
    largest(refused, |pair| pair.sums.errors)
}

/// Returns the sums over all pairs that [`busiest`] does not return.
pub(super) fn other_pairs(stats: &Stats) -> Sums {
    let all = stats.pairs().fold(stats.unlisted_pairs(), |all, pair| all.plus(pair.sums));
    busiest(stats).fold(all, |rest, pair| rest.minus(pair.sums))
}

/// Returns the programs with the most bytes, or the most calls if the bytes are equal.
pub(super) fn programs(stats: &Stats) -> impl Iterator<Item = ProgramSums> {
    largest(stats.programs(), |program| (program.sums.bytes, program.sums.calls))
}

/// Returns the sums over all programs that [`programs`] does not return.
pub(super) fn other_programs(stats: &Stats) -> Sums {
    let all = stats.programs().fold(stats.unlisted_programs(), |all, one| all.plus(one.sums));
    programs(stats).fold(all, |rest, one| rest.minus(one.sums))
}

/// Copied bytes, and the nanoseconds that the calls took.
#[derive(Clone, Copy, Default)]
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) duration_ns: u64,
}

impl Copied {
    /// Returns what the calls with a method copied.
    pub(super) fn by(stats: &Stats, method: Method) -> Copied {
        let (_, duration_ns) = stats.method_copies(method);
        Copied { bytes: stats.method_totals(method).1, duration_ns }
    }

    /// Returns what was copied by moving bytes; shared blocks move none.
    pub(super) fn all(stats: &Stats) -> Copied {
        let moving = Method::ALL.into_iter().filter(|method| method.moves_bytes());
        moving.fold(Copied::default(), |all, method| {
            let Copied { bytes, duration_ns } = Copied::by(stats, method);
            Copied {
                bytes: all.bytes.saturating_add(bytes),
                duration_ns: all.duration_ns.saturating_add(duration_ns),
            }
        })
    }

    /// Returns the bytes a second; `None` if there were none, or took no time.
    pub(super) fn speed(self) -> Option<u64> {
        const SECOND: u64 = 1_000_000_000;
        let Copied { bytes, duration_ns } = self;
        if bytes == 0 || duration_ns == 0 {
            return None;
        }
        let exact = bytes.checked_mul(SECOND).map(|all| all / duration_ns);
        Some(exact.unwrap_or_else(|| bytes / (duration_ns / SECOND).max(1)))
    }
}

/// Returns the items with the largest keys, the largest first, without allocating memory to sort.
fn largest<T: Copy, K: PartialOrd>(
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = T> {
    let mut largest: [Option<T>; MAX_SHOWN] = [None; MAX_SHOWN];
    for item in all {
        let mut item = Some(item);
        for slot in &mut largest {
            if item.as_ref().map(&key) > slot.as_ref().map(&key) {
                core::mem::swap(slot, &mut item);
            }
        }
    }
    largest.into_iter().flatten()
}

/// Calls `write` with each item, and writes commas between them.
pub(super) fn separated<T>(
    out: &mut dyn fmt::Write,
    all: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut dyn fmt::Write, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in all.enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write(out, item)?;
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

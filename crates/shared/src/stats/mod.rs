//! What a process or a tree of processes has copied: counters that several processes may share, so
//! they are words that are added to, never locked, and complete at any moment, however a process ends.

mod in_flight;
mod latency;
mod pairs;
mod recent_lines;
mod slot;
mod slow;

pub use in_flight::{InFlight, InFlightGuard};
pub use pairs::{FileIds, Pair};
pub use recent_lines::RecentLine;
pub use slot::PathEnd;
pub use slow::SlowCall;

use crate::record::Record;
use cfr_engine::call::{DedupeTarget, Method, Request};
use cfr_engine::hook::Hook;
use cfr_sys::Sharing;
use cfr_sys::errno::Errno;
use core::sync::atomic::{AtomicU64, Ordering};
use in_flight::{IN_FLIGHT_WORDS, MAX_IN_FLIGHT};
use latency::{BUCKETS, bucket, top};
use pairs::{MAX_PAIRS, PAIR_WORDS};
use recent_lines::{COUNT_WORDS, LINE_WORDS, MAX_LINES};
use slot::Slot;
use slow::{MAX_SLOW_CALLS, SLOW_WORDS};

/// The accounts, over memory that starts as zeros.
#[derive(Clone, Copy)]
pub struct Stats {
    words: &'static [AtomicU64],
}

/// A part of the words, by its first and how many it has.
#[derive(Clone, Copy)]
struct Part(usize, usize);

impl Part {
    const fn after(before: Part, len: usize) -> Part {
        Part(before.0 + before.1, len)
    }

    const fn end(self) -> usize {
        self.0 + self.1
    }
}

/// Single numbers, by their place among the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Counter {
    /// Programs that the library came into: a process that executes another is counted again, a child
    /// made by fork(2) is not.
    Programs,
    /// Calls through watched hooks.
    Calls,
    /// What whoever made the accounts wants to know: [`Collect`].
    Collect,
    /// The process whose accounts these are; 0 for a tree's.
    Owner,
    /// Calls of which a summary was written.
    Summarized,
    /// Lines of the log that were lost.
    LinesLost,
    /// Nanoseconds that the calls took together.
    Duration,
    /// Calls that returned 0: the source's end, or a length of 0.
    EndOfFile,
    /// Calls whose target shares its blocks.
    Shared,
    /// Calls of whose target some blocks are shared.
    PartlyShared,
    /// Calls whose target shares none.
    NotShared,
    /// Ranges that were to be deduplicated and differ.
    Differing,
    /// Calls on pairs of files beyond those that are listed.
    UnlistedCalls,
    /// Their bytes.
    UnlistedBytes,
    /// Those of them that failed.
    UnlistedErrors,
    /// Nanoseconds that they took together.
    UnlistedDuration,
    /// Nanoseconds that the slowest call took.
    MaxDuration,
    /// Calls that a fault has answered, shortened or sent a signal to.
    Injected,
    /// Calls that a fault has delayed.
    Delayed,
}

impl Counter {
    /// What adds up over several accounts.
    const SUMS: [Counter; 15] = [
        Counter::Programs,
        Counter::Calls,
        Counter::LinesLost,
        Counter::Duration,
        Counter::EndOfFile,
        Counter::Shared,
        Counter::PartlyShared,
        Counter::NotShared,
        Counter::Differing,
        Counter::UnlistedCalls,
        Counter::UnlistedBytes,
        Counter::UnlistedErrors,
        Counter::UnlistedDuration,
        Counter::Injected,
        Counter::Delayed,
    ];
}

/// What is counted besides programs and calls: the bits of [`Counter::Collect`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collect(u64);

impl Collect {
    /// Nothing else.
    pub const NOTHING: Collect = Collect(0);
    /// All that the summary tells.
    pub const SUMMARY: Collect = Collect(1);
    /// Which calls are under way.
    pub const PROGRESS: Collect = Collect(2);
    /// The lines of the latest calls; only with [`Collect::SUMMARY`].
    pub const LINES: Collect = Collect(4);

    /// Both.
    #[must_use]
    pub const fn union(self, other: Collect) -> Collect {
        Collect(self.0 | other.0)
    }

    /// Whether all that `other` names is wanted.
    #[must_use]
    pub const fn contains(self, other: Collect) -> bool {
        self.0 & other.0 == other.0
    }
}

const TOTALS: Part = Part(0, 24);
const HOOKS: Part = Part::after(TOTALS, Hook::ALL.len());
const METHOD_CALLS: Part = Part::after(HOOKS, Method::ALL.len());
const METHOD_BYTES: Part = Part::after(METHOD_CALLS, Method::ALL.len());
/// By errno; place 0 for those beyond.
const ERRORS: Part = Part::after(METHOD_BYTES, NUMBERS);
const LATENCY: Part = Part::after(ERRORS, BUCKETS);
const SLOWEST: Part = Part::after(LATENCY, MAX_SLOW_CALLS * SLOW_WORDS);
const PAIRS: Part = Part::after(SLOWEST, MAX_PAIRS * PAIR_WORDS);
const IN_FLIGHT: Part = Part::after(PAIRS, MAX_IN_FLIGHT * IN_FLIGHT_WORDS);
const RECENT_LINES: Part = Part::after(IN_FLIGHT, COUNT_WORDS + MAX_LINES * LINE_WORDS);

/// More than the largest errno(3) with a name.
const NUMBERS: usize = 134;

impl Stats {
    /// Lists every pair and keeps every slow call, for tests of what is made of them: files of their own
    /// each.
    #[cfg(test)]
    pub(crate) fn list_all(&self) {
        for (number, slot) in self.slots(PAIRS, PAIR_WORDS).enumerate() {
            pairs::list(slot, number as u64);
        }
        self.slots(SLOWEST, SLOW_WORDS).for_each(slow::show);
    }

    /// How many words they take.
    pub const WORDS: usize = RECENT_LINES.end();

    /// The accounts over these words; `None` where they are too few.
    #[must_use]
    pub fn over(words: &'static [AtomicU64]) -> Option<Stats> {
        (words.len() >= Self::WORDS).then_some(Stats { words })
    }

    /// One of the single numbers.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, total: Counter) -> u64 {
        self.words.get(total as usize).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Adds to one of the single numbers.
    #[inline(always)]
    pub fn add(&self, total: Counter, count: u64) {
        if let Some(word) = self.words.get(total as usize) {
            word.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Sets one of the single numbers.
    pub fn set(&self, total: Counter, value: u64) {
        if let Some(word) = self.words.get(total as usize) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Says what is wanted of whoever counts here.
    pub fn set_collect(&self, wanted: Collect) {
        self.set(Counter::Collect, wanted.0);
    }

    /// Whether this is wanted.
    #[must_use]
    #[inline(always)]
    pub fn collects(&self, wanted: Collect) -> bool {
        Collect(self.get(Counter::Collect)).contains(wanted)
    }

    fn raise(&self, total: Counter, value: u64) {
        if let Some(word) = self.words.get(total as usize) {
            word.fetch_max(value, Ordering::Relaxed);
        }
    }

    fn part(&self, part: Part) -> &'static [AtomicU64] {
        self.words.get(part.0..part.end()).unwrap_or_default()
    }

    /// The slots of a part, each of `len` words.
    fn slots(&self, part: Part, len: usize) -> impl Iterator<Item = Slot> + Clone + use<> {
        self.part(part).chunks_exact(len).map(Slot)
    }

    /// The same, beginning with number `start`.
    fn slots_from(&self, part: Part, len: usize, start: usize) -> impl Iterator<Item = Slot> {
        let count = part.1 / len;
        let words = self.part(part);
        let at = move |index: usize| {
            let first = (start + index) % count * len;
            Some(Slot(words.get(first..first + len)?))
        };
        (0..count).filter_map(at)
    }

    fn in_part(&self, part: Part, index: usize, count: u64) {
        if let Some(word) = self.part(part).get(index) {
            word.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn read(&self, part: Part, index: usize) -> u64 {
        self.part(part).get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Counts an answered call on these two files. Its paths are kept where they are needed
    /// ([`Stats::needs_paths`]).
    pub fn count(&self, record: &Record<'_>, files: Option<&FileIds>) {
        let is_first =
            !matches!(record.call.request, Request::Dedupe(DedupeTarget { number: 2.., .. }));
        // Of a call on several targets its time counts once.
        if is_first {
            self.in_part(HOOKS, record.hook as usize, 1);
            self.add(Counter::Duration, record.duration_ns);
            self.in_part(LATENCY, bucket(record.duration_ns), 1);
            self.raise(Counter::MaxDuration, record.duration_ns);
            self.add(Counter::Injected, record.injected.into());
            self.add(Counter::Delayed, record.delayed.into());
        }
        self.in_part(METHOD_CALLS, record.method as usize, 1);
        self.in_part(METHOD_BYTES, record.method as usize, record.bytes);
        let errno = record.errno();
        match (errno, record.call.request) {
            (Some(errno), _) => {
                let number = usize::try_from(errno.0).ok().filter(|&number| number < NUMBERS);
                self.in_part(ERRORS, number.unwrap_or(0), 1);
            }
            (None, Request::Dedupe(DedupeTarget { status: Some(1..), .. })) => {
                self.add(Counter::Differing, 1);
            }
            (None, Request::Copy | Request::Send) if record.bytes == 0 => {
                self.add(Counter::EndOfFile, 1);
            }
            (None, _) => {}
        }
        match record.sharing {
            None => {}
            Some(Sharing::Shared) => self.add(Counter::Shared, 1),
            Some(Sharing::PartlyShared) => self.add(Counter::PartlyShared, 1),
            Some(Sharing::NotShared) => self.add(Counter::NotShared, 1),
        }
        if is_first {
            self.keep_if_slow(record);
        }
        if let Some(files) = files {
            self.count_between(files, record);
        }
    }

    /// Adds what stands in other accounts, as if it had been counted here.
    pub fn merge(&self, other: &Stats) {
        for total in Counter::SUMS {
            self.add(total, other.get(total));
        }
        self.raise(Counter::MaxDuration, other.max_duration_ns());
        for part in [HOOKS, METHOD_CALLS, METHOD_BYTES, ERRORS, LATENCY] {
            for (ours, theirs) in self.part(part).iter().zip(other.part(part)) {
                ours.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        self.merge_slow(other);
        self.merge_pairs(other);
        if self.collects(Collect::LINES) {
            self.merge_lines(other);
        }
    }

    /// Whether [`Stats::count`] would keep the paths of a call on these files, that took so long.
    #[must_use]
    pub fn needs_paths(&self, files: Option<&FileIds>, duration_ns: u64) -> bool {
        duration_ns > self.least_slow().1 || files.is_some_and(|files| self.would_list(files))
    }

    /// Calls that came through `hook`.
    #[must_use]
    pub fn hook_calls(&self, hook: Hook) -> u64 {
        self.read(HOOKS, hook as usize)
    }

    /// Calls that were answered.
    #[must_use]
    pub fn finished(&self) -> u64 {
        Hook::ALL.into_iter().fold(0, |sum, hook| sum.saturating_add(self.hook_calls(hook)))
    }

    /// Calls that came in and were not answered: they are under way still, or their process died in
    /// them.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.get(Counter::Calls).saturating_sub(self.finished())
    }

    /// Bytes copied or shared.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        Method::ALL
            .into_iter()
            .fold(0, |sum, method| sum.saturating_add(self.method_totals(method).1))
    }

    /// Calls, and their bytes, that were answered by `method`.
    #[must_use]
    pub fn method_totals(&self, method: Method) -> (u64, u64) {
        (self.read(METHOD_CALLS, method as usize), self.read(METHOD_BYTES, method as usize))
    }

    /// Calls that failed, by their errors; `None` stands for all that have no name.
    pub fn errors(&self) -> impl Iterator<Item = (Option<Errno>, u64)> {
        let errors = self.part(ERRORS).iter().zip(0..);
        errors.filter_map(|(word, number)| {
            let count = word.load(Ordering::Relaxed);
            (count > 0).then_some(((number > 0).then_some(Errno(number)), count))
        })
    }

    /// The time that this share of the calls did not exceed, in nanoseconds and at most an eighth too
    /// high; `share` is in thousandths. 0 where there were none.
    #[must_use]
    pub fn latency_ns(&self, share: u64) -> u64 {
        let buckets = self.part(LATENCY);
        let counts = || buckets.iter().map(|word| word.load(Ordering::Relaxed));
        let calls = counts().fold(0u64, u64::saturating_add);
        let wanted = calls.saturating_mul(share).div_ceil(1000);
        let mut seen = 0u64;
        for (index, count) in counts().enumerate() {
            seen = seen.saturating_add(count);
            if seen >= wanted && seen > 0 {
                return top(index).min(self.max_duration_ns());
            }
        }
        0
    }

    /// The time of the slowest call, in nanoseconds.
    #[must_use]
    pub fn max_duration_ns(&self) -> u64 {
        self.get(Counter::MaxDuration)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    pub(super) fn accounts() -> Stats {
        let words: Vec<AtomicU64> = (0..Stats::WORDS).map(|_| AtomicU64::new(0)).collect();
        Stats::over(Box::leak(words.into_boxed_slice())).unwrap()
    }

    #[test]
    fn parts_do_not_overlap() {
        assert!((Counter::Delayed as usize) < TOTALS.1);
        assert!(Stats::over(&[]).is_none());
        let accounts = accounts();
        for word in accounts.part(IN_FLIGHT).iter().chain(accounts.part(TOTALS)) {
            word.store(7, Ordering::Relaxed);
        }
        assert_eq!(accounts.pairs().count(), 0);
        assert_eq!(accounts.get(Counter::UnlistedBytes), 7);
    }

    /// Whoever has the launcher's accounts can write anything there.
    #[test]
    fn garbage_is_read_to_its_end() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for round in 0..200 {
            let accounts = accounts();
            for word in accounts.words {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let value = match (round % 4, state % 5) {
                    (0, _) => state,
                    (1, _) => u64::MAX,
                    (_, 0) => state,
                    (_, small) => small - 1,
                };
                word.store(value, Ordering::Relaxed);
            }
            let other = tests::accounts();
            other.merge(&accounts);
            for accounts in [accounts, other] {
                let _ = (accounts.latency_ns(990), accounts.bytes(), accounts.unfinished());
                assert!(accounts.pairs().count() <= MAX_PAIRS);
                assert!(accounts.slowest().count() <= MAX_SLOW_CALLS);
                assert!(accounts.in_flight().count() <= MAX_IN_FLIGHT);
                assert!(accounts.recent_lines().count() <= MAX_LINES);
                assert!(
                    accounts
                        .recent_lines()
                        .all(|line| line.bytes().count() <= crate::line::MAX_LINE)
                );
                for (source, target) in accounts.pairs().map(|pair| pair.names()) {
                    assert!(source.bytes().len() + target.bytes().len() <= 192);
                }
            }
        }
    }
}

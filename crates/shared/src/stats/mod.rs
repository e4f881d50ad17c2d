//! Counters of a process or of a tree of processes.
//!
//! They are words of memory that several processes may share. Each is changed by one atomic
//! operation and nothing is locked, so they can be read at any moment, and they stay valid if a
//! process is killed.
//!
//! A file uses only files above it in this list.

mod latency;

mod layout;

mod slot;

mod slow;

mod heavy;

mod pairs;

mod programs;

mod in_flight;

mod recent_lines;

mod stopped;

mod own_filters;

mod fault_counts;

mod line_ring;

pub use fault_counts::{FaultCounts, MAX_FAULTS};
pub use heavy::Sums;
pub use in_flight::{Beginning, CallBeginning, Extent, InFlight, InFlightGuard};
pub use layout::{Collect, Counter};
pub use line_ring::{LineRing, LineRings, Place, log_id, stderr_id};
pub use own_filters::OwnFilter;
pub use pairs::{FileId, FileIds, Pair};
pub use programs::ProgramSums;
pub use recent_lines::RecentLine;
pub use slot::PathEnd;
pub use slow::SlowCall;
pub use stopped::Stopped;

use crate::record::{Ending, Record, Whole};
use cfr_engine::call::{DedupeTarget, Method, Request};
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use cfr_sys::{Mark, Sharing};
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering};
use fault_counts::FAULTS;
use latency::{bucket, upper_bound};
use layout::{
    COUNTERS, ERRNOS, ERRORS, HOOKS, LATENCY, METHOD_BYTES, METHOD_CALLS, METHOD_COPIES,
    METHOD_TIME, SUPERVISED, Section,
};
use slot::Slot;
use stopped::STOPPED;

/// The counters, in memory that starts as zeros.
#[derive(Clone, Copy)]
pub struct Stats {
    words: &'static [AtomicU64],
}

impl Stats {
    /// The words that the counters need.
    pub const WORDS: usize = FAULTS.end();

    /// A number that another layout of the words does not have: see [`Counter::Layout`].
    pub const LAYOUT: u64 = layout::fingerprint(
        env!("CARGO_PKG_VERSION").as_bytes(),
        &[
            LATENCY.end(),
            slow::SLOW_CALLS.end(),
            pairs::PAIRS.section.end(),
            programs::PROGRAMS.section.end(),
            in_flight::IN_FLIGHT.end(),
            Self::WORDS,
        ],
    );

    /// What tells the launcher's memory file of counters from any other file.
    pub const MARK: Mark = Mark { at: Counter::Layout as usize, word: Self::LAYOUT };

    /// Returns the counters in these words; `None` if there are too few.
    #[must_use]
    pub fn over(words: &'static [AtomicU64]) -> Option<Stats> {
        (words.len() >= Self::WORDS).then_some(Stats { words })
    }

    /// The words that a process needs to say that it has no room for more.
    pub const LEAST_WORDS: RangeInclusive<usize> = COUNTERS.len..=COUNTERS.len;

    /// Counts a program that has no room for the counters, in the first [`Stats::LEAST_WORDS`].
    pub fn count_uncounted(words: &'static [AtomicU64]) {
        let first = Stats { words };
        first.add(Counter::Programs, 1);
        first.add(Counter::Uncounted, 1);
    }

    /// Returns the calls that the supervisor carries out; `None` if there is no room for them.
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        Stopped::over(self.section(STOPPED))
    }

    /// Returns the counts of the faults; `None` unless [`Collect::FAULTS`] is wanted.
    #[must_use]
    pub fn faults(&self) -> Option<FaultCounts> {
        self.collects(Collect::FAULTS).then(|| FaultCounts::over(self.section(FAULTS))).flatten()
    }

    /// Fills all words, for tests of what another process can write there.
    #[cfg(test)]
    pub(crate) fn fill_with_garbage(&self, round: u64) {
        fill_with_garbage(self.words, round);
    }

    /// Fills all pairs, programs and slow calls, for tests of the longest summary.
    #[cfg(test)]
    pub(crate) fn fill_all_slots(&self) {
        let (pairs, programs) = (pairs::PAIRS.of(self), programs::PROGRAMS.of(self));
        for (slot, number) in pairs.slots().zip(0..).chain(programs.slots().zip(0..)) {
            heavy::show(slot, number);
        }
        self.slots(slow::SLOW_CALLS, slow::WORDS).for_each(slow::show);
        self.show_all_in_flight();
    }

    #[must_use]
    #[inline(always)]
    pub fn get(&self, counter: Counter) -> u64 {
        self.words.get(counter as usize).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    #[inline(always)]
    pub fn add(&self, counter: Counter, count: u64) {
        if let Some(word) = self.words.get(counter as usize) {
            word.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub fn set(&self, counter: Counter, value: u64) {
        if let Some(word) = self.words.get(counter as usize) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Returns the value of a counter, and sets it to 0.
    #[must_use]
    pub fn take(&self, counter: Counter) -> u64 {
        self.words.get(counter as usize).map_or(0, |word| word.swap(0, Ordering::Relaxed))
    }

    /// Sets what the processes that count here collect.
    pub fn set_collect(&self, collect: Collect) {
        self.set(Counter::Collect, collect.bits());
    }

    /// Reports whether this is to be collected.
    #[must_use]
    #[inline(always)]
    pub fn collects(&self, collect: Collect) -> bool {
        Collect::from_bits(self.get(Counter::Collect)).contains(collect)
    }

    /// Reports whether any of this is to be collected.
    #[must_use]
    #[inline(always)]
    pub fn collects_any(&self, collect: Collect) -> bool {
        Collect::from_bits(self.get(Counter::Collect)).overlaps(collect)
    }

    fn raise(&self, counter: Counter, value: u64) {
        if let Some(word) = self.words.get(counter as usize) {
            word.fetch_max(value, Ordering::Relaxed);
        }
    }

    fn section(&self, section: Section) -> &'static [AtomicU64] {
        self.words.get(section.start..section.end()).unwrap_or_default()
    }

    /// Returns the slots of a section, each of `len` words.
    fn slots(&self, section: Section, len: usize) -> impl Iterator<Item = Slot> + Clone + use<> {
        self.section(section).chunks_exact(len).map(Slot)
    }

    /// Returns the same slots, beginning with the one at index `start`.
    fn slots_from(&self, section: Section, len: usize, start: usize) -> impl Iterator<Item = Slot> {
        let count = section.len / len;
        let words = self.section(section);
        let at = move |index: usize| {
            let first = (start + index) % count * len;
            Some(Slot(words.get(first..first + len)?))
        };
        (0..count).filter_map(at)
    }

    fn add_at(&self, section: Section, index: usize, count: u64) {
        if let Some(word) = self.section(section).get(index) {
            word.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn get_at(&self, section: Section, index: usize) -> u64 {
        self.section(section).get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Counts a finished call. `whole` is what it did on all its targets, `files` are its two files, if
    /// known. That it is counted is noted of the call in flight, if it is one.
    pub fn count(
        &self,
        record: &Record<'_>,
        whole: Whole,
        files: Option<&FileIds>,
        in_flight: Option<&InFlightGuard>,
    ) {
        let is_first =
            !matches!(record.call.request, Request::Dedupe(DedupeTarget { number: 2.., .. }));
        match record.context.ending {
            Ending::Returned => {}
            // Its result is unknown.
            Ending::LetThrough(_) => return self.add_at(HOOKS, record.context.hook as usize, 1),
            Ending::Unfinished => {
                self.add(Counter::Injected, record.context.injected.into());
                self.add(Counter::Delayed, record.context.delayed.into());
                return if is_first {
                    self.keep_unfinished(record)
                };
            }
        }
        // A call with several targets has a record for each; its time counts once.
        if is_first {
            // Next to each other: the process may be killed in between.
            if let Some(in_flight) = in_flight {
                in_flight.note_counted();
            }
            self.add_at(HOOKS, record.context.hook as usize, 1);
            if record.context.hook == Hook::Seccomp {
                self.add_at(SUPERVISED, record.call.request.hook() as usize, 1);
            }
            self.add(Counter::Duration, record.context.duration_ns);
            self.add_at(LATENCY, bucket(record.context.duration_ns), 1);
            self.raise(Counter::MaxDuration, record.context.duration_ns);
            self.add(Counter::Injected, record.context.injected.into());
            self.add(Counter::Delayed, record.context.delayed.into());
        }
        self.add_at(METHOD_CALLS, record.outcome.method as usize, 1);
        self.add_at(METHOD_BYTES, record.outcome.method as usize, record.outcome.bytes);
        // The supervisor makes its copies itself.
        if record.context.hook != Hook::Seccomp {
            self.add(Counter::Accounted, record.outcome.accounted);
        }
        let once_ns = if is_first { record.context.duration_ns } else { 0 };
        // It is the time of what the call did, on whichever target.
        let (shared_ns, duration_ns) = if whole.bytes > 0 { (once_ns, 0) } else { (0, once_ns) };
        self.add_at(METHOD_TIME, whole.method as usize, shared_ns);
        let (errno, bytes) = (record.errno(), record.outcome.bytes);
        match (errno, record.call.request) {
            (Some(errno), _) => {
                let number = usize::try_from(errno.0).ok().filter(|&number| number < ERRNOS);
                self.add_at(ERRORS, number.unwrap_or(0), 1);
                self.add(Counter::ErrorTime, duration_ns);
            }
            (None, Request::Dedupe(DedupeTarget { status: Some(1..), .. })) => {
                self.add(Counter::Differing, 1);
            }
            (None, Request::Dedupe(_)) if bytes == 0 => self.add(Counter::NotCompared, 1),
            (None, Request::Copy | Request::Send) if bytes == 0 => {
                self.add(Counter::EndOfFile, 1);
                self.add(Counter::EndOfFileTime, duration_ns);
            }
            (None, _) => {
                self.add_at(METHOD_COPIES, record.outcome.method as usize, 1);
                self.add_at(METHOD_TIME, record.outcome.method as usize, duration_ns);
            }
        }
        if let Some((sharing, shared)) = record.context.sharing {
            self.add(
                match sharing {
                    Sharing::Shared => Counter::Shared,
                    Sharing::PartlyShared => Counter::PartlyShared,
                    Sharing::NotShared => Counter::NotShared,
                },
                1,
            );
            self.add(Counter::SharedBytes, shared);
            self.add(Counter::NotSharedBytes, bytes.saturating_sub(shared));
        }
        if is_first {
            self.keep_if_slow(record, whole);
        }
        let sums = Sums { calls: 1, bytes, errors: errno.is_some().into(), duration_ns: once_ns };
        if let Some(files) = files {
            // Each target's pair has the time of the whole call.
            let duration_ns = record.context.duration_ns;
            self.count_pair(files, record, Sums { duration_ns, ..sums });
        }
        self.count_program(record, sums);
    }

    /// Counts supervised calls that only their threads can make, because the supervisor was killed or
    /// its workers are stuck: they have no line. Of these `begun` were counted when they began.
    pub fn count_let_through(&self, calls: u64, begun: u64) {
        self.add(Counter::Calls, calls.saturating_sub(begun));
        self.add(Counter::LetThrough, calls);
        self.add(Counter::NotMade, calls);
        self.add_at(HOOKS, Hook::Seccomp as usize, calls);
    }

    /// Adds the counts of other processes, as if they had been counted here.
    pub fn merge(&self, other: &Stats) {
        for counter in Counter::SUMS {
            self.add(counter, other.get(counter));
        }
        self.raise(Counter::MaxDuration, other.max_duration_ns());
        let sections = [
            HOOKS, SUPERVISED, METHOD_CALLS, METHOD_BYTES, METHOD_COPIES, METHOD_TIME, ERRORS,
            LATENCY,
        ];
        for section in sections {
            for (ours, theirs) in self.section(section).iter().zip(other.section(section)) {
                ours.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        self.merge_slow(other);
        self.merge_pairs(other);
        self.merge_programs(other);
        other.own_filters().for_each(|one| self.note_own_filter(one.pid, one.name()));
        self.merge_in_flight(other);
        if self.collects(Collect::LINES) {
            self.merge_lines(other);
        }
    }

    /// Returns the finished calls through `hook`.
    #[must_use]
    pub fn hook_calls(&self, hook: Hook) -> u64 {
        self.get_at(HOOKS, hook as usize)
    }

    /// Returns the finished calls that a fault with `hook=` applies to: those through `hook`, and
    /// supervised calls of the system call that is named like it.
    #[must_use]
    pub fn calls_like(&self, hook: Hook) -> u64 {
        self.hook_calls(hook).saturating_add(self.get_at(SUPERVISED, hook as usize))
    }

    /// Returns the finished calls.
    #[must_use]
    pub fn finished(&self) -> u64 {
        Hook::ALL.into_iter().fold(0, |sum, hook| sum.saturating_add(self.hook_calls(hook)))
    }

    /// Returns the calls that have begun and not finished: they are in flight, or their process was
    /// killed.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.get(Counter::Calls).saturating_sub(self.finished())
    }

    /// Returns the bytes that were copied or shared.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        Method::ALL
            .into_iter()
            .fold(0, |sum, method| sum.saturating_add(self.method_totals(method).1))
    }

    /// Returns the finished calls with `method`, and their bytes.
    #[must_use]
    pub fn method_totals(&self, method: Method) -> (u64, u64) {
        (self.get_at(METHOD_CALLS, method as usize), self.get_at(METHOD_BYTES, method as usize))
    }

    /// Returns the calls with `method` that copied or shared, and their durations together, in
    /// nanoseconds.
    #[must_use]
    pub fn method_copies(&self, method: Method) -> (u64, u64) {
        (self.get_at(METHOD_COPIES, method as usize), self.get_at(METHOD_TIME, method as usize))
    }

    /// Returns each error with the number of calls that failed with it. All errors without a name are
    /// counted together, as `None`.
    pub fn errors(&self) -> impl Iterator<Item = (Option<Errno>, u64)> {
        let errors = self.section(ERRORS).iter().zip(0..);
        errors.filter_map(|(word, number)| {
            let count = word.load(Ordering::Relaxed);
            (count > 0).then_some(((number > 0).then_some(Errno(number)), count))
        })
    }

    /// Returns the calls and targets that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Notes how many bytes the kernel counted as written by the tree. If they are fewer than the tree
    /// is known to have written, the kernel has not counted all processes, and nothing is known.
    pub fn set_written(&self, bytes: u64) {
        if let Some(otherwise) = bytes.checked_sub(self.get(Counter::Accounted)) {
            self.set(Counter::WrittenOtherwise, otherwise);
            self.set(Counter::KnowsOtherwise, 1);
        }
    }

    /// Returns the bytes that the tree wrote by other calls than copies, as far as the kernel counts
    /// them: by write(2), pwrite(2) and their like, to files, pipes and terminals. `None` if unknown.
    #[must_use]
    pub fn written_otherwise(&self) -> Option<u64> {
        (self.get(Counter::KnowsOtherwise) == 1).then(|| self.get(Counter::WrittenOtherwise))
    }

    /// Returns a percentile of the calls' durations in nanoseconds, at most an eighth too high; 0 if
    /// there were no calls. `share` is in thousandths: 990 is p99.
    #[must_use]
    pub fn latency_ns(&self, share: u64) -> u64 {
        let buckets = self.section(LATENCY);
        let counts = || buckets.iter().map(|word| word.load(Ordering::Relaxed));
        let calls = counts().fold(0u64, u64::saturating_add);
        let wanted = calls.saturating_mul(share).div_ceil(1000);
        let mut seen = 0u64;
        for (index, count) in counts().enumerate() {
            seen = seen.saturating_add(count);
            if seen >= wanted && seen > 0 {
                return upper_bound(index).min(self.max_duration_ns());
            }
        }
        0
    }

    /// Returns the duration of the slowest call, in nanoseconds.
    #[must_use]
    pub fn max_duration_ns(&self) -> u64 {
        self.get(Counter::MaxDuration)
    }
}

/// Fills words with what a broken program may write there: the same in each such round.
#[cfg(test)]
fn fill_with_garbage(words: &[AtomicU64], round: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(2 * round + 1);
    for word in words {
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
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    pub(super) fn stats() -> Stats {
        let words: Vec<AtomicU64> = (0..Stats::WORDS).map(|_| AtomicU64::new(0)).collect();
        Stats::over(Box::leak(words.into_boxed_slice())).unwrap()
    }

    #[test]
    fn sections_do_not_overlap() {
        assert!((Counter::Begun as usize) < Counter::Layout as usize);
        assert!(Stats::over(&[]).is_none());
        let stats = stats();
        for word in
            stats.section(in_flight::IN_FLIGHT).iter().chain(stats.section(layout::COUNTERS))
        {
            word.store(7, Ordering::Relaxed);
        }
        assert_eq!(stats.pairs().count(), 0);
        assert_eq!(stats.get(Counter::SharedBytes), 7);
    }

    /// Any process of the tree can write anything into the memory that it shares with the launcher.
    #[test]
    fn garbage_is_read_without_a_panic() {
        for round in 0..100 {
            let stats = stats();
            fill_with_garbage(stats.words, round);
            let other = tests::stats();
            other.merge(&stats);
            for stats in [stats, other] {
                let _ = (stats.latency_ns(990), stats.bytes(), stats.unfinished());
                assert!(stats.pairs().count() <= pairs::MAX_PAIRS);
                assert!(stats.slowest().count() <= slow::MAX_CALLS);
                assert!(stats.in_flight().count() <= in_flight::MAX_CALLS);
                for call in stats.in_flight() {
                    let _ = (call.end(), call.extent(), call.paths());
                    call.with_record(|record, program| {
                        let lines = [std::format!("{record:?}"), std::format!("{record:#?}")];
                        assert!(lines.iter().all(|line| line.len() < crate::line::MAX_LINE));
                        assert!(program.len() <= 256);
                    });
                }
                assert!(stats.recent_lines().count() <= recent_lines::MAX_LINES);
                assert!(
                    stats.recent_lines().all(|line| line.bytes().count() <= crate::line::MAX_LINE)
                );
                for (source, target) in stats.pairs().map(|pair| pair.paths()) {
                    assert!(source.bytes().len() + target.bytes().len() <= 192);
                }
            }
        }
    }
}

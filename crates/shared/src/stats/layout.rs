//! The layout of the words: single counters first, then sections of counters. The sections of slots
//! follow, each in the file of its slots and each after the one before it.

use super::latency::BUCKETS;
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;

/// A range of words.
#[derive(Clone, Copy)]
pub(super) struct Section {
    pub(super) start: usize,
    pub(super) len: usize,
}

impl Section {
    pub(super) const fn after(before: Section, len: usize) -> Section {
        Section { start: before.end(), len }
    }

    pub(super) const fn end(self) -> usize {
        self.start + self.len
    }
}

/// One word for each [`Counter`], and a few spare ones.
pub(super) const COUNTERS: Section = Section { start: 0, len: 40 };
/// The finished calls by hook.
pub(super) const HOOKS: Section = Section::after(COUNTERS, Hook::ALL.len());
/// Those of them that were supervised, by the hook that is named like the system call.
pub(super) const SUPERVISED: Section = Section::after(HOOKS, Hook::ALL.len());
/// The finished calls by method.
pub(super) const METHOD_CALLS: Section = Section::after(SUPERVISED, Method::ALL.len());
/// Their bytes.
pub(super) const METHOD_BYTES: Section = Section::after(METHOD_CALLS, Method::ALL.len());
/// Those of them that copied or shared.
pub(super) const METHOD_COPIES: Section = Section::after(METHOD_BYTES, Method::ALL.len());
/// The durations of those together, in nanoseconds.
pub(super) const METHOD_TIME: Section = Section::after(METHOD_COPIES, Method::ALL.len());
/// The failed calls by errno. Index 0 is for errors from [`ERRNOS`] on.
pub(super) const ERRORS: Section = Section::after(METHOD_TIME, ERRNOS);
/// The calls by duration.
pub(super) const LATENCY: Section = Section::after(ERRORS, BUCKETS);
/// One more than the largest errno with a name, EHWPOISON (133).
pub(super) const ERRNOS: usize = 134;

/// Returns a number of this version and of these numbers of its layout (FNV-1a).
pub(super) const fn fingerprint(version: &[u8], numbers: &[usize]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = version;
    while let [byte, after @ ..] = rest {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = after;
    }
    let mut rest = numbers;
    while let [number, after @ ..] = rest {
        hash = (hash ^ *number as u64).wrapping_mul(0x0100_0000_01b3);
        rest = after;
    }
    hash
}

/// The single counters, each at its index among the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Counter {
    /// Programs that the library was loaded into, and those that the supervisor saw copy without it. A
    /// process counts again if it executes another program; a child made by fork(2) does not count.
    Programs,
    /// Calls through watched hooks that have begun.
    Calls,
    /// The bits of [`Collect`].
    Collect,
    /// The process that these counters are of; 0 if they are of a tree.
    Owner,
    /// The value of [`Counter::Calls`] when the last summary was written.
    Summarized,
    /// Lines of the log that were lost.
    LinesLost,
    /// The calls' durations together, in nanoseconds.
    Duration,
    /// Calls that returned 0: at the end of the source, or with a length of 0.
    EndOfFile,
    /// Calls after which the target's range shared all its blocks.
    Shared,
    /// Calls after which it shared some of its blocks.
    PartlyShared,
    /// Calls after which it shared none.
    NotShared,
    /// Ranges that were to be deduplicated and differ.
    Differing,
    /// Ranges that were to be deduplicated and of which the kernel compared nothing.
    NotCompared,
    /// The durations of the calls that failed, in nanoseconds.
    ErrorTime,
    /// The durations of the calls that returned 0, in nanoseconds.
    EndOfFileTime,
    /// Bytes that the kernel counts as written by processes of the tree, and that are known: those of
    /// copies, and lines of the log.
    Accounted,
    /// 1 if [`Counter::WrittenOtherwise`] is known. Not of several trees.
    KnowsOtherwise,
    /// The bytes that the tree wrote otherwise.
    WrittenOtherwise,
    /// The bytes of the ranges that share all their blocks, and of the shared blocks of the others.
    SharedBytes,
    /// The other bytes of those ranges that have blocks.
    NotSharedBytes,
    /// The duration of the slowest call, in nanoseconds.
    MaxDuration,
    /// Calls that a fault failed or shortened, or that got a signal.
    Injected,
    /// Calls that a fault delayed.
    Delayed,
    /// Supervised calls that their thread had to make itself.
    LetThrough,
    /// Programs that loaded the library and do not watch all their calls, by settings of their own.
    Unwatched,
    /// Programs that loaded the library and leave their calls to the supervisor: the next library makes
    /// them, without the cookie.
    LeftToSupervisor,
    /// When the run began, in nanoseconds since 1970.
    Start,
    /// The same by the monotonic clock, in nanoseconds.
    Begun,
    /// Programs that loaded the library and had no room for these counters.
    Uncounted,
    /// Calls whose threads stopped waiting before the supervisor received them: they failed with EINTR,
    /// or were made again.
    Interrupted,
    /// Lines of calls that were let through without one, and that are not counted as lost yet.
    NotMade,
    /// [`Stats::LAYOUT`](super::Stats::LAYOUT), at the same place in each version: a reader that is
    /// another version than the launcher refuses the words.
    Layout = COUNTERS.len - 1,
}

impl Counter {
    /// The counters that are added up when stats are merged.
    pub(super) const SUMS: [Counter; 22] = [
        Counter::Programs,
        Counter::Calls,
        Counter::LinesLost,
        Counter::Duration,
        Counter::EndOfFile,
        Counter::Shared,
        Counter::PartlyShared,
        Counter::NotShared,
        Counter::Differing,
        Counter::NotCompared,
        Counter::ErrorTime,
        Counter::EndOfFileTime,
        Counter::SharedBytes,
        Counter::NotSharedBytes,
        Counter::Accounted,
        Counter::Injected,
        Counter::Delayed,
        Counter::LetThrough,
        Counter::Unwatched,
        Counter::LeftToSupervisor,
        Counter::Uncounted,
        Counter::Interrupted,
    ];
}

/// What is collected besides [`Counter::Programs`] and [`Counter::Calls`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collect(u64);

impl Collect {
    /// Nothing else.
    pub const NOTHING: Collect = Collect(0);
    /// All that the summary shows.
    pub const SUMMARY: Collect = Collect(1);
    /// The calls in flight, with what their progress is measured by.
    pub const PROGRESS: Collect = Collect(2);
    /// The lines of recent calls; only together with [`Collect::SUMMARY`].
    pub const LINES: Collect = Collect(4);
    /// The calls that each fault was about.
    pub const FAULTS: Collect = Collect(8);
    /// The calls in flight of the library, for the lines of those that do not return.
    pub const IN_FLIGHT: Collect = Collect(16);
    /// The files of the calls, which takes their paths; only together with [`Collect::SUMMARY`].
    pub const FILES: Collect = Collect(32);

    /// Returns what is in either of the two.
    #[must_use]
    pub const fn union(self, other: Collect) -> Collect {
        Collect(self.0 | other.0)
    }

    /// Reports whether all of `other` is included.
    #[must_use]
    pub const fn contains(self, other: Collect) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn overlaps(self, other: Collect) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Collect {
        Collect(bits)
    }
}

//! Sums for each pair of source and target.

use super::Stats;
use super::heavy::{KEY, Layout, Row, Sums};
use super::slot::{PATH_WORDS, PathEnd, Slot};
use super::slow::SLOW_CALLS;
use crate::record::Record;
use cfr_sys::Stat;

/// Identifies two files by device and inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileIds([u64; FILE_WORDS]);

const FILE_WORDS: usize = 4;

impl FileIds {
    /// Returns the identities of source and target.
    #[must_use]
    pub fn new(source: &Stat, target: &Stat) -> FileIds {
        let ([a, b], [c, d]) = (source.identity(), target.identity());
        FileIds([a, b, c, d])
    }
}

/// The most pairs with a slot.
pub(super) const MAX_PAIRS: usize = 256;

// After the key of a slot.
const PATH_IN: usize = KEY + FILE_WORDS;
const PATH_OUT: usize = PATH_IN + PATH_WORDS;

pub(super) const PAIRS: Layout<FILE_WORDS> = Layout::after(SLOW_CALLS, MAX_PAIRS, 2 * PATH_WORDS);

/// The sums of a pair of files.
#[derive(Clone, Copy)]
pub struct Pair {
    slot: Slot,
    pub sums: Sums,
    /// The most bytes that the sums may miss.
    pub missed: u64,
}

impl Pair {
    /// Returns the most bytes that may have been copied or shared.
    #[must_use]
    pub fn most_bytes(&self) -> u64 {
        self.sums.bytes.saturating_add(self.missed)
    }

    /// Returns the paths of source and target.
    #[must_use]
    pub fn paths(&self) -> (PathEnd, PathEnd) {
        (self.slot.path(PATH_IN), self.slot.path(PATH_OUT))
    }
}

impl Stats {
    /// Returns the pairs that have a slot, unordered.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        PAIRS.of(self).rows().map(|Row { slot, sums, missed }| Pair { slot, sums, missed })
    }

    /// Returns the sums over the pairs that have no slot.
    #[must_use]
    pub fn unlisted_pairs(&self) -> Sums {
        PAIRS.of(self).unlisted()
    }

    /// Returns the most bytes that a pair without a slot may have moved; 0 if every pair has one.
    #[must_use]
    pub fn most_of_unlisted_pair(&self) -> u64 {
        PAIRS.of(self).bound()
    }

    /// Reports whether a call on these files that moved `bytes` would take a slot.
    pub(super) fn would_store_pair(&self, files: &FileIds, bytes: u64) -> bool {
        PAIRS.of(self).would_store(&files.0, bytes)
    }

    pub(super) fn count_pair(&self, files: &FileIds, record: &Record<'_>, sums: Sums) {
        PAIRS.of(self).add(&files.0, (sums, 0), &|slot| {
            slot.store_path(PATH_IN, record.context.path_in);
            slot.store_path(PATH_OUT, record.context.path_out);
        });
    }

    pub(super) fn merge_pairs(&self, other: &Stats) {
        let paths = |ours: Slot, theirs: Slot| ours.copy_from(theirs, PATH_IN);
        PAIRS.of(self).merge(&PAIRS.of(other), &paths);
    }
}

//! Sums for each pair of source and target.

use super::Stats;
use super::heavy::{KEY, Layout, Row, Sums};
use super::slot::{PATH_WORDS, PathEnd, Slot};
use super::slow::SLOW_CALLS;
use crate::line::MAX_LINE;
use crate::record::Record;
use cfr_sys::Stat;

/// Identifies a file: by its path, so that a file that replaces another one under the same name is
/// the same, or by device and inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId([u64; 2]);

impl FileId {
    /// Returns the identity of the file with this path under /proc. `None` if the file was deleted, or if
    /// the path may be cut off.
    #[must_use]
    pub fn named(path: &[u8]) -> Option<FileId> {
        const DELETED: &[u8] = b" (deleted)";
        let is_whole = path.len() < MAX_LINE / 2 && !path.ends_with(DELETED);
        is_whole.then(|| FileId(hash(path)))
    }

    /// Returns the identity of the file by device and inode.
    #[must_use]
    pub fn of(stat: &Stat) -> FileId {
        FileId(stat.identity())
    }
}

/// Identifies two files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileIds([u64; FILE_WORDS]);

const FILE_WORDS: usize = 4;

impl FileIds {
    /// Returns the identities of source and target.
    #[must_use]
    pub fn new(FileId([a, b]): FileId, FileId([c, d]): FileId) -> FileIds {
        FileIds([a, b, c, d])
    }
}

/// Returns 128 bits that another path has with the probability of a chance only.
#[inline(never)]
fn hash(path: &[u8]) -> [u64; 2] {
    // Odd numbers: the bits of the golden ratio and of the square root of 2.
    const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c909];
    let mut hashes = [path.len() as u64; 2];
    for chunk in path.chunks(size_of::<u64>()) {
        let mut word = [0; size_of::<u64>()];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        let word = u64::from_le_bytes(word);
        for (hash, factor) in hashes.iter_mut().zip(FACTORS) {
            let mixed = (*hash ^ word).wrapping_mul(factor);
            *hash = mixed ^ mixed >> 29;
        }
    }
    hashes
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::format;

    #[test]
    fn a_path_is_a_file() {
        let name = |number: u32| format!("/srv/data/{}/file{number}", number % 7);
        let named = |path: &str| FileId::named(path.as_bytes()).unwrap().0;
        let of_many: HashSet<_> = (0..100_000).map(|number| named(&name(number))).collect();
        assert_eq!(of_many.len(), 100_000);
        assert_eq!(named("/srv/a"), named("/srv/a"));
        assert_ne!(named("/srv/a"), named("/srv/a\0"));
        assert_eq!(FileId::named(b"/srv/a (deleted)"), None);
        assert_eq!(FileId::named(&[b'/'; MAX_LINE / 2]), None);
    }
}

//! Counters for each pair of source and target. The first pairs have a slot each; calls on further
//! pairs are counted together.

use super::Stats;
use super::layout::{Counter, Section};
use super::slot::{PATH_WORDS, PathEnd, Slot};
use super::slow::SLOW_CALLS;
use crate::record::Record;
use cfr_sys::Stat;

/// Identifies two files by device and inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileIds([u64; 4]);

impl FileIds {
    /// Returns the identities of source and target.
    #[must_use]
    pub fn new(source: &Stat, target: &Stat) -> FileIds {
        let ([a, b], [c, d]) = (source.identity(), target.identity());
        FileIds([a, b, c, d])
    }

    fn hash(&self) -> usize {
        let mixed = self.0.iter().fold(0u64, |hash, word| {
            (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        usize::try_from(mixed >> 40).unwrap_or(0)
    }
}

/// The most pairs with a slot.
pub(super) const MAX_PAIRS: usize = 256;

// The words of a slot.
/// [`FREE`], [`BEING_WRITTEN`] or [`LISTED`].
const STATE: usize = 0;
const FILES: usize = 1;
const CALLS: usize = 5;
const BYTES: usize = 6;
const ERRORS: usize = 7;
const DURATION: usize = 8;
const PATH_IN: usize = 9;
const PATH_OUT: usize = PATH_IN + PATH_WORDS;
pub(super) const WORDS: usize = PATH_OUT + PATH_WORDS;

pub(super) const PAIRS: Section = Section::after(SLOW_CALLS, MAX_PAIRS * WORDS);

const FREE: u64 = 0;
const BEING_WRITTEN: u64 = 1;
const LISTED: u64 = 2;

/// The counters of a pair of files.
#[derive(Clone, Copy)]
pub struct Pair {
    slot: Slot,
    /// Finished calls.
    pub calls: u64,
    /// Bytes that were copied or shared.
    pub bytes: u64,
    /// Calls that failed.
    pub errors: u64,
    /// The calls' durations together, in nanoseconds.
    pub duration_ns: u64,
}

impl Pair {
    fn of(slot: Slot) -> Pair {
        Pair {
            slot,
            calls: slot.load(CALLS),
            bytes: slot.load(BYTES),
            errors: slot.load(ERRORS),
            duration_ns: slot.load(DURATION),
        }
    }

    fn plus(self, slot: Slot) -> Pair {
        let other = Pair::of(slot);
        Pair {
            slot: self.slot,
            calls: self.calls.saturating_add(other.calls),
            bytes: self.bytes.saturating_add(other.bytes),
            errors: self.errors.saturating_add(other.errors),
            duration_ns: self.duration_ns.saturating_add(other.duration_ns),
        }
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
        let all = self.slots(PAIRS, WORDS);
        all.clone().enumerate().filter_map(move |(index, slot)| {
            if slot.load(STATE) != LISTED {
                return None;
            }
            // Two threads may have taken a slot each for the same files.
            let files = files(slot);
            let same = |slot: &Slot| is_of(*slot, &files);
            let is_first = !all.clone().take(index).any(|slot| same(&slot));
            let others = all.clone().skip(index + 1).filter(same);
            is_first.then(|| others.fold(Pair::of(slot), Pair::plus))
        })
    }

    /// Returns all slots, beginning with the one that these files hash to.
    fn pairs_from(&self, files: &FileIds) -> impl Iterator<Item = Slot> {
        self.slots_from(PAIRS, WORDS, files.hash())
    }

    fn pair_slot(&self, files: &FileIds) -> Option<Slot> {
        self.pairs_from(files)
            .take_while(|slot| slot.load(STATE) != FREE)
            .find(|slot| is_of(*slot, files))
    }

    /// Reports whether the files have no slot yet and one is free.
    pub(super) fn would_list(&self, files: &FileIds) -> bool {
        let decides = |slot: &Slot| slot.load(STATE) == FREE || is_of(*slot, files);
        let found = self.pairs_from(files).find(decides);
        found.is_some_and(|slot| slot.load(STATE) == FREE)
    }

    pub(super) fn count_pair(&self, files: &FileIds, record: &Record<'_>) {
        let sums =
            [1, record.outcome.bytes, record.errno().is_some().into(), record.context.duration_ns];
        self.add_to_pair(files, sums, |slot| {
            slot.store_path(PATH_IN, record.context.path_in);
            slot.store_path(PATH_OUT, record.context.path_out);
        });
    }

    pub(super) fn merge_pairs(&self, other: &Stats) {
        for pair in other.pairs() {
            let sums = [pair.calls, pair.bytes, pair.errors, pair.duration_ns];
            let paths = |slot: Slot| slot.copy_from(pair.slot, PATH_IN);
            self.add_to_pair(&files(pair.slot), sums, paths);
        }
    }

    /// Adds calls, bytes, errors and duration. `store_paths` is called if the files take a slot.
    fn add_to_pair(&self, files: &FileIds, sums: [u64; 4], store_paths: impl FnOnce(Slot)) {
        const SUMS: [usize; 4] = [CALLS, BYTES, ERRORS, DURATION];
        const UNLISTED: [Counter; 4] = [
            Counter::UnlistedCalls,
            Counter::UnlistedBytes,
            Counter::UnlistedErrors,
            Counter::UnlistedDuration,
        ];
        match self.pair_slot(files).or_else(|| self.new_pair(files, store_paths)) {
            Some(pair) => SUMS.into_iter().zip(sums).for_each(|(at, count)| pair.add(at, count)),
            None => {
                UNLISTED
                    .into_iter()
                    .zip(sums)
                    .for_each(|(counter, count)| self.add(counter, count));
            }
        }
    }

    /// Takes a slot for the files.
    fn new_pair(&self, files: &FileIds, store_paths: impl FnOnce(Slot)) -> Option<Slot> {
        for slot in self.pairs_from(files) {
            // Load first: if all slots are taken, a compare-and-exchange of each would still move
            // their cache lines between the host's threads.
            if slot.load(STATE) == FREE && slot.compare_exchange(STATE, FREE, BEING_WRITTEN) {
                for (at, word) in files.0.into_iter().enumerate() {
                    slot.store(FILES + at, word);
                }
                store_paths(slot);
                slot.store(STATE, LISTED);
                return Some(slot);
            }
            // Another thread may have taken a slot for them meanwhile.
            if is_of(slot, files) {
                return Some(slot);
            }
        }
        None
    }
}

fn files(slot: Slot) -> FileIds {
    FileIds([0, 1, 2, 3].map(|at| slot.load(FILES + at)))
}

fn is_of(slot: Slot, files: &FileIds) -> bool {
    slot.load(STATE) == LISTED
        && files.0.iter().enumerate().all(|(at, &word)| slot.load(FILES + at) == word)
}

#[cfg(test)]
pub(super) fn list(slot: Slot, number: u64) {
    slot.store(STATE, LISTED);
    slot.store(FILES, number);
}

#[cfg(test)]
mod tests {
    use super::super::tests::stats;
    use super::*;
    use std::vec::Vec;

    /// Two threads can take a slot for the same files at once.
    #[test]
    fn files_with_two_slots_are_one_pair() {
        let stats = stats();
        for (slot, number) in stats.slots(PAIRS, WORDS).zip([1, 2, 1]) {
            list(slot, number);
            slot.add(CALLS, 3);
            slot.add(BYTES, 10 * number);
        }
        let pairs: Vec<_> = stats.pairs().map(|pair| (pair.calls, pair.bytes)).collect();
        assert_eq!(pairs, [(6, 20), (3, 20)]);
    }

    #[test]
    fn merged_pairs_add_up() {
        let (one, other) = (stats(), stats());
        for stats in [one, other] {
            stats.slots(PAIRS, WORDS).zip(0..).for_each(|(slot, at)| list(slot, at));
        }
        for slot in other.slots(PAIRS, WORDS) {
            slot.add(BYTES, 2);
        }
        other.add(Counter::UnlistedBytes, 5);
        for _ in 0..2 {
            one.merge(&other);
        }
        assert_eq!(one.pairs().count(), MAX_PAIRS);
        // The slots are not at the index that their files hash to: some are found, the others go
        // to the unlisted counters.
        let listed: u64 = one.pairs().map(|pair| pair.bytes).sum();
        let all = listed + one.get(Counter::UnlistedBytes);
        assert_eq!(all, 2 * (2 * MAX_PAIRS as u64 + 5));
    }
}

//! Between which files: the first ones are listed, the others counted together.

use super::slot::{NAME_WORDS, PathEnd, Slot};
use super::{Counter, PAIRS, Stats};
use crate::record::Record;
use cfr_sys::Stat;

/// Two files, told apart from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileIds([u64; 4]);

impl FileIds {
    /// Source and target.
    #[must_use]
    pub fn new(source: &Stat, target: &Stat) -> FileIds {
        let ([a, b], [c, d]) = (source.identity(), target.identity());
        FileIds([a, b, c, d])
    }

    /// Where to look first.
    fn place(&self) -> usize {
        let mixed = self.0.iter().fold(0u64, |hash, word| {
            (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        usize::try_from(mixed >> 40).unwrap_or(0)
    }
}

/// How many pairs of files are listed: the first ones.
pub(super) const MAX_PAIRS: usize = 256;
/// One of the states below.
const PAIR_STATE: usize = 0;
const PAIR_FREE: u64 = 0;
const PAIR_BEING_WRITTEN: u64 = 1;
const PAIR_LISTED: u64 = 2;
const PAIR_FILES: usize = 1;
const PAIR_CALLS: usize = 5;
const PAIR_BYTES: usize = 6;
const PAIR_ERRORS: usize = 7;
const PAIR_TIME: usize = 8;
const PAIR_SOURCE: usize = 9;
const PAIR_TARGET: usize = PAIR_SOURCE + NAME_WORDS;
pub(super) const PAIR_WORDS: usize = PAIR_TARGET + NAME_WORDS;

/// Two files between which something was copied, and what became of the calls.
#[derive(Clone, Copy)]
pub struct Pair {
    /// Its names.
    slot: Slot,
    /// Calls.
    pub calls: u64,
    /// Bytes copied or shared.
    pub bytes: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Nanoseconds that the calls took together.
    pub time_ns: u64,
}

impl Pair {
    fn of(slot: Slot) -> Pair {
        Pair {
            slot,
            calls: slot.load(PAIR_CALLS),
            bytes: slot.load(PAIR_BYTES),
            errors: slot.load(PAIR_ERRORS),
            time_ns: slot.load(PAIR_TIME),
        }
    }

    fn and(self, slot: Slot) -> Pair {
        let other = Pair::of(slot);
        Pair {
            slot: self.slot,
            calls: self.calls.saturating_add(other.calls),
            bytes: self.bytes.saturating_add(other.bytes),
            errors: self.errors.saturating_add(other.errors),
            time_ns: self.time_ns.saturating_add(other.time_ns),
        }
    }

    /// Source and target.
    #[must_use]
    pub fn names(&self) -> (PathEnd, PathEnd) {
        (self.slot.name(PAIR_SOURCE), self.slot.name(PAIR_TARGET))
    }
}

impl Stats {
    /// The pairs that are listed, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        let all = self.slots(PAIRS, PAIR_WORDS);
        all.clone().enumerate().filter_map(move |(place, slot)| {
            if slot.load(PAIR_STATE) != PAIR_LISTED {
                return None;
            }
            // Threads that came with the same files at once may have listed them once each.
            let files = files(slot);
            let same = |slot: &Slot| is_of(*slot, &files);
            let is_first = !all.clone().take(place).any(|slot| same(&slot));
            let others = all.clone().skip(place + 1).filter(same);
            is_first.then(|| others.fold(Pair::of(slot), Pair::and))
        })
    }

    /// The slots, beginning where these files would stand.
    fn pairs_from(&self, files: &FileIds) -> impl Iterator<Item = Slot> {
        self.slots_from(PAIRS, PAIR_WORDS, files.place())
    }

    fn pair(&self, files: &FileIds) -> Option<Slot> {
        self.pairs_from(files)
            .take_while(|slot| slot.load(PAIR_STATE) != PAIR_FREE)
            .find(|slot| is_of(*slot, files))
    }

    /// Whether the files are not listed yet, and there is room for them.
    pub(super) fn would_list(&self, files: &FileIds) -> bool {
        let decides = |slot: &Slot| slot.load(PAIR_STATE) == PAIR_FREE || is_of(*slot, files);
        let found = self.pairs_from(files).find(decides);
        found.is_some_and(|slot| slot.load(PAIR_STATE) == PAIR_FREE)
    }

    /// Counts a call between two files.
    pub(super) fn count_between(&self, files: &FileIds, record: &Record<'_>) {
        let sums = [1, record.bytes, record.errno().is_some().into(), record.duration_ns];
        self.add_between(files, sums, |slot| {
            slot.store_name(PAIR_SOURCE, record.path_in);
            slot.store_name(PAIR_TARGET, record.path_out);
        });
    }

    pub(super) fn merge_pairs(&self, other: &Stats) {
        for pair in other.pairs() {
            let sums = [pair.calls, pair.bytes, pair.errors, pair.time_ns];
            let names = |slot: Slot| slot.copy_from(pair.slot, PAIR_SOURCE);
            self.add_between(&files(pair.slot), sums, names);
        }
    }

    /// Adds calls, bytes, errors and time; `put_names` gives files that are not listed yet their names.
    fn add_between(&self, files: &FileIds, sums: [u64; 4], put_names: impl FnOnce(Slot)) {
        const SUMS: [usize; 4] = [PAIR_CALLS, PAIR_BYTES, PAIR_ERRORS, PAIR_TIME];
        const UNLISTED: [Counter; 4] = [
            Counter::UnlistedCalls,
            Counter::UnlistedBytes,
            Counter::UnlistedErrors,
            Counter::UnlistedDuration,
        ];
        match self.pair(files).or_else(|| self.new_pair(files, put_names)) {
            Some(pair) => SUMS.into_iter().zip(sums).for_each(|(at, count)| pair.add(at, count)),
            None => {
                UNLISTED.into_iter().zip(sums).for_each(|(total, count)| self.add(total, count));
            }
        }
    }

    /// Lists the files.
    fn new_pair(&self, files: &FileIds, put_names: impl FnOnce(Slot)) -> Option<Slot> {
        for slot in self.pairs_from(files) {
            // Where all are taken none is written to: the host's threads share these words.
            if slot.load(PAIR_STATE) == PAIR_FREE
                && slot.compare_exchange(PAIR_STATE, PAIR_FREE, PAIR_BEING_WRITTEN)
            {
                for (at, word) in files.0.into_iter().enumerate() {
                    slot.store(PAIR_FILES + at, word);
                }
                put_names(slot);
                slot.store(PAIR_STATE, PAIR_LISTED);
                return Some(slot);
            }
            // Another thread may have listed them meanwhile.
            if is_of(slot, files) {
                return Some(slot);
            }
        }
        None
    }
}

fn files(slot: Slot) -> FileIds {
    FileIds([0, 1, 2, 3].map(|at| slot.load(PAIR_FILES + at)))
}

fn is_of(slot: Slot, files: &FileIds) -> bool {
    slot.load(PAIR_STATE) == PAIR_LISTED
        && files.0.iter().enumerate().all(|(at, &word)| slot.load(PAIR_FILES + at) == word)
}

#[cfg(test)]
pub(super) fn list(slot: Slot, number: u64) {
    slot.store(PAIR_STATE, PAIR_LISTED);
    slot.store(PAIR_FILES, number);
}

#[cfg(test)]
mod tests {
    use super::super::tests::accounts;
    use super::*;
    use std::vec::Vec;

    /// As when two threads list them at once.
    #[test]
    fn files_that_are_listed_twice_are_one_pair() {
        let accounts = accounts();
        for (slot, number) in accounts.slots(PAIRS, PAIR_WORDS).zip([1, 2, 1]) {
            list(slot, number);
            slot.add(PAIR_CALLS, 3);
            slot.add(PAIR_BYTES, 10 * number);
        }
        let pairs: Vec<_> = accounts.pairs().map(|pair| (pair.calls, pair.bytes)).collect();
        assert_eq!(pairs, [(6, 20), (3, 20)]);
    }

    #[test]
    fn what_is_absorbed_adds_up() {
        let (one, other) = (accounts(), accounts());
        for accounts in [one, other] {
            accounts.slots(PAIRS, PAIR_WORDS).zip(0..).for_each(|(slot, at)| list(slot, at));
        }
        for slot in other.slots(PAIRS, PAIR_WORDS) {
            slot.add(PAIR_BYTES, 2);
        }
        other.add(Counter::UnlistedBytes, 5);
        for _ in 0..2 {
            one.merge(&other);
        }
        assert_eq!(one.pairs().count(), MAX_PAIRS);
        // Those that stand there by chance are found where they are looked for, or are not listed.
        let listed: u64 = one.pairs().map(|pair| pair.bytes).sum();
        let all = listed + one.get(Counter::UnlistedBytes);
        assert_eq!(all, 2 * (2 * MAX_PAIRS as u64 + 5));
    }
}

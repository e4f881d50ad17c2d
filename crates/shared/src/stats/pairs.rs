//! Between which files: the first ones are listed, the others counted together.

use super::slot::{Entry, NAME_WORDS, Name};
use super::{Counter, PAIRS, Stats};
use crate::record::Record;
use cfr_sys::Stat;

/// Two files, told apart from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Files([u64; 4]);

impl Files {
    /// Source and target.
    #[must_use]
    pub fn new(source: &Stat, target: &Stat) -> Files {
        let ([a, b], [c, d]) = (source.identity(), target.identity());
        Files([a, b, c, d])
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
pub(super) const MOST_PAIRS: usize = 256;
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
    entry: Entry,
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
    fn of(entry: Entry) -> Pair {
        Pair {
            entry,
            calls: entry.get(PAIR_CALLS),
            bytes: entry.get(PAIR_BYTES),
            errors: entry.get(PAIR_ERRORS),
            time_ns: entry.get(PAIR_TIME),
        }
    }

    fn and(self, entry: Entry) -> Pair {
        let other = Pair::of(entry);
        Pair {
            entry: self.entry,
            calls: self.calls.saturating_add(other.calls),
            bytes: self.bytes.saturating_add(other.bytes),
            errors: self.errors.saturating_add(other.errors),
            time_ns: self.time_ns.saturating_add(other.time_ns),
        }
    }

    /// Source and target.
    #[must_use]
    pub fn names(&self) -> (Name, Name) {
        (self.entry.name(PAIR_SOURCE), self.entry.name(PAIR_TARGET))
    }
}

impl Stats {
    /// The pairs that are listed, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        let all = self.entries(PAIRS, PAIR_WORDS);
        all.clone().enumerate().filter_map(move |(place, entry)| {
            if entry.get(PAIR_STATE) != PAIR_LISTED {
                return None;
            }
            // Threads that came with the same files at once may have listed them once each.
            let files = files(entry);
            let same = |entry: &Entry| is_of(*entry, &files);
            let is_first = !all.clone().take(place).any(|entry| same(&entry));
            let others = all.clone().skip(place + 1).filter(same);
            is_first.then(|| others.fold(Pair::of(entry), Pair::and))
        })
    }

    /// The entries, beginning where these files would stand.
    fn pairs_from(&self, files: &Files) -> impl Iterator<Item = Entry> {
        self.entries_from(PAIRS, PAIR_WORDS, files.place())
    }

    fn pair(&self, files: &Files) -> Option<Entry> {
        self.pairs_from(files)
            .take_while(|entry| entry.get(PAIR_STATE) != PAIR_FREE)
            .find(|entry| is_of(*entry, files))
    }

    /// Whether the files are not listed yet, and there is room for them.
    pub(super) fn would_list(&self, files: &Files) -> bool {
        let decides = |entry: &Entry| entry.get(PAIR_STATE) == PAIR_FREE || is_of(*entry, files);
        let found = self.pairs_from(files).find(decides);
        found.is_some_and(|entry| entry.get(PAIR_STATE) == PAIR_FREE)
    }

    /// Counts a call between two files.
    pub(super) fn count_between(&self, files: &Files, record: &Record<'_>) {
        let sums = [1, record.bytes, record.errno().is_some().into(), record.duration_ns];
        self.add_between(files, sums, |entry| {
            entry.put_name(PAIR_SOURCE, record.path_in);
            entry.put_name(PAIR_TARGET, record.path_out);
        });
    }

    pub(super) fn absorb_pairs(&self, other: &Stats) {
        for pair in other.pairs() {
            let sums = [pair.calls, pair.bytes, pair.errors, pair.time_ns];
            let names = |entry: Entry| entry.take(pair.entry, PAIR_SOURCE);
            self.add_between(&files(pair.entry), sums, names);
        }
    }

    /// Adds calls, bytes, errors and time; `put_names` gives files that are not listed yet their names.
    fn add_between(&self, files: &Files, sums: [u64; 4], put_names: impl FnOnce(Entry)) {
        const SUMS: [usize; 4] = [PAIR_CALLS, PAIR_BYTES, PAIR_ERRORS, PAIR_TIME];
        const UNLISTED: [Counter; 4] = [
            Counter::UnlistedCalls,
            Counter::UnlistedBytes,
            Counter::UnlistedErrors,
            Counter::UnlistedTime,
        ];
        match self.pair(files).or_else(|| self.new_pair(files, put_names)) {
            Some(pair) => SUMS.into_iter().zip(sums).for_each(|(at, count)| pair.add(at, count)),
            None => {
                UNLISTED.into_iter().zip(sums).for_each(|(total, count)| self.add(total, count));
            }
        }
    }

    /// Lists the files.
    fn new_pair(&self, files: &Files, put_names: impl FnOnce(Entry)) -> Option<Entry> {
        for entry in self.pairs_from(files) {
            // Where all are taken none is written to: the host's threads share these words.
            if entry.get(PAIR_STATE) == PAIR_FREE
                && entry.moves(PAIR_STATE, PAIR_FREE, PAIR_BEING_WRITTEN)
            {
                for (at, word) in files.0.into_iter().enumerate() {
                    entry.put(PAIR_FILES + at, word);
                }
                put_names(entry);
                entry.put(PAIR_STATE, PAIR_LISTED);
                return Some(entry);
            }
            // Another thread may have listed them meanwhile.
            if is_of(entry, files) {
                return Some(entry);
            }
        }
        None
    }
}

fn files(entry: Entry) -> Files {
    Files([0, 1, 2, 3].map(|at| entry.get(PAIR_FILES + at)))
}

fn is_of(entry: Entry, files: &Files) -> bool {
    entry.get(PAIR_STATE) == PAIR_LISTED
        && files.0.iter().enumerate().all(|(at, &word)| entry.get(PAIR_FILES + at) == word)
}

#[cfg(test)]
pub(super) fn list(entry: Entry, number: u64) {
    entry.put(PAIR_STATE, PAIR_LISTED);
    entry.put(PAIR_FILES, number);
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
        for (entry, number) in accounts.entries(PAIRS, PAIR_WORDS).zip([1, 2, 1]) {
            list(entry, number);
            entry.add(PAIR_CALLS, 3);
            entry.add(PAIR_BYTES, 10 * number);
        }
        let pairs: Vec<_> = accounts.pairs().map(|pair| (pair.calls, pair.bytes)).collect();
        assert_eq!(pairs, [(6, 20), (3, 20)]);
    }

    #[test]
    fn what_is_absorbed_adds_up() {
        let (one, other) = (accounts(), accounts());
        for accounts in [one, other] {
            accounts.entries(PAIRS, PAIR_WORDS).zip(0..).for_each(|(entry, at)| list(entry, at));
        }
        for entry in other.entries(PAIRS, PAIR_WORDS) {
            entry.add(PAIR_BYTES, 2);
        }
        other.add(Counter::UnlistedBytes, 5);
        for _ in 0..2 {
            one.absorb(&other);
        }
        assert_eq!(one.pairs().count(), MOST_PAIRS);
        // Those that stand there by chance are found where they are looked for, or are not listed.
        let listed: u64 = one.pairs().map(|pair| pair.bytes).sum();
        let all = listed + one.total(Counter::UnlistedBytes);
        assert_eq!(all, 2 * (2 * MOST_PAIRS as u64 + 5));
    }
}

//! Between which files: the first ones are listed, the others counted together.

use super::entry::{Entry, NAME_WORDS, Name};
use super::{Accounts, PAIRS, Total};
use crate::record::Record;
use crate::sys::Stat;

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

/// Two files between which something was copied.
#[derive(Clone, Copy)]
pub struct Pair(Entry);

impl Pair {
    /// Calls.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.get(PAIR_CALLS)
    }

    /// Bytes copied or shared.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.get(PAIR_BYTES)
    }

    /// Calls that failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.0.get(PAIR_ERRORS)
    }

    /// Nanoseconds that the calls took together.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        self.0.get(PAIR_TIME)
    }

    /// Source and target.
    #[must_use]
    pub fn names(&self) -> (Name, Name) {
        (self.0.name(PAIR_SOURCE), self.0.name(PAIR_TARGET))
    }
}

impl Accounts {
    /// The pairs that are listed, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        let listed = |entry: &Entry| entry.get(PAIR_STATE) == PAIR_LISTED;
        self.entries(PAIRS, PAIR_WORDS).filter(listed).map(Pair)
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
        match self.pair(files).or_else(|| self.new_pair(files, record)) {
            Some(pair) => {
                pair.add(PAIR_CALLS, 1);
                pair.add(PAIR_BYTES, record.bytes);
                pair.add(PAIR_ERRORS, record.errno().is_some().into());
                pair.add(PAIR_TIME, record.duration_ns);
            }
            None => {
                self.add(Total::UnlistedCalls, 1);
                self.add(Total::UnlistedBytes, record.bytes);
            }
        }
    }

    /// Lists the files, with the paths of the record.
    fn new_pair(&self, files: &Files, record: &Record<'_>) -> Option<Entry> {
        for entry in self.pairs_from(files) {
            if entry.moves(PAIR_STATE, PAIR_FREE, PAIR_BEING_WRITTEN) {
                for (at, word) in files.0.into_iter().enumerate() {
                    entry.put(PAIR_FILES + at, word);
                }
                entry.put_name(PAIR_SOURCE, record.path_in);
                entry.put_name(PAIR_TARGET, record.path_out);
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

fn is_of(entry: Entry, files: &Files) -> bool {
    entry.get(PAIR_STATE) == PAIR_LISTED
        && files.0.iter().enumerate().all(|(at, &word)| entry.get(PAIR_FILES + at) == word)
}

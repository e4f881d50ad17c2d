//! How many calls a fault has seen: in the process, and by thread or path where it counts by these.

use super::MOST_FAULTS;
use core::sync::atomic::{AtomicU64, Ordering};

/// Words of zeros that count. Those of a process are its own: a child made by fork(2) begins anew.
#[derive(Clone, Copy)]
pub struct Tally {
    words: &'static [AtomicU64],
}

/// How many threads and paths have a count of their own, over all faults.
const PLACES: usize = 1024;
/// How many places are looked at for a key.
const TRIES: usize = 64;

impl Tally {
    /// How many words it takes: a count for each fault, and places of a key and its count.
    pub const WORDS: usize = MOST_FAULTS + 2 * PLACES;

    /// Over these words; `None` where they are too few.
    #[must_use]
    pub fn over(words: &'static [AtomicU64]) -> Option<Tally> {
        (words.len() >= Self::WORDS).then_some(Tally { words })
    }

    /// Counts a call for fault number `fault`: how many there were, this one included. `key` stands for
    /// the thread or path that it is of. Those that come when all places are taken share one count.
    pub(super) fn count(&self, fault: usize, key: Option<u64>) -> u64 {
        let keyed = key.and_then(|key| self.place(mixed(key ^ mixed(fault as u64)).max(1)));
        keyed
            .or_else(|| self.words.get(fault))
            .map_or(0, |word| word.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }

    /// The count of a key, which takes a free place the first time.
    fn place(&self, key: u64) -> Option<&'static AtomicU64> {
        let (places, _) = self.words.get(MOST_FAULTS..)?.as_chunks::<2>();
        let first = usize::try_from(key % PLACES as u64).unwrap_or(0);
        (0..TRIES).find_map(|further| {
            let [owner, count] = places.get((first + further) % PLACES)?;
            let taken = owner.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed);
            (taken.is_ok() || taken == Err(key)).then_some(count)
        })
    }
}

/// Numbers that look drawn by lot, for numbers that lie side by side (splitmix64).
pub(super) fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A key for a path.
pub(super) fn key_of(path: &[u8]) -> u64 {
    path.iter().fold(0, |key, &byte| mixed(key ^ u64::from(byte)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    pub(in super::super) fn tally() -> Tally {
        let words: Vec<AtomicU64> = (0..Tally::WORDS).map(|_| AtomicU64::new(0)).collect();
        Tally::over(Box::leak(words.into_boxed_slice())).unwrap()
    }

    #[test]
    fn every_key_has_its_count() {
        let tally = tally();
        for round in 1..=3 {
            for key in 0..100 {
                assert_eq!(tally.count(0, Some(key)), round);
                assert_eq!(tally.count(1, Some(key)), round);
            }
            assert_eq!(tally.count(0, None), round);
        }
    }

    #[test]
    fn who_finds_no_place_shares_one() {
        let tally = tally();
        let shared = (0..4000).filter(|&key| tally.count(3, Some(key)) > 1).count();
        assert!((2900..=3100).contains(&shared), "{shared}");
        assert!(Tally::over(&[]).is_none());
    }
}

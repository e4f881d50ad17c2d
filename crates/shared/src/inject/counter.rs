//! Counts the calls that each fault applies to, per process, thread, path or tree.

use crate::stats::{FaultCounts, MAX_FAULTS};
use core::sync::atomic::{AtomicU64, Ordering};

/// The counts of a process, in words that start as zeros and that fork(2) zeroes in the child.
#[derive(Clone, Copy)]
pub struct CallCounter {
    words: &'static [AtomicU64],
    tree: Option<FaultCounts>,
}

/// How many threads and paths have a count of their own, for all faults together.
const SLOTS: usize = 1024;
/// The most slots that are searched for a key.
const MAX_PROBES: usize = 64;

impl CallCounter {
    /// Returns its words.
    #[must_use]
    pub fn words(&self) -> &'static [AtomicU64] {
        self.words
    }

    /// The words that it needs: a count for each fault, then slots of a key and its count.
    pub const WORDS: usize = MAX_FAULTS + 2 * SLOTS;

    /// Creates a counter in these words; `None` if they are too few. `tree` has the counts of the whole
    /// tree of processes, if a launcher has started it.
    #[must_use]
    pub fn over(words: &'static [AtomicU64], tree: Option<FaultCounts>) -> Option<CallCounter> {
        (words.len() >= Self::WORDS).then_some(CallCounter { words, tree })
    }

    /// Counts faults that have applied to a call, given as bits.
    pub fn count_applied(&self, faults: u32) {
        let Some(tree) = self.tree else { return };
        for index in (0..MAX_FAULTS).filter(|index| faults & 1 << index != 0) {
            tree.count_applied(index);
        }
    }

    /// Counts a call for the fault at this index in the whole tree. Returns the call's number, from 1;
    /// `None` if the tree is not counted.
    pub(super) fn count_in_tree(&self, fault: usize) -> Option<u64> {
        self.tree?.count_met(fault)
    }

    /// Counts a call that meets all conditions of the fault at this index; see
    /// [`FaultCounts::count_hit`].
    pub(super) fn count_hit(&self, fault: usize, is_preempted: bool) {
        if let Some(tree) = self.tree {
            tree.count_hit(fault, is_preempted);
        }
    }

    /// Counts a call for the fault at this index, and returns the call's number, from 1. `key` is the
    /// thread or path that the count belongs to. If all slots are taken, further keys share the
    /// fault's own count.
    pub(super) fn count(&self, fault: usize, key: Option<u64>) -> u64 {
        let keyed = key.and_then(|key| self.slot(mixed(key ^ mixed(fault as u64)).max(1)));
        keyed
            .or_else(|| self.words.get(fault))
            .map_or(0, |word| word.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }

    /// Returns the count of a key. The first time it takes a free slot.
    fn slot(&self, key: u64) -> Option<&'static AtomicU64> {
        let (slots, _) = self.words.get(MAX_FAULTS..)?.as_chunks::<2>();
        let first = usize::try_from(key % SLOTS as u64).unwrap_or(0);
        (0..MAX_PROBES).find_map(|probe| {
            let [owner, count] = slots.get((first + probe) % SLOTS)?;
            let taken = owner.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed);
            (taken.is_ok() || taken == Err(key)).then_some(count)
        })
    }
}

/// Mixes the bits of a number, so that neighbours give independent results (splitmix64).
pub(super) fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Returns the key of a path.
pub(super) fn hash(path: &[u8]) -> u64 {
    path.iter().fold(0, |hash, &byte| mixed(hash ^ u64::from(byte)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    pub(in super::super) fn counter() -> CallCounter {
        let words: Vec<AtomicU64> = (0..CallCounter::WORDS).map(|_| AtomicU64::new(0)).collect();
        CallCounter::over(Box::leak(words.into_boxed_slice()), None).unwrap()
    }

    #[test]
    fn every_key_has_its_own_count() {
        let counter = counter();
        for round in 1..=3 {
            for key in 0..100 {
                assert_eq!(counter.count(0, Some(key)), round);
                assert_eq!(counter.count(1, Some(key)), round);
            }
            assert_eq!(counter.count(0, None), round);
        }
    }

    #[test]
    fn keys_without_a_slot_share_a_count() {
        let counter = counter();
        let shared = (0..4000).filter(|&key| counter.count(3, Some(key)) > 1).count();
        assert!((2900..=3100).contains(&shared), "{shared}");
        assert!(CallCounter::over(&[], None).is_none());
    }
}

//! The calls that each fault was about, in all processes of the tree.

use super::layout::Section;
use super::own_filters::OWN_FILTERS;
use core::sync::atomic::{AtomicU64, Ordering};

/// The most faults that can be set.
pub const MAX_FAULTS: usize = 16;

/// Four counts for each fault: see the fields of [`FaultCounts`].
pub(super) const FAULTS: Section = Section::after(OWN_FILTERS, 4 * MAX_FAULTS);

/// The counts of each fault, by its index in `CFR_INJECT`, from 0.
#[derive(Clone, Copy, Debug)]
pub struct FaultCounts {
    met: &'static [AtomicU64],
    hit: &'static [AtomicU64],
    preempted: &'static [AtomicU64],
    applied: &'static [AtomicU64],
}

impl FaultCounts {
    /// Returns the counts in these words, which start as zeros; `None` if there are too few.
    pub(super) fn over(words: &'static [AtomicU64]) -> Option<FaultCounts> {
        let (met, words) = words.split_at_checked(MAX_FAULTS)?;
        let (hit, words) = words.split_at_checked(MAX_FAULTS)?;
        let (preempted, applied) = words.split_at_checked(MAX_FAULTS)?;
        let counts = FaultCounts { met, hit, preempted, applied };
        (applied.len() >= MAX_FAULTS).then_some(counts)
    }

    /// Counts a call that meets the fault's conditions but `when` and `prob`. Returns its number in the
    /// tree, from 1.
    pub(crate) fn count_met(&self, fault: usize) -> Option<u64> {
        Some(self.met.get(fault)?.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }

    /// Counts a call that meets all conditions of the fault. `is_preempted` tells that a fault before it
    /// has decided the result.
    pub(crate) fn count_hit(&self, fault: usize, is_preempted: bool) {
        count(self.hit, fault);
        if is_preempted {
            count(self.preempted, fault);
        }
    }

    /// Counts a call that the fault changed, delayed or sent a signal.
    pub fn count_applied(&self, fault: usize) {
        count(self.applied, fault);
    }

    /// Returns the calls that met the fault's conditions but `when` and `prob`.
    #[must_use]
    pub fn met(&self, fault: usize) -> u64 {
        read(self.met, fault)
    }

    /// Returns the calls that met all conditions of the fault.
    #[must_use]
    pub fn hit(&self, fault: usize) -> u64 {
        read(self.hit, fault)
    }

    /// Returns those of them whose result a fault before this one had decided.
    #[must_use]
    pub fn preempted(&self, fault: usize) -> u64 {
        read(self.preempted, fault)
    }

    /// Returns the calls that the fault applied to: it failed or shortened them, delayed them or sent
    /// them a signal.
    #[must_use]
    pub fn applied(&self, fault: usize) -> u64 {
        read(self.applied, fault)
    }
}

fn count(words: &[AtomicU64], fault: usize) {
    if let Some(word) = words.get(fault) {
        word.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(words: &[AtomicU64], fault: usize) -> u64 {
    words.get(fault).map_or(0, |word| word.load(Ordering::Relaxed))
}

//! The calls that each fault was about, in all processes of the tree.

use super::layout::Section;
use super::stopped::STOPPED;
use core::sync::atomic::{AtomicU64, Ordering};

/// The most faults that can be set.
pub const MAX_FAULTS: usize = 16;

/// For each fault the calls that met its conditions but `when` and `prob`; then for each those that it
/// applied to.
pub(super) const FAULTS: Section = Section::after(STOPPED, 2 * MAX_FAULTS);

/// The counts of each fault, by its index in `CFR_INJECT`, from 0.
#[derive(Clone, Copy, Debug)]
pub struct FaultCounts {
    met: &'static [AtomicU64],
    applied: &'static [AtomicU64],
}

impl FaultCounts {
    /// Returns the counts in these words, which start as zeros; `None` if there are too few.
    pub(super) fn over(words: &'static [AtomicU64]) -> Option<FaultCounts> {
        let (met, applied) = words.split_at_checked(MAX_FAULTS)?;
        (applied.len() >= MAX_FAULTS).then_some(FaultCounts { met, applied })
    }

    /// Counts a call that meets the fault's conditions but `when` and `prob`. Returns its number in the
    /// tree, from 1.
    pub(crate) fn count_met(&self, fault: usize) -> Option<u64> {
        Some(self.met.get(fault)?.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }

    /// Counts a call that the fault changed, delayed or sent a signal.
    pub fn count_applied(&self, fault: usize) {
        if let Some(word) = self.applied.get(fault) {
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the calls that met the fault's conditions but `when` and `prob`.
    #[must_use]
    pub fn met(&self, fault: usize) -> u64 {
        self.met.get(fault).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Returns the calls that the fault applied to: it failed or shortened them, delayed them or sent
    /// them a signal.
    #[must_use]
    pub fn applied(&self, fault: usize) -> u64 {
        self.applied.get(fault).map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

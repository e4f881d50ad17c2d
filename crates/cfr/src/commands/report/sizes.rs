//! How many bytes the calls of a log copied each: sums for each power of two.

use super::tally::Tally;

/// The number of powers of two, and one for 0 bytes.
const BINS: usize = u64::BITS as usize + 1;

/// Sums of the calls that succeeded, by the number of binary digits of their bytes.
pub(super) struct Sizes([SizeBin; BINS]);

#[derive(Clone, Copy, Default)]
pub(super) struct SizeBin {
    pub(super) calls: u64,
    /// Stays at the largest number.
    pub(super) bytes: u64,
}

impl Sizes {
    pub(super) fn new() -> Sizes {
        Sizes([SizeBin::default(); BINS])
    }

    pub(super) fn add(&mut self, call: Tally) {
        let digits = u64::BITS - call.bytes.leading_zeros();
        if call.errors == 0
            && let Some(bin) = self.0.get_mut(digits as usize)
        {
            bin.calls += 1;
            bin.bytes = bin.bytes.saturating_add(call.bytes);
        }
    }

    /// Returns the sums from the smallest size to the largest that there is, each with its least
    /// size.
    pub(super) fn bins(&self) -> impl Iterator<Item = (u64, SizeBin)> {
        let is_there = |bin: &SizeBin| bin.calls > 0;
        let first = self.0.iter().position(is_there).unwrap_or(BINS);
        let last = self.0.iter().rposition(is_there).unwrap_or(0);
        let least = |index: usize| if index == 0 { 0 } else { 1 << (index - 1) };
        let bins = self.0.iter().enumerate().skip(first).take((last + 1).saturating_sub(first));
        bins.map(move |(index, bin)| (least(index), *bin))
    }
}

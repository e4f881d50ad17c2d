//! How much is moved between two looks for signals: as much as is fast, and no more than a slow disk
//! moves in a part of the tenth of a second within which a signal ends a copy.

use crate::diag::trace_syscall;
use cfr_sys::{self as sys, Range};

/// The length of the next piece.
pub(super) struct Pace {
    /// In bytes; `None` before the first.
    bytes: Option<u64>,
}

impl Pace {
    /// What the kernel's own copy is asked for at once; the other ways take less in any case.
    const MOST: u64 = 16 << 20;
    /// The first piece of a source that is in memory.
    const IN_MEMORY: u64 = 1 << 20;
    /// The first piece of one that is not: nobody knows the disk yet.
    const ON_DISK: u64 = 128 << 10;
    /// A page or two at a time would not let a slow disk come up.
    const LEAST: u64 = 64 << 10;
    /// How long a piece may take.
    const LONGEST_NS: u64 = 25_000_000;

    /// Nothing is known yet.
    pub(super) fn new() -> Pace {
        Pace { bytes: None }
    }

    /// The range's next piece. Whether the first is in memory is asked where it matters
    /// (cachestat(2)).
    pub(super) fn piece(&mut self, range: Range) -> Range {
        if range.len <= Pace::ON_DISK {
            return range;
        }
        let first = || {
            let look = range.first(Pace::IN_MEMORY);
            let present = sys::pages_present(look.fd_in, look.off_in, look.len);
            trace_syscall("cachestat", look.fd_in, &present);
            let is_in_memory =
                present.is_ok_and(|pages| pages >= sys::pages_of(look.off_in, look.len));
            if is_in_memory { Pace::IN_MEMORY } else { Pace::ON_DISK }
        };
        range.first(*self.bytes.get_or_insert_with(first))
    }

    /// So many bytes took so long; they are as many as one piece may have if `is_whole`.
    pub(super) fn took(&mut self, bytes: u64, is_whole: bool, nanoseconds: u64) {
        let Some(most) = &mut self.bytes else { return };
        if nanoseconds > Pace::LONGEST_NS {
            let in_time = bytes.saturating_mul(Pace::LONGEST_NS) / nanoseconds;
            *most = in_time.clamp(Pace::LEAST, Pace::MOST);
        } else if nanoseconds < Pace::LONGEST_NS / 8 && is_whole {
            *most = most.saturating_mul(4).min(Pace::MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_disk_makes_pieces_large_and_a_slow_one_small() {
        // Of no descriptor nothing is in memory.
        let range = Range { fd_in: -1, off_in: 0, fd_out: -1, off_out: 0, len: 1 << 40 };
        let mut pace = Pace::new();
        assert_eq!(pace.piece(range.first(128 << 10)).len, 128 << 10);
        for large in [128 << 10, 512 << 10, 2 << 20, 8 << 20, 16 << 20, 16 << 20] {
            assert_eq!(pace.piece(range).len, large);
            pace.took(large, true, 3_000_000);
        }
        pace.took(1 << 20, false, 100_000_000);
        assert_eq!(pace.piece(range).len, 256 << 10);
        for (bytes, is_whole, nanoseconds) in [(1000, false, 10), (256 << 10, true, 20_000_000)] {
            pace.took(bytes, is_whole, nanoseconds);
            assert_eq!(pace.piece(range).len, 256 << 10);
        }
        pace.took(256 << 10, true, u64::MAX);
        assert_eq!(pace.piece(range).len, 64 << 10);
        pace.took(u64::MAX, true, 30_000_000);
        assert_eq!(pace.piece(range).len, 16 << 20);
    }
}

//! How much is moved between two looks for signals: as much as is fast, and no more than a slow disk
//! moves in a part of the tenth of a second within which a signal ends a copy.

use crate::diag::trace_syscall;
use cfr_sys::{self as sys, Range};

/// The length of the next piece.
pub(super) struct PieceSize {
    /// In bytes; `None` before the first.
    bytes: Option<u64>,
}

impl PieceSize {
    /// What the kernel's own copy is asked for at once; the other ways take less in any case.
    const MAX: u64 = 16 << 20;
    /// The first piece of a source that is in memory.
    const FIRST_IN_MEMORY: u64 = 1 << 20;
    /// The first piece of one that is not: nobody knows the disk yet.
    const FIRST_ON_DISK: u64 = 128 << 10;
    /// A page or two at a time would not let a slow disk come up.
    const MIN: u64 = 64 << 10;
    /// How long a piece may take.
    const MAX_NS: u64 = 25_000_000;

    /// Nothing is known yet.
    pub(super) fn new() -> PieceSize {
        PieceSize { bytes: None }
    }

    /// The range's next piece. Whether the first is in memory is asked where it matters
    /// (cachestat(2)).
    pub(super) fn next_piece(&mut self, range: Range) -> Range {
        if range.len <= PieceSize::FIRST_ON_DISK {
            return range;
        }
        let first = || {
            let start = range.first(PieceSize::FIRST_IN_MEMORY);
            let present = sys::pages_present(start.fd_in, start.off_in, start.len);
            trace_syscall("cachestat", start.fd_in, &present);
            let is_in_memory =
                present.is_ok_and(|pages| pages >= sys::pages_of(start.off_in, start.len));
            if is_in_memory { PieceSize::FIRST_IN_MEMORY } else { PieceSize::FIRST_ON_DISK }
        };
        range.first(*self.bytes.get_or_insert_with(first))
    }

    /// So many bytes took so long; they are as many as one piece may have if `is_whole`.
    pub(super) fn record(&mut self, bytes: u64, is_whole: bool, nanoseconds: u64) {
        let Some(max) = &mut self.bytes else { return };
        if nanoseconds > PieceSize::MAX_NS {
            let in_time = bytes.saturating_mul(PieceSize::MAX_NS) / nanoseconds;
            *max = in_time.clamp(PieceSize::MIN, PieceSize::MAX);
        } else if nanoseconds < PieceSize::MAX_NS / 8 && is_whole {
            *max = max.saturating_mul(4).min(PieceSize::MAX);
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
        let mut size = PieceSize::new();
        assert_eq!(size.next_piece(range.first(128 << 10)).len, 128 << 10);
        for large in [128 << 10, 512 << 10, 2 << 20, 8 << 20, 16 << 20, 16 << 20] {
            assert_eq!(size.next_piece(range).len, large);
            size.record(large, true, 3_000_000);
        }
        size.record(1 << 20, false, 100_000_000);
        assert_eq!(size.next_piece(range).len, 256 << 10);
        for (bytes, is_whole, nanoseconds) in [(1000, false, 10), (256 << 10, true, 20_000_000)] {
            size.record(bytes, is_whole, nanoseconds);
            assert_eq!(size.next_piece(range).len, 256 << 10);
        }
        size.record(256 << 10, true, u64::MAX);
        assert_eq!(size.next_piece(range).len, 64 << 10);
        size.record(u64::MAX, true, 30_000_000);
        assert_eq!(size.next_piece(range).len, 16 << 20);
    }
}

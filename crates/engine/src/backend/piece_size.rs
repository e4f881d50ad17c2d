//! Chooses how many bytes are moved between two checks for pending signals: enough to be fast, and
//! few enough that a signal ends a copy within 100 ms also on a slow disk.

use crate::diag::trace_syscall;
use cfr_sys::{self as sys, Range};

/// The size of the next piece.
pub(super) struct PieceSize {
    /// Bytes; `None` before the first piece.
    bytes: Option<u64>,
}

impl PieceSize {
    /// Bytes. The kernel's own copy is asked for at most this much; the other ways move less.
    const MAX: u64 = 16 << 20;
    /// The first piece in bytes if the source is in memory.
    const FIRST_IN_MEMORY: u64 = 1 << 20;
    /// The first piece in bytes if it is not: the speed of the disk is unknown.
    const FIRST_ON_DISK: u64 = 128 << 10;
    /// Bytes. With one or two pages at a time a slow disk would never reach its speed.
    const MIN: u64 = 64 << 10;
    /// The longest time of one piece, in nanoseconds (25 ms).
    const MAX_NS: u64 = 25_000_000;

    pub(super) fn new() -> PieceSize {
        PieceSize { bytes: None }
    }

    /// Bytes at each end of the first piece that tell whether it is in memory. To ask about each of its
    /// pages takes as long as to copy a fortieth of them.
    const SAMPLE: u64 = 16 << 10;

    /// Returns the next piece of the range. Whether the source is in memory (cachestat(2)) is asked
    /// once, and only for ranges that are longer than [`PieceSize::FIRST_ON_DISK`].
    pub(super) fn next_piece(&mut self, range: Range) -> Range {
        if range.len <= PieceSize::FIRST_ON_DISK {
            return range;
        }
        let first = || {
            let piece = range.first(PieceSize::FIRST_IN_MEMORY);
            let samples = [piece, piece.after(piece.len - PieceSize::SAMPLE)];
            if samples.into_iter().all(|sample| is_in_memory(sample.first(PieceSize::SAMPLE))) {
                PieceSize::FIRST_IN_MEMORY
            } else {
                PieceSize::FIRST_ON_DISK
            }
        };
        range.first(*self.bytes.get_or_insert_with(first))
    }

    /// Records that `bytes` took `nanoseconds`; `is_whole` if they are a whole piece.
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

/// Reports whether all pages of the source's range are in memory.
fn is_in_memory(range: Range) -> bool {
    let present = sys::pages_present(range.fd_in, range.off_in, range.len);
    trace_syscall("cachestat", range.fd_in, &present);
    present.is_ok_and(|pages| pages >= sys::pages_of(range.off_in, range.len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_disk_makes_pieces_large_and_a_slow_one_small() {
        // An invalid descriptor has no page in memory.
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

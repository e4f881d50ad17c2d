//! How much is moved between two looks for signals: as much as is fast, and no more than a slow disk
//! moves in a part of the tenth of a second within which a signal ends a copy.

/// The length of one piece.
pub(super) struct Pace {
    bytes: u64,
}

impl Pace {
    /// What the kernel's own copy is asked for at once; the other ways take less in any case.
    const MOST: u64 = 16 << 20;
    /// A page or two at a time would not let a slow disk come up.
    const LEAST: u64 = 64 << 10;
    /// How long a piece may take.
    const LONGEST_NS: u64 = 25_000_000;

    /// As fast as can be.
    pub(super) fn new() -> Pace {
        Pace { bytes: Pace::MOST }
    }

    /// Bytes of the next piece.
    pub(super) fn piece(&self) -> u64 {
        self.bytes
    }

    /// So many bytes took so long.
    pub(super) fn took(&mut self, bytes: u64, nanoseconds: u64) {
        if nanoseconds > Pace::LONGEST_NS {
            let in_time = bytes.saturating_mul(Pace::LONGEST_NS) / nanoseconds;
            self.bytes = in_time.clamp(Pace::LEAST, Pace::MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_makes_pieces_small_and_a_fast_one_leaves_them() {
        let mut pace = Pace::new();
        pace.took(16 << 20, 3_000_000);
        assert_eq!(pace.piece(), 16 << 20);
        pace.took(1 << 20, 100_000_000);
        assert_eq!(pace.piece(), 256 << 10);
        pace.took(256 << 10, u64::MAX);
        assert_eq!(pace.piece(), 64 << 10);
        pace.took(u64::MAX, 30_000_000);
        assert_eq!(pace.piece(), 16 << 20);
    }
}

//! One slot of several words: numbers, and the ends of paths.

use core::sync::atomic::{AtomicU64, Ordering};

/// A name of up to 96 bytes in words; of a longer one its end.
pub(super) const NAME_WORDS: usize = 12;

/// One slot. Whoever writes more than a number into it has marked it before, so that nobody reads it.
#[derive(Clone, Copy)]
pub(super) struct Slot(pub(super) &'static [AtomicU64]);

impl Slot {
    pub(super) fn load(self, at: usize) -> u64 {
        self.0.get(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    pub(super) fn store(self, at: usize, value: u64) {
        if let Some(word) = self.0.get(at) {
            word.store(value, Ordering::Release);
        }
    }

    pub(super) fn add(self, at: usize, count: u64) {
        if let Some(word) = self.0.get(at) {
            word.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// The number in its first word, which is one higher then.
    pub(super) fn fetch_increment(self) -> u64 {
        self.0.first().map_or(0, |word| word.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether it was at `from` in word `at` and is at `to` now.
    pub(super) fn compare_exchange(self, at: usize, from: u64, to: u64) -> bool {
        self.0.get(at).is_some_and(|word| {
            word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }

    /// Takes the words from `first` on over from another slot.
    pub(super) fn copy_from(self, other: Slot, first: usize) {
        for at in first..self.0.len() {
            self.store(at, other.load(at));
        }
    }

    pub(super) fn store_name(self, at: usize, name: Option<&[u8]>) {
        const CUT: &[u8] = b"...";
        const LONGEST: usize = NAME_WORDS * 8;
        let name = name.unwrap_or_default();
        let mut kept = [0; LONGEST];
        let over = name.len().saturating_sub(LONGEST);
        let end = name.get(over..).unwrap_or_default();
        for (place, byte) in kept.iter_mut().zip(end) {
            *place = *byte;
        }
        if over > 0 {
            for (place, byte) in kept.iter_mut().zip(CUT) {
                *place = *byte;
            }
        }
        for (index, word) in kept.as_chunks().0.iter().enumerate() {
            self.store(at + index, u64::from_ne_bytes(*word));
        }
    }

    pub(super) fn name(self, at: usize) -> PathEnd {
        let mut bytes = [0; NAME_WORDS * 8];
        for (index, word) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            *word = self.load(at + index).to_ne_bytes();
        }
        PathEnd(bytes)
    }
}

/// The end of a path.
pub struct PathEnd([u8; NAME_WORDS * 8]);

impl PathEnd {
    /// Its bytes; none where the path was not known.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    #[test]
    fn of_a_long_name_its_end_is_kept() {
        let words: Vec<_> = (0..NAME_WORDS).map(|_| AtomicU64::new(0)).collect();
        let slot = Slot(Box::leak(words.into_boxed_slice()));
        let long: Vec<u8> = (0..200).map(|index| b'a' + index % 26).collect();
        slot.store_name(0, Some(&long));
        let name = slot.name(0);
        assert_eq!(name.bytes().len(), 96);
        assert!(name.bytes().starts_with(b"...") && long.ends_with(&name.bytes()[3..]));
        slot.store_name(0, Some(b"/short"));
        assert_eq!(slot.name(0).bytes(), b"/short");
        slot.store_name(0, None);
        assert!(slot.name(0).bytes().is_empty());
    }
}

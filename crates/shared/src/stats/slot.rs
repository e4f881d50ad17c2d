//! One entry of several words: numbers, and the ends of paths.

use core::sync::atomic::{AtomicU64, Ordering};

/// A name of up to 96 bytes in words; of a longer one its end.
pub(super) const NAME_WORDS: usize = 12;

/// One entry. Whoever writes more than a number into it has marked it before, so that nobody reads it.
#[derive(Clone, Copy)]
pub(super) struct Entry(pub(super) &'static [AtomicU64]);

impl Entry {
    pub(super) fn get(self, at: usize) -> u64 {
        self.0.get(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    pub(super) fn put(self, at: usize, value: u64) {
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
    pub(super) fn next(self) -> u64 {
        self.0.first().map_or(0, |word| word.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether it was at `from` in word `at` and is at `to` now.
    pub(super) fn moves(self, at: usize, from: u64, to: u64) -> bool {
        self.0.get(at).is_some_and(|word| {
            word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }

    /// Takes the words from `first` on over from another entry.
    pub(super) fn take(self, other: Entry, first: usize) {
        for at in first..self.0.len() {
            self.put(at, other.get(at));
        }
    }

    pub(super) fn put_name(self, at: usize, name: Option<&[u8]>) {
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
            self.put(at + index, u64::from_ne_bytes(*word));
        }
    }

    pub(super) fn name(self, at: usize) -> Name {
        let mut bytes = [0; NAME_WORDS * 8];
        for (index, word) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            *word = self.get(at + index).to_ne_bytes();
        }
        Name(bytes)
    }
}

/// The end of a path.
pub struct Name([u8; NAME_WORDS * 8]);

impl Name {
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
        let entry = Entry(Box::leak(words.into_boxed_slice()));
        let long: Vec<u8> = (0..200).map(|index| b'a' + index % 26).collect();
        entry.put_name(0, Some(&long));
        let name = entry.name(0);
        assert_eq!(name.bytes().len(), 96);
        assert!(name.bytes().starts_with(b"...") && long.ends_with(&name.bytes()[3..]));
        entry.put_name(0, Some(b"/short"));
        assert_eq!(entry.name(0).bytes(), b"/short");
        entry.put_name(0, None);
        assert!(entry.name(0).bytes().is_empty());
    }
}

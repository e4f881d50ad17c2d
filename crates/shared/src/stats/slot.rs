//! A slot: several words that belong together, with numbers and ends of paths.

use core::sync::atomic::{AtomicU64, Ordering};

/// The words of a path: 96 bytes.
pub(super) const PATH_WORDS: usize = 12;
const MAX_PATH_END: usize = PATH_WORDS * 8;

/// A slot. A word marks it while more than a number is written, so that no reader takes half of it.
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

    /// Sets a word to 0 and returns its value.
    pub(super) fn take(self, at: usize) -> u64 {
        self.0.get(at).map_or(0, |word| word.swap(0, Ordering::Relaxed))
    }

    /// Makes a word at least `value`.
    pub(super) fn raise(self, at: usize, value: u64) {
        if let Some(word) = self.0.get(at) {
            word.fetch_max(value, Ordering::Relaxed);
        }
    }

    /// Increments the first word and returns its old value.
    pub(super) fn fetch_increment(self) -> u64 {
        self.0.first().map_or(0, |word| word.fetch_add(1, Ordering::Relaxed))
    }

    /// Replaces a word if it has the value `from`, and reports whether it had.
    pub(super) fn compare_exchange(self, at: usize, from: u64, to: u64) -> bool {
        self.0.get(at).is_some_and(|word| {
            word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }

    /// Copies the words from index `first` on.
    pub(super) fn copy_from(self, other: Slot, first: usize) {
        for at in first..self.0.len() {
            self.store(at, other.load(at));
        }
    }

    /// Stores bytes; the rest of the last word is zeros.
    #[inline(always)]
    pub(super) fn store_bytes(self, at: usize, bytes: &[u8]) {
        store_bytes(self.0.get(at..).unwrap_or_default(), bytes);
    }

    pub(super) fn load_bytes(self, at: usize, bytes: &mut [u8]) {
        for (index, chunk) in bytes.chunks_mut(size_of::<u64>()).enumerate() {
            for (to, from) in chunk.iter_mut().zip(self.load(at + index).to_ne_bytes()) {
                *to = from;
            }
        }
    }

    /// Stores a path. If it is too long its end is stored, after `...`.
    pub(super) fn store_path(self, at: usize, path: Option<&[u8]>) {
        self.store_bytes(at, &PathEnd::of(path.unwrap_or_default()).0);
    }

    pub(super) fn path(self, at: usize) -> PathEnd {
        let mut bytes = [0; MAX_PATH_END];
        self.load_bytes(at, &mut bytes);
        PathEnd(bytes)
    }
}

/// Stores bytes in as many words as they need; the rest of the last word is zeros.
#[inline(never)]
pub(super) fn store_bytes(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks();
    let (fours, singles) = whole.as_chunks();
    let (places, _) = words.as_chunks();
    for ([a, b, c, d], [first, second, third, fourth]) in places.iter().zip(fours) {
        store(a, *first);
        store(b, *second);
        store(c, *third);
        store(d, *fourth);
    }
    let places = words.get(whole.len() - singles.len()..).unwrap_or_default();
    for (place, word) in places.iter().zip(singles) {
        store(place, *word);
    }
    if let (Some(place), false) = (words.get(whole.len()), rest.is_empty()) {
        // Made of bytes in a register: a word that is loaded from where single bytes were just stored
        // has to wait for them.
        let last = match bytes.last_chunk() {
            Some(eight) => u64::from_le_bytes(*eight) >> (8 * (8 - rest.len())),
            None => rest.iter().rev().fold(0, |last, &byte| last << 8 | u64::from(byte)),
        };
        place.store(last.to_le(), Ordering::Release);
    }
}

#[inline(always)]
fn store(place: &AtomicU64, word: [u8; 8]) {
    place.store(u64::from_ne_bytes(word), Ordering::Release);
}

/// A path, or the end of a long one.
pub struct PathEnd([u8; MAX_PATH_END]);

impl PathEnd {
    /// Returns the end of a path, after `...` if it is too long.
    pub(super) fn of(path: &[u8]) -> PathEnd {
        const CUT: &[u8] = b"...";
        let mut stored = [0; MAX_PATH_END];
        let excess = path.len().saturating_sub(MAX_PATH_END);
        let end = path.get(excess..).unwrap_or_default();
        for (to, from) in stored.iter_mut().zip(end) {
            *to = *from;
        }
        if excess > 0 {
            for (to, from) in stored.iter_mut().zip(CUT) {
                *to = *from;
            }
        }
        PathEnd(stored)
    }

    /// Returns its bytes; empty if the path is unknown.
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
    fn bytes_are_stored_whole_and_zeros_after_them() {
        let text: Vec<u8> = (1..100).collect();
        for len in 0..text.len() {
            let words: Vec<_> = (0..16).map(|_| AtomicU64::new(u64::MAX)).collect();
            store_bytes(&words, &text[..len]);
            let mut expected = text[..len].to_vec();
            expected.resize(len.next_multiple_of(8), 0);
            expected.resize(128, 0xff);
            let stored = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
            assert_eq!(stored.collect::<Vec<_>>(), expected, "{len}");
        }
        // Some of those that do not fit are dropped.
        store_bytes(&[const { AtomicU64::new(0) }; 3], &text);
    }

    #[test]
    fn the_end_of_a_long_path_is_stored() {
        let words: Vec<_> = (0..PATH_WORDS).map(|_| AtomicU64::new(0)).collect();
        let slot = Slot(Box::leak(words.into_boxed_slice()));
        let long: Vec<u8> = (0..200).map(|index| b'a' + index % 26).collect();
        slot.store_path(0, Some(&long));
        let path = slot.path(0);
        assert_eq!(path.bytes().len(), 96);
        assert!(path.bytes().starts_with(b"...") && long.ends_with(&path.bytes()[3..]));
        slot.store_path(0, Some(b"/short"));
        assert_eq!(slot.path(0).bytes(), b"/short");
        slot.store_path(0, None);
        assert!(slot.path(0).bytes().is_empty());
    }
}

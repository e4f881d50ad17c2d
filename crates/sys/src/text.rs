//! Text under construction that is UTF-8 by how it is made, so that nobody has to check it again.

use core::mem::MaybeUninit;

/// Up to `SIZE` bytes of UTF-8. Nothing is cleared beforehand: it may stand in the frame of every call.
pub struct Text<const SIZE: usize> {
    bytes: [MaybeUninit<u8>; SIZE],
    /// How many bytes from the start were written: whole characters.
    end: usize,
}

impl<const SIZE: usize> Text<SIZE> {
    /// Nothing written yet.
    #[must_use]
    #[inline(always)]
    pub const fn new() -> Self {
        Text { bytes: [const { MaybeUninit::uninit() }; SIZE], end: 0 }
    }

    /// Appends the first `count` of a word's eight characters, the lowest byte first, if there is room for
    /// eight: one store, although nobody knows the number. Of bytes that are not ASCII it is the low seven
    /// bits.
    #[inline(always)]
    pub fn word(&mut self, word: u64, count: usize) -> bool {
        const SEVEN_BITS: u64 = u64::MAX / 0xff * 0x7f;
        const { assert!(SIZE >= 8, "room for a word") };
        if self.end > SIZE - 8 {
            return false;
        }
        // SAFETY: `end` and eight more are at most SIZE.
        let place = unsafe { self.bytes.as_mut_ptr().add(self.end) };
        // SAFETY: so many bytes are free from there on.
        unsafe { place.cast::<u64>().write_unaligned((word & SEVEN_BITS).to_le()) };
        self.end += count.min(8);
        true
    }

    /// Appends `text`, if there is room for all of it. A store or two where the compiler knows its length.
    #[inline(always)]
    pub fn str(&mut self, text: &str) -> bool {
        if text.len() > SIZE - self.end {
            return false;
        }
        // SAFETY: `end` is at most SIZE.
        let place = unsafe { self.bytes.as_mut_ptr().add(self.end) };
        // SAFETY: so many bytes are free from there on, and nobody else has a reference to them.
        unsafe { place.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        self.end += text.len();
        true
    }

    /// What was written.
    #[must_use]
    #[inline(always)]
    pub fn as_str(&self) -> &str {
        // SAFETY: so many bytes were written, by the two functions above.
        let written = unsafe { core::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.end) };
        // SAFETY: they are whole texts.
        unsafe { core::str::from_utf8_unchecked(written) }
    }

    /// Empties it.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.end = 0;
    }
}

impl<const SIZE: usize> Default for Text<SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: u64 = u64::from_le_bytes(*b"abcdefgh");

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let mut text = Text::<16>::new();
        assert!(text.str("abc") && text.str("é") && text.word(WORD, 8));
        assert!(!text.str("日本") && !text.word(WORD, 1));
        assert!(text.str("日"));
        assert!(!text.str("x"));
        assert_eq!(text.as_str(), "abcéabcdefgh日");
        text.clear();
        assert_eq!(text.as_str(), "");
    }

    #[test]
    fn a_part_of_a_word() {
        let mut text = Text::<10>::new();
        assert!(text.word(WORD, 1) && text.word(WORD, 0) && text.word(WORD, 2));
        assert!(!text.word(WORD, 1));
        assert_eq!(text.as_str(), "aab");
    }

    #[test]
    fn it_is_utf8_whatever_comes() {
        let mut text = Text::<16>::new();
        assert!(text.word(0xff80_0102_0304_0506, 8) && text.word(0xff, 1));
        assert!(core::str::from_utf8(text.as_str().as_bytes()).is_ok());
    }
}

//! A buffer for text that is UTF-8 by construction, so that it is not validated again.

use core::mem::MaybeUninit;

/// At most `SIZE` bytes of UTF-8. The bytes are not initialized: a line's buffer is in the stack
/// frame of each call.
pub struct Text<const SIZE: usize> {
    bytes: [MaybeUninit<u8>; SIZE],
    /// Bytes written, from the start; always whole characters.
    end: usize,
}

impl<const SIZE: usize> Text<SIZE> {
    #[must_use]
    #[inline(always)]
    pub const fn new() -> Self {
        Text { bytes: [const { MaybeUninit::uninit() }; SIZE], end: 0 }
    }

    /// Appends the first `count` (at most 8) of the eight characters in `word`, lowest byte first;
    /// returns false if fewer than eight bytes are free. It is one store of eight bytes, whatever
    /// `count` is. Each byte is masked to ASCII (seven bits).
    #[inline(always)]
    pub fn push_word(&mut self, word: u64, count: usize) -> bool {
        const SEVEN_BITS: u64 = u64::MAX / 0xff * 0x7f;
        const { assert!(SIZE >= 8, "no space for a word") };
        if self.end > SIZE - 8 {
            return false;
        }
        // SAFETY: `end` + 8 is at most SIZE.
        let free = unsafe { self.bytes.as_mut_ptr().add(self.end) };
        // SAFETY: eight bytes are free there.
        unsafe { free.cast::<u64>().write_unaligned((word & SEVEN_BITS).to_le()) };
        self.end += count.min(8);
        true
    }

    /// Appends `text`; returns false if it does not fit. It is one or two stores if the compiler
    /// knows the length.
    #[inline(always)]
    pub fn push_str(&mut self, text: &str) -> bool {
        if text.len() > SIZE - self.end {
            return false;
        }
        // SAFETY: `end` is at most SIZE.
        let free = unsafe { self.bytes.as_mut_ptr().add(self.end) };
        // SAFETY: `text.len()` bytes are free there, and `&mut self` is the only reference to
        // them.
        unsafe { free.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        self.end += text.len();
        true
    }

    #[must_use]
    #[inline(always)]
    pub fn as_str(&self) -> &str {
        // SAFETY: the first `end` bytes were written by the two functions above.
        let written = unsafe { core::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.end) };
        // SAFETY: both append whole UTF-8 characters only.
        unsafe { core::str::from_utf8_unchecked(written) }
    }

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
    fn text_that_does_not_fit_is_not_appended() {
        let mut text = Text::<16>::new();
        assert!(text.push_str("abc") && text.push_str("é") && text.push_word(WORD, 8));
        assert!(!text.push_str("日本") && !text.push_word(WORD, 1));
        assert!(text.push_str("日"));
        assert!(!text.push_str("x"));
        assert_eq!(text.as_str(), "abcéabcdefgh日");
        text.clear();
        assert_eq!(text.as_str(), "");
    }

    #[test]
    fn a_word_needs_eight_free_bytes_whatever_its_count() {
        let mut text = Text::<10>::new();
        assert!(text.push_word(WORD, 1) && text.push_word(WORD, 0) && text.push_word(WORD, 2));
        assert!(!text.push_word(WORD, 1));
        assert_eq!(text.as_str(), "aab");
    }

    #[test]
    fn bytes_that_are_not_ascii_are_masked() {
        let mut text = Text::<16>::new();
        assert!(text.push_word(0xff80_0102_0304_0506, 8) && text.push_word(0xff, 1));
        assert!(core::str::from_utf8(text.as_str().as_bytes()).is_ok());
    }
}

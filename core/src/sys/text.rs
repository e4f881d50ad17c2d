//! Text under construction that is UTF-8 by how it is made, so that nobody has to check it again.

use core::mem::MaybeUninit;

/// An ASCII character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Ascii(u8);

impl Ascii {
    /// The character; of a byte that is none its low seven bits.
    #[must_use]
    #[inline(always)]
    pub const fn new(byte: u8) -> Ascii {
        Ascii(byte & 0x7f)
    }

    /// The same for eight bytes at once.
    #[must_use]
    #[inline(always)]
    pub const fn eight(bytes: u64) -> [Ascii; 8] {
        let [a, b, c, d, e, f, g, h] = (bytes & (u64::MAX / 0xff * 0x7f)).to_ne_bytes();
        [Ascii(a), Ascii(b), Ascii(c), Ascii(d), Ascii(e), Ascii(f), Ascii(g), Ascii(h)]
    }
}

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

    /// Appends ASCII characters whose number the compiler knows, if there is room for them all.
    #[inline(always)]
    pub fn ascii<const COUNT: usize>(&mut self, characters: &[Ascii; COUNT]) -> bool {
        // SAFETY: an `Ascii` is a byte below 0x80, and many of them are UTF-8.
        let text = unsafe {
            core::str::from_utf8_unchecked(core::slice::from_raw_parts(
                characters.as_ptr().cast::<u8>(),
                COUNT,
            ))
        };
        self.str(text)
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

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let mut text = Text::<8>::new();
        assert!(text.ascii(&[Ascii::new(b'a'); 3]) && text.str("é"));
        assert!(!text.str("日本") && !text.ascii(&[Ascii::new(b'x'); 4]));
        assert!(text.str("日"));
        assert!(!text.ascii(&[Ascii::new(b'x')]));
        assert_eq!(text.as_str(), "aaaé日");
        text.clear();
        assert_eq!(text.as_str(), "");
    }

    #[test]
    fn it_is_utf8_whatever_comes() {
        let mut text = Text::<8>::new();
        assert!(text.ascii(&Ascii::eight(0xff80_0102_0304_0506)));
        assert!(core::str::from_utf8(text.as_str().as_bytes()).is_ok());
    }
}

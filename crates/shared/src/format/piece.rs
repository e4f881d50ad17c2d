//! A buffer before a `fmt::Write`, with its own number formatting. A log line is mostly numbers, and
//! `core::fmt` takes three times as many instructions for them.

use cfr_sys::Text;
use core::fmt;

/// The size in bytes: enough for a line without long paths, and small, because the buffer can be on
/// the stack of a signal handler.
pub(super) const MAX_PIECE: usize = 704;

/// Collects text and passes it on in pieces; the last piece is passed on when this is dropped. A
/// piece is always valid UTF-8, because only whole characters are appended.
pub(super) struct Piece<'a> {
    text: Text<MAX_PIECE>,
    /// `None` if only a text of one piece is wanted.
    out: Option<&'a mut dyn fmt::Write>,
    /// Whether all text so far is in this piece.
    is_whole: bool,
}

impl<'a> Piece<'a> {
    #[inline(always)]
    pub(super) fn new(out: &'a mut dyn fmt::Write) -> Self {
        Piece { text: Text::new(), out: Some(out), is_whole: true }
    }

    /// Creates a piece for a text that is wanted only if it is not longer.
    #[inline(always)]
    pub(super) fn alone() -> Self {
        Piece { text: Text::new(), out: None, is_whole: true }
    }

    /// Returns the text; `None` if a part was passed on, or dropped.
    #[inline(always)]
    pub(super) fn whole(&self) -> Option<&[u8]> {
        self.is_whole.then(|| self.text.as_str().as_bytes())
    }

    /// Passes the collected text on.
    fn flush(&mut self) {
        if let Some(out) = &mut self.out {
            // Our writers never fail: they drop what does not fit.
            let _ = out.write_str(self.text.as_str());
        }
        self.is_whole = false;
        self.text.clear();
    }

    /// Appends a text whose length the compiler knows, which takes one or two stores.
    #[inline(always)]
    pub(super) fn literal(&mut self, text: &'static str) {
        if !self.text.push_str(text) {
            self.crowded(text);
        }
    }

    /// Appends an ASCII character.
    #[inline(always)]
    pub(super) fn ascii(&mut self, character: u8) {
        self.word(character.into(), 1);
    }

    /// Appends the lowest `count` bytes of a word of eight ASCII characters, the lowest byte first.
    #[inline(always)]
    pub(super) fn word(&mut self, word: u64, count: usize) {
        if !self.text.push_word(word, count) {
            self.crowded_word(word, count);
        }
    }

    #[cold]
    #[inline(never)]
    fn crowded_word(&mut self, word: u64, count: usize) {
        self.flush();
        self.text.push_word(word, count);
    }

    /// Appends a short text.
    #[inline(never)]
    pub(super) fn text(&mut self, text: &str) {
        if !self.text.push_str(text) {
            self.crowded(text);
        }
    }

    /// Flushes, then appends.
    #[cold]
    #[inline(never)]
    fn crowded(&mut self, text: &str) {
        self.flush();
        self.text.push_str(text);
    }

    /// Appends a number in decimal.
    #[inline(always)]
    pub(super) fn unsigned(&mut self, value: u64) {
        if value < 10 {
            self.ascii(digit(value));
        } else {
            self.digits(value);
        }
    }

    /// Appends a number that is not 0.
    #[inline(never)]
    fn digits(&mut self, value: u64) {
        const NUMBERS: u64 = u64::MAX / 0xff * 0x0f;
        if value >= EIGHT_DIGITS {
            return self.many_digits(value);
        }
        let word = digits_of(hundreds(value));
        // The lowest byte is the first digit, so leading zeros are at the low end.
        let zeros = (word & NUMBERS).trailing_zeros() / 8;
        self.word(word >> (8 * zeros), 8 - zeros as usize);
    }

    /// Appends a number of ten digits.
    #[inline(always)]
    pub(super) fn ten_digits(&mut self, value: u64) {
        self.word(digits_of(value / EIGHT_DIGITS), 2);
        self.word(digits_of(hundreds(value % EIGHT_DIGITS)), 8);
    }

    #[inline(never)]
    fn many_digits(&mut self, value: u64) {
        self.digits(value / EIGHT_DIGITS);
        self.word(digits_of(hundreds(value % EIGHT_DIGITS)), 8);
    }

    /// Appends a signed number in decimal.
    #[inline(always)]
    pub(super) fn signed(&mut self, value: i64) {
        if value < 0 {
            self.literal("-");
        }
        self.unsigned(value.unsigned_abs());
    }

    /// Appends a decimal point and six digits: a number of millionths below a million.
    #[inline(always)]
    pub(super) fn fraction(&mut self, millionths: u64) {
        // 00123456: the point replaces the two leading zeros.
        self.word(u64::from(b'.') | digits_of(hundreds(millionths)) >> 8 & !0xff, 7);
    }

    /// Appends a number in hexadecimal after `0x`, as strace(1) does.
    pub(super) fn hex(&mut self, value: u64) {
        self.literal("0x");
        let nibbles = (16 - value.leading_zeros() / 4).clamp(1, 16);
        for nibble in (0..nibbles).rev() {
            self.ascii(hex_digit(value >> (4 * nibble)));
        }
    }
}

impl Drop for Piece<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.flush();
    }
}

/// Returns the digit of a value below ten.
#[inline(always)]
fn digit(value: u64) -> u8 {
    #[expect(clippy::cast_possible_truncation, reason = "below ten")]
    let below_ten = value as u8;
    b'0' + below_ten
}

/// The smallest number with more than eight digits.
const EIGHT_DIGITS: u64 = 100_000_000;

/// Splits a number below 10^8 into four numbers below 100, the most significant in the low 16 bits.
/// Both halves of four digits are divided by 100 at once, by a multiplication: 5243 / 2^19 is near
/// enough to 1/100 for all numbers below 10,000.
#[inline(always)]
fn hundreds(value: u64) -> u64 {
    let halves = (value / 10_000) | ((value % 10_000) << 32);
    let high = (halves * 5243) >> 19 & 0x7f_0000_007f;
    high | (halves - high * 100) << 16
}

/// Packs four numbers into 16 bits each, the first one into the low bits.
#[inline(always)]
pub(super) fn lanes([a, b, c, d]: [u64; 4]) -> u64 {
    a | (b << 16) | (c << 32) | (d << 48)
}

/// Returns the eight digits of four numbers below 100 that [`lanes`] has packed, in the same order.
/// All are divided by 10 at once: 103 / 2^10 is near enough to 1/10 for all numbers below 100.
#[inline(always)]
pub(super) fn digits_of(numbers: u64) -> u64 {
    const LANES: u64 = u64::MAX / 0xffff;
    let tens = (numbers * 103) >> 10 & (LANES * 0x0f);
    let ones = numbers - tens * 10;
    (tens | ones << 8) + LANES * u64::from(u16::from_le_bytes(*b"00"))
}

/// Returns the hexadecimal digit of the low four bits.
#[must_use]
pub(super) fn hex_digit(value: u64) -> u8 {
    *b"0123456789abcdef".get((value & 0xf) as usize).unwrap_or(&b'?')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn written(write: impl FnOnce(&mut Piece)) -> String {
        let mut text = String::new();
        write(&mut Piece::new(&mut text));
        text
    }

    #[test]
    fn numbers_are_written_as_core_fmt_does() {
        assert_eq!(written(|out| out.unsigned(0)), "0");
        assert_eq!(written(|out| out.unsigned(u64::MAX)), "18446744073709551615");
        for power in 0..20 {
            for value in [10u64.pow(power) - 1, 10u64.pow(power), 10u64.pow(power) + 1] {
                assert_eq!(written(|out| out.unsigned(value)), std::format!("{value}"));
            }
        }
        for value in [1_000_000_000, 1_796_079_355, 9_999_999_999u64] {
            assert_eq!(written(|out| out.ten_digits(value)), std::format!("{value}"));
        }
        assert_eq!(written(|out| out.fraction(21)), ".000021");
        assert_eq!(written(|out| out.fraction(987_654)), ".987654");
        assert_eq!(written(|out| out.signed(i64::MIN)), "-9223372036854775808");
        assert_eq!(written(|out| out.hex(0)), "0x0");
        assert_eq!(written(|out| out.hex(0x0080_0000)), "0x800000");
        assert_eq!(written(|out| out.hex(u64::MAX)), "0xffffffffffffffff");
    }

    #[test]
    fn digits_are_right_for_all_numbers_below_a_hundred() {
        for number in 0..100u64 {
            let numbers = [number, 99 - number, number / 2, 7];
            let digits = digits_of(lanes(numbers)).to_le_bytes();
            let expected = std::format!("{number:02}{:02}{:02}07", 99 - number, number / 2);
            assert_eq!(core::str::from_utf8(&digits).unwrap(), expected);
        }
    }

    #[test]
    fn digits_are_right_for_all_numbers_below_ten_thousand() {
        for number in 0..10_000u64 {
            let digits = digits_of(hundreds(number * 10_000 + 9_999 - number)).to_le_bytes();
            let expected = std::format!("{number:04}{:04}", 9_999 - number);
            assert_eq!(core::str::from_utf8(&digits).unwrap(), expected);
        }
    }

    #[test]
    fn long_texts_are_passed_on_in_order() {
        let mut expected = String::new();
        let text = written(|out| {
            for number in 0..500u64 {
                out.unsigned(number * 1_000_003);
                out.text(" é ");
                out.literal("x");
                expected += &std::format!("{} é x", number * 1_000_003);
            }
        });
        assert_eq!(text, expected);
    }
}

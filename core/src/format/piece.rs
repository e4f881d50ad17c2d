//! Text on its way to a `fmt::Write`, gathered into pieces: the formats' own number formatting.
//!
//! `core::fmt` costs three times the instructions, and a log line is mostly numbers.

use crate::sys::{Ascii, Text};
use core::fmt;

/// All of a line but long paths; no more, because it may stand on a signal handler's stack.
const SIZE: usize = 512;

/// Gathers what is written and hands it on in pieces; dropping it hands on the last.
///
/// A piece ends where a character does: nobody appends less than one.
pub(super) struct Piece<'a> {
    text: Text<SIZE>,
    out: &'a mut dyn fmt::Write,
}

impl<'a> Piece<'a> {
    #[inline(always)]
    pub(super) fn new(out: &'a mut dyn fmt::Write) -> Self {
        Piece { text: Text::new(), out }
    }

    /// Hands on what stands here.
    fn flush(&mut self) {
        // The writers here never fail: they drop what does not fit.
        let _ = self.out.write_str(self.text.as_str());
        self.text.clear();
    }

    /// Appends a text whose length the compiler knows: a store or two.
    #[inline(always)]
    pub(super) fn literal(&mut self, text: &'static str) {
        if !self.text.str(text) {
            self.crowded(text);
        }
    }

    /// Appends a few characters that were computed.
    #[inline(always)]
    pub(super) fn ascii<const COUNT: usize>(&mut self, characters: &[Ascii; COUNT]) {
        if !self.text.ascii(characters) {
            self.flush();
            self.text.ascii(characters);
        }
    }

    /// Appends a short text.
    #[inline(never)]
    pub(super) fn text(&mut self, text: &str) {
        if !self.text.str(text) {
            self.crowded(text);
        }
    }

    /// Appends after what stands here has gone on.
    #[cold]
    #[inline(never)]
    fn crowded(&mut self, text: &str) {
        self.flush();
        self.text.str(text);
    }

    /// Appends a number in decimal.
    #[inline(always)]
    pub(super) fn unsigned(&mut self, value: u64) {
        if value < 10 {
            self.ascii(&[digit(value)]);
        } else {
            self.digits(value);
        }
    }

    #[inline(never)]
    fn digits(&mut self, value: u64) {
        const EIGHT: u64 = 100_000_000;
        if value >= EIGHT {
            self.unsigned(value / EIGHT);
            return self.eight_digits(value % EIGHT);
        }
        let [a, b] = pair(value / 1_000_000);
        let [c, d] = pair(value / 10_000 % 100);
        let [e, f] = pair(value / 100 % 100);
        let [g, h] = pair(value % 100);
        match value {
            0..10 => self.ascii(&[h]),
            10..100 => self.ascii(&[g, h]),
            100..1_000 => self.ascii(&[f, g, h]),
            1_000..10_000 => self.ascii(&[e, f, g, h]),
            10_000..100_000 => self.ascii(&[d, e, f, g, h]),
            100_000..1_000_000 => self.ascii(&[c, d, e, f, g, h]),
            1_000_000..10_000_000 => self.ascii(&[b, c, d, e, f, g, h]),
            _ => self.ascii(&[a, b, c, d, e, f, g, h]),
        }
    }

    /// Appends a number below 10^8 in eight digits.
    fn eight_digits(&mut self, value: u64) {
        let [a, b] = pair(value / 1_000_000);
        let [c, d] = pair(value / 10_000 % 100);
        let [e, f] = pair(value / 100 % 100);
        let [g, h] = pair(value % 100);
        self.ascii(&[a, b, c, d, e, f, g, h]);
    }

    /// Appends a signed number in decimal.
    #[inline(always)]
    pub(super) fn signed(&mut self, value: i64) {
        if value < 0 {
            self.literal("-");
        }
        self.unsigned(value.unsigned_abs());
    }

    /// Appends a number below a hundred in two digits.
    #[inline(always)]
    pub(super) fn two_digits(&mut self, value: u64) {
        self.ascii(&pair(value));
    }

    /// Appends a point and millionths: a number below a million, in six digits.
    #[inline(always)]
    pub(super) fn fraction(&mut self, millionths: u64) {
        let [a, b] = pair(millionths / 10_000);
        let [c, d] = pair(millionths / 100 % 100);
        let [e, f] = pair(millionths % 100);
        self.ascii(&[Ascii::new(b'.'), a, b, c, d, e, f]);
    }

    /// Appends a number below 10^10 that is at least 10^9 in its ten digits.
    #[inline(always)]
    pub(super) fn ten_digits(&mut self, value: u64) {
        let (high, low) = (value / 100_000, value % 100_000);
        let [a, b] = pair(high / 1_000);
        let [c, d] = pair(high / 10 % 100);
        let [f, g] = pair(low / 1_000);
        let [h, i] = pair(low / 10 % 100);
        self.ascii(&[a, b, c, d, digit(high % 10), f, g, h, i, digit(low % 10)]);
    }

    /// Appends a number in hexadecimal with `0x` before it, as strace(1) does.
    pub(super) fn hex(&mut self, value: u64) {
        self.literal("0x");
        let nibbles = (16 - value.leading_zeros() / 4).clamp(1, 16);
        for nibble in (0..nibbles).rev() {
            self.ascii(&[hex_digit(value >> (4 * nibble))]);
        }
    }
}

impl Drop for Piece<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.flush();
    }
}

/// The digit for a value below ten.
#[inline(always)]
fn digit(value: u64) -> Ascii {
    #[expect(clippy::cast_possible_truncation, reason = "below ten")]
    let below_ten = value as u8;
    Ascii::new(b'0' + below_ten)
}

/// The two digits for a value below a hundred.
#[inline(always)]
fn pair(value: u64) -> [Ascii; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "64 bits: lib.rs")]
    let index = value as usize;
    PAIRS.get(index).copied().unwrap_or([Ascii::new(b'?'); 2])
}

static PAIRS: [[Ascii; 2]; 100] = {
    let mut pairs = [[Ascii::new(b'0'); 2]; 100];
    let mut value = 0;
    while value < 100 {
        #[expect(clippy::cast_possible_truncation, reason = "below a hundred")]
        let small = value as u8;
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler's evaluation")]
        {
            pairs[value] = [Ascii::new(b'0' + small / 10), Ascii::new(b'0' + small % 10)];
        }
        value += 1;
    }
    pairs
};

/// The digit for the low four bits of `value`.
#[must_use]
pub(super) fn hex_digit(value: u64) -> Ascii {
    Ascii::new(*b"0123456789abcdef".get((value & 0xf) as usize).unwrap_or(&b'?'))
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
    fn numbers() {
        assert_eq!(written(|out| out.unsigned(0)), "0");
        assert_eq!(written(|out| out.unsigned(u64::MAX)), "18446744073709551615");
        for power in 0..20 {
            for value in [10u64.pow(power) - 1, 10u64.pow(power), 10u64.pow(power) + 1] {
                assert_eq!(written(|out| out.unsigned(value)), std::format!("{value}"));
            }
        }
        assert_eq!(written(|out| out.fraction(21)), ".000021");
        assert_eq!(written(|out| out.fraction(987_654)), ".987654");
        assert_eq!(written(|out| out.ten_digits(1_795_341_701)), "1795341701");
        assert_eq!(written(|out| out.two_digits(7)), "07");
        assert_eq!(written(|out| out.signed(i64::MIN)), "-9223372036854775808");
        assert_eq!(written(|out| out.hex(0)), "0x0");
        assert_eq!(written(|out| out.hex(0x0080_0000)), "0x800000");
        assert_eq!(written(|out| out.hex(u64::MAX)), "0xffffffffffffffff");
    }

    #[test]
    fn pieces_are_put_together_again() {
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

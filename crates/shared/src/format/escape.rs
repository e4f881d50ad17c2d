//! Escapes names, so that no file name can forge a line, end a string or control a terminal.

use super::piece::{Piece, hex_digit};
use crate::line::MAX_ESCAPED_PATH;
use core::fmt;

const BACKSLASH: u64 = b'\\' as u64;
/// The mark after a name that was cut because it is too long.
const CUT: &str = "...";

/// Appends a name as strace(1) prints paths, in at most `room` bytes: a backslash before `"` and `\`,
/// the usual letters for control characters, octal for every other byte that is not printable
/// ASCII, and also for `<` and `>`, which enclose the name.
pub(super) fn text(out: &mut Piece, name: &[u8], room: usize) {
    escaped(out, name, room, &PLAIN_IN_TEXT);
}

#[inline(always)]
fn escaped<const COUNT: usize>(out: &mut Piece, name: &[u8], room: usize, set: &Plain<COUNT>) {
    const WIDEST: usize = 4;
    let mut left = room;
    let mut rest = name;
    loop {
        (rest, left) = plain(out, rest, left, WIDEST, set);
        let Some((&byte, tail)) = rest.split_first() else { return };
        if left < WIDEST {
            out.literal(CUT);
            return;
        }
        left -= match byte {
            b'"' | b'\\' => pair(out, byte),
            b'\t' => pair(out, b't'),
            b'\n' => pair(out, b'n'),
            0x0b => pair(out, b'v'),
            0x0c => pair(out, b'f'),
            b'\r' => pair(out, b'r'),
            _ => octal(out, byte, matches!(tail.first(), Some(b'0'..=b'7'))),
        };
        rest = tail;
    }
}

/// Appends the bytes at the front of `name` that need no escape, while there is room for one more
/// escape of `widest` bytes. Returns the rest of the name and of the room. Most names have no other
/// bytes.
#[inline(always)]
fn plain<'a, const COUNT: usize>(
    out: &mut Piece,
    name: &'a [u8],
    mut room: usize,
    widest: usize,
    set: &Plain<COUNT>,
) -> (&'a [u8], usize) {
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    let mut rest = name;
    while let Some((eight, tail)) = rest.split_first_chunk::<8>()
        && room >= 8 + widest
        && set.has_all(u64::from_le_bytes(*eight))
    {
        out.word(u64::from_le_bytes(*eight), 8);
        room -= 8;
        rest = tail;
    }
    // The last 1 to 7 bytes are the upper bytes of the word that ends the name.
    if let Some(eight) = name.last_chunk::<8>()
        && let count @ 1..8 = rest.len()
        && room >= 8 + widest
    {
        let word = u64::from_le_bytes(*eight) >> (8 * (8 - count)) | SPACES << (8 * count);
        if set.has_all(word) {
            out.word(word, count);
            return (&[], room - count);
        }
    }
    while let Some((&byte, tail)) = rest.split_first()
        && room >= widest
        && set.has(byte)
    {
        out.ascii(byte);
        room -= 1;
        rest = tail;
    }
    (rest, room)
}

/// A set of bytes that need no escape: printable ASCII without the special characters.
struct Plain<const COUNT: usize> {
    special: [u8; COUNT],
    /// One bit per byte value.
    bits: [u64; 4],
}

static PLAIN_IN_TEXT: Plain<4> = Plain::without(*b"\"\\<>");
static PLAIN_IN_JSON: Plain<2> = Plain::without(*b"\"\\");

impl<const COUNT: usize> Plain<COUNT> {
    const fn without(special: [u8; COUNT]) -> Self {
        let mut bits = [0, 0, 0, 0u64];
        let mut byte = b' ';
        while byte <= b'~' {
            let mut is_special = false;
            let mut rest: &[u8] = &special;
            while let [first, others @ ..] = rest {
                is_special |= *first == byte;
                rest = others;
            }
            if !is_special {
                #[expect(
                    clippy::indexing_slicing,
                    reason = "evaluated by the compiler, which refuses an index out of bounds"
                )]
                {
                    bits[byte as usize / 64] |= 1 << (byte % 64);
                }
            }
            byte += 1;
        }
        Plain { special, bits }
    }

    #[inline(always)]
    fn has(&self, byte: u8) -> bool {
        self.bits.get(usize::from(byte / 64)).is_some_and(|bits| bits >> (byte % 64) & 1 == 1)
    }

    /// Reports whether all eight bytes of the word are in the set. A subtraction sets the high bit of
    /// every byte that is smaller than the subtrahend, so eight bytes are compared at once.
    #[inline(always)]
    fn has_all(&self, word: u64) -> bool {
        const ONES: u64 = u64::MAX / 0xff;
        const HIGH: u64 = ONES * 0x80;
        const DELETE: u8 = 0x7f;
        let is_below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
        let holds = |byte: u8| is_below(word ^ (ONES * u64::from(byte)), 1);
        let found = self.special.iter().fold(holds(DELETE), |found, &byte| found | holds(byte));
        (word | is_below(word, b' ') | found) & HIGH == 0
    }
}

fn pair(out: &mut Piece, letter: u8) -> usize {
    out.word(BACKSLASH | u64::from(letter) << 8, 2);
    2
}

/// Appends an octal escape and returns its length. It is the shortest one, but has all three digits
/// if the next character is a digit too (`full`).
fn octal(out: &mut Piece, byte: u8, full: bool) -> usize {
    let digit = |shift: u8| u64::from(b'0' + (byte >> shift & 7));
    let digits = digit(6) | digit(3) << 8 | digit(0) << 16;
    let count = match byte {
        _ if full || byte >= 0o100 => 3,
        0o10.. => 2,
        _ => 1,
    };
    out.word(BACKSLASH | digits >> (8 * (3 - count)) << 8, 1 + count);
    1 + count
}

/// Appends a name as the content of a JSON string (RFC 8259), in at most `room` bytes. Control
/// characters (C0 and C1), line separators and direction marks are escaped. A byte that is not
/// UTF-8 becomes U+0000 and two hexadecimal digits: no path has a zero byte, so a reader can
/// recover the bytes.
pub(super) fn json(out: &mut Piece, name: &[u8], room: usize) {
    const WIDEST: usize = 8;
    let mut left = room;
    let mut rest = name;
    loop {
        (rest, left) = plain(out, rest, left, WIDEST, &PLAIN_IN_JSON);
        let Some((&byte, tail)) = rest.split_first() else { return };
        if left < WIDEST {
            out.literal(CUT);
            return;
        }
        let Some(character) = first_character(rest) else {
            out.literal("\\u0000");
            out.ascii(hex_digit(u64::from(byte >> 4)));
            out.ascii(hex_digit(u64::from(byte)));
            left -= WIDEST;
            rest = tail;
            continue;
        };
        left -= match character {
            '"' => pair(out, b'"'),
            '\\' => pair(out, b'\\'),
            '\n' => pair(out, b'n'),
            '\r' => pair(out, b'r'),
            '\t' => pair(out, b't'),
            _ if is_unsafe(character) => unicode(out, character),
            _ => {
                out.text(character.encode_utf8(&mut [0; 4]));
                character.len_utf8()
            }
        };
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
}

/// Returns the character at the front of `bytes`; `None` if they are not UTF-8.
#[cold]
fn first_character(bytes: &[u8]) -> Option<char> {
    let window = bytes.get(..bytes.len().min(4))?;
    window.utf8_chunks().next()?.valid().chars().next()
}

/// Reports whether a terminal or a reader of lines may interpret the character. All such characters
/// are below U+10000.
fn is_unsafe(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' | '\u{feff}')
}

fn unicode(out: &mut Piece, character: char) -> usize {
    let code = u64::from(u32::from(character));
    out.literal("\\u");
    for shift in [12, 8, 4, 0] {
        out.ascii(hex_digit(code >> shift));
    }
    6
}

/// Escapes formatted text as the content of a JSON string.
pub(super) struct JsonString<'a, 'b>(pub(super) &'a mut Piece<'b>);

impl fmt::Write for JsonString<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        json(self.0, text.as_bytes(), MAX_ESCAPED_PATH);
        Ok(())
    }
}

/// Returns bytes from outside in a form that is safe in a message: escaped as in the text log but for
/// `<` and `>`, and cut after 200 bytes.
#[must_use]
pub fn printable(bytes: &[u8]) -> impl fmt::Display + '_ {
    Printable(bytes)
}

struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(&mut Piece::new(f), self.0, 200, &PLAIN_IN_JSON);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn shown_by(escape: fn(&mut Piece, &[u8], usize), name: &[u8], room: usize) -> String {
        let mut text = String::new();
        escape(&mut Piece::new(&mut text), name, room);
        text
    }

    #[test]
    fn text_is_straces() {
        let shown = |name: &[u8]| shown_by(text, name, 1000);
        assert_eq!(shown(b"/a b/c"), "/a b/c");
        assert_eq!(shown(b"a\nb\tc\rd\x0be\x0cf"), "a\\nb\\tc\\rd\\ve\\ff");
        assert_eq!(shown(b"a\"b\\c"), "a\\\"b\\\\c");
        assert_eq!(shown(b"a<b>c"), "a\\74b\\76c");
        assert_eq!(printable(b"len>1\n").to_string(), "len>1\\n");
        assert_eq!(shown(b"\x01\x1b[31m\x1b7"), "\\1\\33[31m\\0337");
        assert_eq!(shown("é".as_bytes()), "\\303\\251");
    }

    #[test]
    fn json_keeps_utf8_and_every_byte() {
        let shown = |name: &[u8]| shown_by(json, name, 1000);
        assert_eq!(shown("/é/日本".as_bytes()), "/é/日本");
        assert_eq!(shown(b"a\nb\"c\\d\x1b"), "a\\nb\\\"c\\\\d\\u001b");
        assert_eq!(shown("\u{9b}\u{2028}\u{202e}".as_bytes()), "\\u009b\\u2028\\u202e");
        assert_eq!(shown(b"caf\xe9.txt"), "caf\\u0000e9.txt");
    }

    /// Every byte string comes back from its JSON form.
    #[test]
    fn json_can_be_recovered() {
        let mut seed = 1u64;
        for _ in 0..2000 {
            let name: Vec<u8> = (0..20)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    u8::try_from(seed >> 56).unwrap().max(1)
                })
                .collect();
            let quoted = std::format!("\"{}\"", shown_by(json, &name, 1000));
            let decoded: String = serde_json::from_str(&quoted).unwrap();
            let mut bytes = Vec::new();
            let mut characters = decoded.chars();
            while let Some(character) = characters.next() {
                if character == '\0' {
                    let digits: String = characters.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                } else {
                    bytes.extend(character.to_string().as_bytes());
                }
            }
            assert_eq!(bytes, name);
        }
    }

    #[test]
    fn long_names_are_cut() {
        for (escape, widest) in [(text as fn(&mut Piece, &[u8], usize), 4), (json, 8)] {
            for byte in [b'\n', b'x'] {
                let shown = shown_by(escape, &[byte; 5000], 100);
                let kept = shown.strip_suffix("...").unwrap();
                assert!(kept.len() <= 100 && kept.len() > 100 - widest, "{shown}");
                let expected = if byte == b'x' { "x" } else { "\\n" };
                assert!(kept.split(expected).all(str::is_empty), "{shown}");
            }
        }
    }
}

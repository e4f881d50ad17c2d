//! A line of the log, built in a buffer of the caller.

use core::fmt;

/// The longest line in bytes, with its newline. It is PIPE_BUF: lines of several processes do not
/// interleave in a pipe if each is one write(2) of at most that length (pipe(7)).
pub const MAX_LINE: usize = 4096;

/// The most bytes of an escaped path. A line with two such paths and all other fields fits into
/// [`MAX_LINE`].
pub const MAX_ESCAPED_PATH: usize = (MAX_LINE - 960) / 2;

/// Reports whether these bytes can be a line: no newline is among them, and no other control character,
/// which the formats escape.
#[must_use]
pub fn is_printable(line: &[u8]) -> bool {
    line.iter().all(|byte| !byte.is_ascii_control())
}

/// A line. Bytes that do not fit are dropped; the newline always fits.
pub struct Line<'a> {
    /// A newline, which can end a partial line of an earlier write, then the line.
    buffer: &'a mut [u8],
    end: usize,
}

impl<'a> Line<'a> {
    /// Starts a line in `buffer`.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        if let Some(first) = buffer.first_mut() {
            *first = b'\n';
        }
        Line { buffer, end: 1 }
    }

    /// Returns the bytes so far, without a newline.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(1..self.end).unwrap_or_default()
    }

    /// Reports whether nothing was appended yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == 1
    }

    /// Appends `bytes`, or as many as fit.
    pub fn append(&mut self, bytes: &[u8]) {
        let last = self.buffer.len().saturating_sub(1);
        let room = self.buffer.get_mut(self.end..last).unwrap_or_default();
        let count = bytes.len().min(room.len());
        if let (Some(to), Some(part)) = (room.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(part);
            self.end += count;
        }
    }

    /// Appends `len` bytes, or as many as fit, and returns them to be written.
    pub fn grow(&mut self, len: usize) -> &mut [u8] {
        let last = self.buffer.len().saturating_sub(1);
        let room = self.buffer.get_mut(self.end..last).unwrap_or_default();
        let len = len.min(room.len());
        self.end += len;
        room.get_mut(..len).unwrap_or_default()
    }

    /// Returns the line with its newline. `after_partial` adds a newline before it, to end a line that
    /// an earlier write has written in part.
    #[must_use]
    pub fn finish(&mut self, after_partial: bool) -> &[u8] {
        if let Some(last) = self.buffer.get_mut(self.end) {
            *last = b'\n';
        }
        self.buffer.get(usize::from(!after_partial)..=self.end).unwrap_or_default()
    }

    /// Makes a blank line of the first `count` bytes that [`Line::finish`] returns for the same
    /// `after_partial`: spaces and a newline. The newline that it adds before the line stays.
    #[must_use]
    pub fn blank(&mut self, after_partial: bool, count: usize) -> &[u8] {
        let start = usize::from(!after_partial);
        let bytes = self.buffer.get_mut(start..start + count).unwrap_or_default();
        let blanks = bytes.get_mut(usize::from(after_partial)..).unwrap_or_default();
        blanks.fill(b' ');
        if let Some(last) = blanks.last_mut() {
            *last = b'\n';
        }
        bytes
    }
}

impl fmt::Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_do_not_fit_are_dropped_and_the_newline_stays() {
        let mut buffer = [0u8; 8];
        let mut line = Line::new(&mut buffer);
        line.append(b"abcdefghij");
        line.append(b"k");
        assert_eq!(line.finish(false), b"abcdef\n");
        assert_eq!(line.finish(true), b"\nabcdef\n");
    }

    #[test]
    fn a_piece_becomes_a_blank_line() {
        let blank = |after_partial, count| {
            let mut buffer = [0u8; 8];
            let mut line = Line::new(&mut buffer);
            line.append(b"abcdef");
            let _ = line.finish(after_partial);
            line.blank(after_partial, count).to_vec()
        };
        assert_eq!(blank(false, 1), b"\n");
        assert_eq!(blank(false, 4), b"   \n");
        assert_eq!(blank(true, 1), b"\n");
        assert_eq!(blank(true, 2), b"\n\n");
        assert_eq!(blank(true, 4), b"\n  \n");
    }

    #[test]
    fn a_tiny_buffer_does_not_panic() {
        for size in 0..3 {
            let mut buffer = std::vec![0u8; size];
            let mut line = Line::new(&mut buffer);
            line.append(b"abc");
            assert!(line.finish(true).len() <= size);
        }
    }
}

//! A line of the log under construction, in a buffer that somebody else owns.

use core::fmt;

/// The longest line in bytes, its newline included: PIPE_BUF, the most that one write(2) puts
/// into a pipe in one piece whoever else writes there (pipe(7)).
pub const MAX_LINE: usize = 4096;

/// How many bytes one escaped path may take, so that a line with two of them and everything else
/// fits.
pub const MAX_ESCAPED_PATH: usize = (MAX_LINE - 960) / 2;

/// A line that grows to the right. What does not fit is dropped; the newline always fits.
pub struct Line<'a> {
    /// First a newline, to end a predecessor's torn line with, then the line.
    buffer: &'a mut [u8],
    end: usize,
}

impl<'a> Line<'a> {
    /// An empty line in `buffer`.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        if let Some(first) = buffer.first_mut() {
            *first = b'\n';
        }
        Line { buffer, end: 1 }
    }

    /// What was written, without a newline.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(1..self.end).unwrap_or_default()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == 1
    }

    /// Appends `bytes`, or as many as fit.
    pub fn append(&mut self, bytes: &[u8]) {
        let last = self.buffer.len().saturating_sub(1);
        let room = self.buffer.get_mut(self.end..last).unwrap_or_default();
        let count = bytes.len().min(room.len());
        if let (Some(place), Some(part)) = (room.get_mut(..count), bytes.get(..count)) {
            place.copy_from_slice(part);
            self.end += count;
        }
    }

    /// The finished line with its newline; `after_torn` puts a newline before it too, to end what
    /// a failed write left behind.
    #[must_use]
    pub fn finish(&mut self, after_torn: bool) -> &[u8] {
        if let Some(place) = self.buffer.get_mut(self.end) {
            *place = b'\n';
        }
        self.buffer.get(usize::from(!after_torn)..=self.end).unwrap_or_default()
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
    fn what_does_not_fit_is_dropped_and_the_newline_stays() {
        let mut buffer = [0u8; 8];
        let mut line = Line::new(&mut buffer);
        line.append(b"abcdefghij");
        line.append(b"k");
        assert_eq!(line.finish(false), b"abcdef\n");
        assert_eq!(line.finish(true), b"\nabcdef\n");
    }

    #[test]
    fn no_buffer_is_too_small() {
        for size in 0..3 {
            let mut buffer = std::vec![0u8; size];
            let mut line = Line::new(&mut buffer);
            line.append(b"abc");
            assert!(line.finish(true).len() <= size);
        }
    }
}

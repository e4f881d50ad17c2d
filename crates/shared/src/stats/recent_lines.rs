//! The most recent lines of the text log, kept in memory so that the launcher can show them after the
//! program has ended. They need no descriptor in the host, and no process can lose them by being
//! killed.

use super::Stats;
use super::in_flight::IN_FLIGHT;
use super::layout::Section;
use super::slot::Slot;
use crate::line::MAX_LINE;
use crate::record::Record;
use core::fmt::{self, Write};

/// The most lines that are kept.
pub(super) const MAX_LINES: usize = 48;
/// Before the slots: the number of lines so far.
const COUNT_WORDS: usize = 1;

// The words of a slot.
/// The line's number, 0 if the slot was never used, or [`BEING_WRITTEN`].
const NUMBER: usize = 0;
/// The line's length in bytes.
const LEN: usize = 1;
const TEXT: usize = 2;
const WORDS: usize = TEXT + MAX_LINE / WORD;

/// The number of lines so far, then the most recent ones.
pub(super) const RECENT_LINES: Section = Section::after(IN_FLIGHT, COUNT_WORDS + MAX_LINES * WORDS);

const WORD: usize = size_of::<u64>();
/// No line has this number.
const BEING_WRITTEN: u64 = u64::MAX;

/// A line that was kept.
#[derive(Clone, Copy)]
pub struct RecentLine {
    /// The line's number, from 1.
    pub number: u64,
    slot: Slot,
}

impl RecentLine {
    /// Returns the line's bytes, without a newline.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<> {
        let slot = self.slot;
        let len = usize::try_from(slot.load(LEN)).unwrap_or(0).min(MAX_LINE);
        let bytes = (TEXT..WORDS).flat_map(move |at| slot.load(at).to_ne_bytes());
        bytes.take(len)
    }
}

impl Stats {
    /// Returns the number of lines so far.
    #[must_use]
    pub fn line_count(&self) -> u64 {
        self.get_at(RECENT_LINES, 0)
    }

    /// Returns the most recent lines, unordered. A line whose writer was killed is missing.
    pub fn recent_lines(&self) -> impl Iterator<Item = RecentLine> {
        self.line_slots().filter_map(|slot| {
            let number = slot.load(NUMBER);
            (number > 0 && number != BEING_WRITTEN).then_some(RecentLine { number, slot })
        })
    }

    /// Keeps the line of a finished call.
    ///
    /// The line is formatted through a vtable, with the type that the log's events have. A direct
    /// call would be a second caller of the format, which the compiler then no longer inlines: every
    /// line of the log would pay for it.
    #[cold]
    #[inline(never)]
    pub fn keep_line(&self, record: &Record<'_>) {
        let line: &dyn fmt::Debug = record;
        self.store_line(|writer| {
            // The writer never fails: it drops what does not fit.
            let _ = write!(writer, "{line:?}");
        });
    }

    /// Keeps the lines of other processes too, in their order.
    pub(super) fn merge_lines(&self, other: &Stats) {
        // Lines that the others have dropped already come before those that they have kept.
        let dropped = other.line_count().saturating_sub(other.recent_lines().count() as u64);
        self.add_at(RECENT_LINES, 0, dropped);
        let mut last = 0;
        let next = |last: u64| {
            let later = other.recent_lines().filter(|line| line.number > last);
            later.min_by_key(|line| line.number)
        };
        // A limit, because a process that is still copying adds lines.
        for _ in 0..MAX_LINES {
            let Some(line) = next(last) else { return };
            last = line.number;
            self.store_line(|writer| line.bytes().for_each(|byte| writer.byte(byte)));
        }
    }

    fn line_slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let words = self.section(RECENT_LINES).get(COUNT_WORDS..).unwrap_or_default();
        words.chunks_exact(WORDS).map(Slot)
    }

    /// Calls `write` to replace the oldest line. If that slot's writer has not finished, or was
    /// killed, the line is only counted.
    fn store_line(&self, write: impl FnOnce(&mut LineWriter)) {
        let Some(count) = self.section(RECENT_LINES).first() else { return };
        let before = Slot(core::slice::from_ref(count)).fetch_increment();
        let index = usize::try_from(before % MAX_LINES as u64).unwrap_or(0);
        let Some(slot) = self.line_slots().nth(index) else { return };
        let oldest = slot.load(NUMBER);
        if oldest == BEING_WRITTEN || !slot.compare_exchange(NUMBER, oldest, BEING_WRITTEN) {
            return;
        }
        let mut writer = LineWriter { slot, len: 0, word: [0; WORD] };
        write(&mut writer);
        writer.end();
        slot.store(NUMBER, before.saturating_add(1));
    }
}

/// Writes a line into a slot. Bytes that do not fit are dropped.
struct LineWriter {
    slot: Slot,
    len: usize,
    /// The last word, which is not full yet.
    word: [u8; WORD],
}

impl LineWriter {
    fn byte(&mut self, byte: u8) {
        if self.len == MAX_LINE {
            return;
        }
        if let Some(to) = self.word.get_mut(self.len % WORD) {
            *to = byte;
        }
        self.len += 1;
        if self.len.is_multiple_of(WORD) {
            self.slot.store(TEXT + self.len / WORD - 1, u64::from_ne_bytes(self.word));
        }
    }

    fn end(&self) {
        if !self.len.is_multiple_of(WORD) {
            self.slot.store(TEXT + self.len / WORD, u64::from_ne_bytes(self.word));
        }
        self.slot.store(LEN, self.len as u64);
    }
}

impl fmt::Write for LineWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.byte(byte));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stats;
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn store(stats: &Stats, line: &str) {
        stats.store_line(|text| text.write_str(line).unwrap());
    }

    fn lines(stats: &Stats) -> Vec<String> {
        let mut lines: Vec<_> = stats.recent_lines().collect();
        lines.sort_by_key(|line| line.number);
        lines.iter().map(|line| String::from_utf8(line.bytes().collect()).unwrap()).collect()
    }

    #[test]
    fn the_most_recent_lines_stay() {
        let stats = stats();
        assert_eq!((stats.line_count(), stats.recent_lines().count()), (0, 0));
        for length in [0, 1, 7, 8, 9, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1] {
            let line = "x".repeat(length);
            store(&stats, &line);
            let kept = lines(&stats).pop().unwrap();
            assert_eq!(kept, line[..length.min(MAX_LINE)]);
        }
        for number in 0..MAX_LINES * 3 {
            store(&stats, &format!("line {number}"));
        }
        let lines = lines(&stats);
        assert_eq!(stats.line_count(), 8 + 3 * MAX_LINES as u64);
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.last().unwrap(), &format!("line {}", MAX_LINES * 3 - 1));
        assert_eq!(lines[0], format!("line {}", MAX_LINES * 2));
    }

    #[test]
    fn a_writer_that_is_killed_costs_only_its_own_slot() {
        let stats = stats();
        stats.line_slots().next().unwrap().store(NUMBER, BEING_WRITTEN);
        for number in 0..=MAX_LINES {
            store(&stats, &format!("{number}"));
        }
        let lines = lines(&stats);
        assert_eq!(lines.len(), MAX_LINES - 1);
        assert_eq!(lines[0], "1");
    }

    #[test]
    fn lines_are_merged_in_order() {
        let (one, other) = (stats(), stats());
        store(&one, "a");
        (0..100).for_each(|number| store(&other, &format!("{number}")));
        one.merge_lines(&other);
        assert_eq!(one.line_count(), 101);
        let lines = lines(&one);
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.last().unwrap(), "99");
        assert!(lines.windows(2).all(|two| two[0] != two[1]));
    }
}

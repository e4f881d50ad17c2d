//! The lines of the latest calls, as the text log has them: for whoever must show what happened when all
//! is over. They stand in memory, so no descriptor of the host's is needed, and none is lost however a
//! process ends.

use super::slot::Slot;
use super::{RECENT_LINES, Stats};
use crate::line::MAX_LINE;
use crate::record::Record;
use core::fmt::{self, Write};

/// How many lines are kept.
pub(super) const MAX_LINES: usize = 48;
/// 0 where the slot was never used, [`BEING_WRITTEN`], or the line's number.
const LINE_NUMBER: usize = 0;
/// Its length in bytes.
const LINE_LEN: usize = 1;
const LINE_TEXT: usize = 2;
const WORD: usize = size_of::<u64>();
pub(super) const LINE_WORDS: usize = LINE_TEXT + MAX_LINE / WORD;
/// Before the slots: how many lines there were.
pub(super) const COUNT_WORDS: usize = 1;

/// More than any line's number.
const BEING_WRITTEN: u64 = u64::MAX;

/// One line that was kept.
#[derive(Clone, Copy)]
pub struct RecentLine {
    /// Its number: they are counted from 1.
    pub number: u64,
    slot: Slot,
}

impl RecentLine {
    /// The line's bytes, without a newline.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<> {
        let slot = self.slot;
        let len = usize::try_from(slot.load(LINE_LEN)).unwrap_or(0).min(MAX_LINE);
        let bytes = (LINE_TEXT..LINE_WORDS).flat_map(move |at| slot.load(at).to_ne_bytes());
        bytes.take(len)
    }
}

impl Stats {
    /// How many lines there were.
    #[must_use]
    pub fn line_count(&self) -> u64 {
        self.read(RECENT_LINES, 0)
    }

    /// The last of them, in no order. Those are missing over which a process was killed.
    pub fn recent_lines(&self) -> impl Iterator<Item = RecentLine> {
        self.lines_kept().filter_map(|slot| {
            let number = slot.load(LINE_NUMBER);
            (number > 0 && number != BEING_WRITTEN).then_some(RecentLine { number, slot })
        })
    }

    /// Keeps the line of an answered call.
    ///
    /// It is formatted through a vtable, and of the type that the log's events have: a second caller of the
    /// formats would take them out of line, for every line of the log.
    #[cold]
    #[inline(never)]
    pub fn keep_line(&self, record: &Record<'_>) {
        let record = &record;
        let line: &dyn fmt::Debug = &record;
        self.put_line(|text| {
            // The writer never fails: it drops what does not fit.
            let _ = write!(text, "{line:?}");
        });
    }

    /// Takes over what other accounts have kept, in its order.
    pub(super) fn merge_lines(&self, other: &Stats) {
        // Those that the other ones have not kept come before those that they have.
        let gone = other.line_count().saturating_sub(other.recent_lines().count() as u64);
        self.in_part(RECENT_LINES, 0, gone);
        let mut last = 0;
        let next = |last: u64| {
            let later = other.recent_lines().filter(|line| line.number > last);
            later.min_by_key(|line| line.number)
        };
        // No more: a process that goes on copying would be followed for ever.
        for _ in 0..MAX_LINES {
            let Some(line) = next(last) else { return };
            last = line.number;
            self.put_line(|text| line.bytes().for_each(|byte| text.byte(byte)));
        }
    }

    fn lines_kept(&self) -> impl Iterator<Item = Slot> + use<> {
        let words = self.part(RECENT_LINES).get(COUNT_WORDS..).unwrap_or_default();
        words.chunks_exact(LINE_WORDS).map(Slot)
    }

    /// Has `write` write a line in the place of the oldest one. Where somebody is still at that, or was
    /// killed over it, the line is only counted.
    fn put_line(&self, write: impl FnOnce(&mut Text)) {
        let Some(count) = self.part(RECENT_LINES).first() else { return };
        let before = Slot(core::slice::from_ref(count)).fetch_increment();
        let place = usize::try_from(before % MAX_LINES as u64).unwrap_or(0);
        let Some(slot) = self.lines_kept().nth(place) else { return };
        let oldest = slot.load(LINE_NUMBER);
        if oldest == BEING_WRITTEN || !slot.compare_exchange(LINE_NUMBER, oldest, BEING_WRITTEN) {
            return;
        }
        let mut text = Text { slot, len: 0, word: [0; WORD] };
        write(&mut text);
        text.end();
        slot.store(LINE_NUMBER, before.saturating_add(1));
    }
}

/// A line on its way into an slot. What does not fit is dropped.
struct Text {
    slot: Slot,
    len: usize,
    /// The word that is not full yet.
    word: [u8; WORD],
}

impl Text {
    fn byte(&mut self, byte: u8) {
        if self.len == MAX_LINE {
            return;
        }
        if let Some(place) = self.word.get_mut(self.len % WORD) {
            *place = byte;
        }
        self.len += 1;
        if self.len.is_multiple_of(WORD) {
            self.slot.store(LINE_TEXT + self.len / WORD - 1, u64::from_ne_bytes(self.word));
        }
    }

    fn end(&self) {
        if !self.len.is_multiple_of(WORD) {
            self.slot.store(LINE_TEXT + self.len / WORD, u64::from_ne_bytes(self.word));
        }
        self.slot.store(LINE_LEN, self.len as u64);
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.byte(byte));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::accounts;
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn put(accounts: &Stats, line: &str) {
        accounts.put_line(|text| text.write_str(line).unwrap());
    }

    fn lines(accounts: &Stats) -> Vec<String> {
        let mut lines: Vec<_> = accounts.recent_lines().collect();
        lines.sort_by_key(|line| line.number);
        lines.iter().map(|line| String::from_utf8(line.bytes().collect()).unwrap()).collect()
    }

    #[test]
    fn the_last_lines_stay() {
        let accounts = accounts();
        assert_eq!((accounts.line_count(), accounts.recent_lines().count()), (0, 0));
        for length in [0, 1, 7, 8, 9, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1] {
            let line = "x".repeat(length);
            put(&accounts, &line);
            let kept = lines(&accounts).pop().unwrap();
            assert_eq!(kept, line[..length.min(MAX_LINE)]);
        }
        for number in 0..MAX_LINES * 3 {
            put(&accounts, &format!("line {number}"));
        }
        let lines = lines(&accounts);
        assert_eq!(accounts.line_count(), 8 + 3 * MAX_LINES as u64);
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.last().unwrap(), &format!("line {}", MAX_LINES * 3 - 1));
        assert_eq!(lines[0], format!("line {}", MAX_LINES * 2));
    }

    #[test]
    fn who_is_killed_over_a_line_takes_no_other_with_it() {
        let accounts = accounts();
        accounts.lines_kept().next().unwrap().store(LINE_NUMBER, BEING_WRITTEN);
        for number in 0..=MAX_LINES {
            put(&accounts, &format!("{number}"));
        }
        let lines = lines(&accounts);
        assert_eq!(lines.len(), MAX_LINES - 1);
        assert_eq!(lines[0], "1");
    }

    #[test]
    fn lines_are_absorbed_in_order() {
        let (one, other) = (accounts(), accounts());
        put(&one, "a");
        (0..100).for_each(|number| put(&other, &format!("{number}")));
        one.merge_lines(&other);
        assert_eq!(one.line_count(), 101);
        let lines = lines(&one);
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.last().unwrap(), "99");
        assert!(lines.windows(2).all(|two| two[0] != two[1]));
    }
}

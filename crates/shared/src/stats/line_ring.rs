//! Lines of the log on their way to the launcher: a ring of cells in the memory that it shares with
//! all processes. Any thread puts lines in, also in a signal handler; one reader takes them out.
//!
//! A line takes consecutive cells. Their places are numbered from 0 without end, and a writer takes
//! its numbers by one addition. The first word of a cell says which lap of the ring it is in and what
//! it holds, so that each step is one compare-and-exchange:
//!
//! | state | meaning | next |
//! |---|---|---|
//! | `FREE` | may be claimed for a place of this lap | `CLAIMED` or `PART` by the writer; `FREE` of the next lap by the reader, if the writer does not come |
//! | `CLAIMED` | a writer writes a line that begins here | `WHOLE` by that writer alone |
//! | `PART` | belongs to a line that begins before | `FREE` of a later lap, with that line |
//! | `WHOLE` | a line, or nothing, begins here | `TAKEN` by the reader |
//! | `TAKEN` | the reader is writing the line to the file | `FREE` of a later lap |
//! | `CLOSED` | no line comes here any more | |
//!
//! A cell is never taken from a writer that is slow: the reader passes it and looks at it again
//! later, and writers of later laps find that it is not free.

use super::Stats;
use super::slot::Slot;
use crate::line::{Line, MAX_LINE};
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering};

/// The number of cells: 4 MiB of memory, of which only pages that were used exist.
const CELLS: u64 = CELL_COUNT as u64;
const CELL_COUNT: usize = 1 << 14;
/// The words of a cell: its state, and 248 bytes of a line. Most text lines fit.
const CELL_WORDS: usize = 32;
const CELL_BYTES: usize = (CELL_WORDS - 1) * size_of::<u64>();
/// How many places a writer tries if a slow writer of an earlier lap still has a cell.
const TRIES: u32 = 4;

// The words before the cells, in cache lines of 8 words by who writes them.
/// The next place, which writers take.
const TAIL: usize = 0;
/// The first place that the reader has not passed.
const HEAD: usize = 8;
/// When the reader last looked, in nanoseconds of CLOCK_MONOTONIC; 0 if it has ended.
const LOOKED: usize = 9;
/// The reader's process.
const READER: usize = 16;
/// What [`log_id`] returns for the log file.
const LOG: usize = 17;
/// The PID namespace of the reader's process id; 0 if it is not known.
const NAMESPACE: usize = 18;
const HEADER_WORDS: usize = 64;

const WORDS: usize = HEADER_WORDS + CELL_COUNT * CELL_WORDS;

/// A reader that has not looked for so long has ended or is stopped, in nanoseconds. On a busy machine
/// it may come late, and a host whose filter allows no openat(2) must not open the log for that.
const MAX_ABSENCE_NS: u64 = 1_000_000_000;

impl Stats {
    /// The words of the memory that the launcher shares: the counters, or these and a ring of lines.
    pub const SHARED_WORDS: RangeInclusive<usize> = Stats::WORDS..=Stats::WORDS_WITH_RING;
    /// The words of the counters and a ring of lines.
    pub const WORDS_WITH_RING: usize = Stats::RING + WORDS;
    /// Where the ring begins: at a page of its own.
    const RING: usize = Stats::WORDS.next_multiple_of(512);

    /// Returns the ring of lines, if this memory has one.
    #[must_use]
    pub fn line_ring(&self) -> Option<LineRing> {
        let words = self.words.get(Stats::RING..Stats::WORDS_WITH_RING)?;
        Some(LineRing { words })
    }
}

/// A ring of lines in shared memory.
#[derive(Clone, Copy)]
pub struct LineRing {
    words: &'static [AtomicU64],
}

/// What the reader finds at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// No writer has come yet.
    Free,
    /// A line of so many cells is being written.
    Claimed { cells: u64 },
    /// A line of `len` bytes in so many cells. It is empty if its writer gave up.
    Whole { cells: u64, len: usize },
    /// A line of another lap, or no line will come.
    Other,
}

/// The first word of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State(u64);

impl State {
    const KINDS: u64 = 7;
    const FREE: u64 = 0;
    const CLAIMED: u64 = 1;
    const PART: u64 = 2;
    const WHOLE: u64 = 3;
    const TAKEN: u64 = 4;
    const CLOSED: u64 = 5;

    const CELLS_SHIFT: u32 = 3;
    const LEN_SHIFT: u32 = 8;
    const LAP_SHIFT: u32 = 24;

    const fn new(kind: u64, place: u64) -> State {
        State(kind | (place / CELLS) << Self::LAP_SHIFT)
    }

    const fn of_line(kind: u64, place: u64, cells: u64, len: usize) -> State {
        let State(word) = State::new(kind, place);
        State(word | cells << Self::CELLS_SHIFT | (len as u64) << Self::LEN_SHIFT)
    }

    const fn kind(self) -> u64 {
        self.0 & Self::KINDS
    }

    /// Returns the cells of the line, at least 1.
    fn cells(self) -> u64 {
        (self.0 >> Self::CELLS_SHIFT & 31).max(1)
    }

    /// Returns the line's length in bytes.
    fn len(self) -> usize {
        usize::try_from(self.0 >> Self::LEN_SHIFT & 0xffff).unwrap_or(0).min(MAX_LINE)
    }

    const fn is_of(self, place: u64) -> bool {
        self.0 >> Self::LAP_SHIFT == (place / CELLS) & (u64::MAX >> Self::LAP_SHIFT)
    }
}

impl LineRing {
    /// Begins to take lines for the log file with this id. `reader` is the process that reads them, in
    /// this PID namespace.
    pub fn open(&self, (reader, namespace): (u32, Option<u64>), log: u64, now_ns: u64) {
        self.header().store(READER, reader.into());
        self.header().store(NAMESPACE, namespace.unwrap_or(0));
        self.header().store(LOG, log);
        self.header().store(LOOKED, now_ns);
    }

    /// Reports whether the ring is for the log file with this id.
    #[must_use]
    pub fn is_for(&self, log: u64) -> bool {
        self.header().load(LOG) == log
    }

    /// Returns the process that reads the ring. `None` in another PID namespace than this.
    #[must_use]
    pub fn reader(&self, namespace: Option<u64>) -> Option<i32> {
        let is_same = namespace.is_some_and(|number| number == self.header().load(NAMESPACE));
        let reader = is_same.then(|| self.header().load(READER));
        reader.and_then(|reader| i32::try_from(reader).ok()).filter(|&reader| reader > 0)
    }

    /// Reports whether lines are still taken and the reader has not looked for them for long.
    #[must_use]
    pub fn is_deserted(&self, now_ns: u64) -> bool {
        let looked_ns = self.header().load(LOOKED);
        looked_ns != 0 && now_ns.saturating_sub(looked_ns) > MAX_ABSENCE_NS
    }

    /// Reports whether the reader has passed all lines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.header().load(HEAD) == self.header().load(TAIL)
    }

    /// Puts a line in, without its newline. Returns false if it is full, or if the reader has ended or
    /// has not looked for long: then the line was not taken, and will not be.
    #[must_use]
    pub fn put(&self, line: &[u8], now_ns: u64) -> bool {
        let header = self.header();
        let looked_ns = header.load(LOOKED);
        if now_ns.saturating_sub(looked_ns) > MAX_ABSENCE_NS || line.len() > MAX_LINE {
            return false;
        }
        let cells = line.len().div_ceil(CELL_BYTES).max(1) as u64;
        for _ in 0..TRIES {
            let taken = header.load(TAIL).wrapping_sub(header.load(HEAD));
            if taken.saturating_add(cells) > CELLS {
                return false;
            }
            let place = header.fetch_add(TAIL, cells);
            if let Some(claimed) = self.claim(place, cells, line.len()) {
                self.fill(place, line);
                let whole = State::of_line(State::WHOLE, place, cells, line.len());
                return self.replace(place, claimed, whole);
            }
        }
        false
    }

    /// Claims the cells of a line. `None` if one is not free.
    #[inline]
    fn claim(&self, place: u64, cells: u64, len: usize) -> Option<State> {
        let claimed = State::of_line(State::CLAIMED, place, cells, len);
        if !self.replace(place, State::new(State::FREE, place), claimed) {
            return None;
        }
        for part in place + 1..place + cells {
            let (free, claim) = (State::new(State::FREE, part), State::new(State::PART, part));
            if !self.replace(part, free, claim) {
                // The reader frees those that were claimed.
                self.replace(place, claimed, State::of_line(State::WHOLE, place, cells, 0));
                return None;
            }
        }
        Some(claimed)
    }

    #[inline]
    fn fill(&self, place: u64, line: &[u8]) {
        for (part, bytes) in (place..).zip(line.chunks(CELL_BYTES)) {
            let words = self.cell(part).get(1..).unwrap_or_default();
            let (whole, rest) = bytes.as_chunks();
            for (word, bytes) in words.iter().zip(whole) {
                word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
            }
            if let Some(word) = words.get(whole.len()) {
                let mut last = [0; size_of::<u64>()];
                for (to, from) in last.iter_mut().zip(rest) {
                    *to = *from;
                }
                word.store(u64::from_ne_bytes(last), Ordering::Relaxed);
            }
        }
    }

    /// Copies the bytes of the line at `place` to `line`.
    pub fn read(&self, place: u64, line: &mut [u8]) {
        for (part, bytes) in (place..).zip(line.chunks_mut(CELL_BYTES)) {
            let words = self.cell(part).get(1..).unwrap_or_default();
            for (bytes, word) in bytes.chunks_mut(size_of::<u64>()).zip(words) {
                let word = word.load(Ordering::Relaxed).to_ne_bytes();
                for (to, from) in bytes.iter_mut().zip(word) {
                    *to = from;
                }
            }
        }
    }

    /// Returns the place after the last one that a writer has taken.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.header().load(TAIL)
    }

    /// Notes that the reader looks now and has passed all places before `head`.
    pub fn note_look(&self, head: u64, now_ns: u64) {
        self.header().store(HEAD, head);
        self.header().store(LOOKED, now_ns);
    }

    /// Takes no line any more: writers find that the reader has ended. Those that have begun may
    /// finish until [`LineRing::close`].
    pub fn end(&self) {
        self.header().store(LOOKED, 0);
    }

    /// Returns what is at a place.
    #[must_use]
    pub fn look(&self, place: u64) -> Place {
        let state = self.state(place);
        match state.kind() {
            _ if !state.is_of(place) => Place::Other,
            State::FREE => Place::Free,
            State::CLAIMED => Place::Claimed { cells: state.cells() },
            State::WHOLE => Place::Whole { cells: state.cells(), len: state.len() },
            _ => Place::Other,
        }
    }

    /// Gives up a free place whose writer does not come: if it does come, it finds the place taken.
    /// Reports whether it had not come.
    #[must_use]
    pub fn revoke(&self, place: u64) -> bool {
        let next = State::new(State::FREE, place.wrapping_add(CELLS));
        self.replace(place, State::new(State::FREE, place), next)
    }

    /// Takes the whole line at `place`. Reports whether no other reader has taken it.
    #[must_use]
    pub fn take(&self, place: u64) -> bool {
        let state = self.state(place);
        state.kind() == State::WHOLE
            && self.replace(place, state, State(state.0 ^ State::WHOLE ^ State::TAKEN))
    }

    /// Frees the cells of a line that was taken; `head` is the first place that the reader has not
    /// passed.
    pub fn free(&self, place: u64, cells: u64, head: u64) {
        for part in place..place.saturating_add(cells) {
            let index = part % CELLS;
            // The first place of this cell that is not before the head.
            let laps = head.saturating_add(CELLS - 1 - index) / CELLS;
            let next = State::new(State::FREE, laps * CELLS + index);
            let state = self.state(part);
            // A cell that the writer did not get belongs to another line.
            let is_its = matches!(state.kind(), State::FREE | State::PART | State::TAKEN);
            if is_its && state.is_of(part) {
                self.replace(part, state, next);
            }
        }
    }

    /// Closes all cells, and passes the lines that are in them to `leftover`, beginning with the oldest:
    /// `None` for a line that is not whole, or of which another reader has not said that it was
    /// written. The writer of a line that is not whole finds that it was not taken. Several processes
    /// may do this: each line is passed once. `buffer` is memory for a line.
    pub fn close(&self, buffer: &mut [u8], mut leftover: impl FnMut(Option<&mut Line<'_>>)) {
        self.end();
        let head = self.header().load(HEAD);
        for place in head..head.saturating_add(CELLS) {
            let state = self.shut(place);
            match state.kind() {
                State::WHOLE if state.len() > 0 => {
                    let mut line = Line::new(buffer);
                    self.read(place, line.grow(state.len()));
                    leftover(Some(&mut line));
                }
                State::CLAIMED | State::TAKEN => leftover(None),
                _ => {}
            }
        }
    }

    /// Closes a cell, and returns its state before.
    fn shut(&self, place: u64) -> State {
        let word = self.cell(place).first();
        State(word.map_or(0, |word| word.swap(State::CLOSED, Ordering::AcqRel)))
    }

    #[inline]
    fn header(&self) -> Slot {
        Slot(self.words.get(..HEADER_WORDS).unwrap_or_default())
    }

    #[inline]
    fn cell(&self, place: u64) -> &'static [AtomicU64] {
        let index = usize::try_from(place % CELLS).unwrap_or(0);
        let start = HEADER_WORDS + index * CELL_WORDS;
        self.words.get(start..start + CELL_WORDS).unwrap_or_default()
    }

    #[inline]
    fn state(&self, place: u64) -> State {
        State(Slot(self.cell(place)).load(0))
    }

    #[inline]
    fn replace(&self, place: u64, from: State, to: State) -> bool {
        Slot(self.cell(place)).compare_exchange(0, from.0, to.0)
    }
}

/// Returns a number for the template of a log file, which others do not have (FNV-1a). Never 0.
#[must_use]
pub fn log_id(template: &[u8]) -> u64 {
    let hash = template.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::ToOwned;
    use std::boxed::Box;
    use std::format;
    use std::string::String;
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::vec::Vec;

    const NOW: u64 = 5_000_000_000;

    fn ring() -> LineRing {
        let words = (0..Stats::WORDS_WITH_RING).map(|_| AtomicU64::new(0));
        let words = Box::leak(words.collect::<Vec<_>>().into_boxed_slice());
        let ring = Stats::over(words).and_then(|stats| stats.line_ring()).unwrap();
        ring.open((1, Some(2)), log_id(b"log"), NOW);
        ring
    }

    /// Takes the lines that are whole, as the launcher does.
    fn taken(ring: &LineRing, head: &mut u64) -> Vec<String> {
        let mut lines = Vec::new();
        while let Place::Whole { cells, len } = ring.look(*head) {
            let place = *head;
            *head += cells;
            assert!(ring.take(place));
            let mut line = std::vec![0; len];
            ring.read(place, &mut line);
            ring.free(place, cells, *head);
            lines.push(String::from_utf8(line).unwrap());
        }
        ring.note_look(*head, NOW);
        lines
    }

    fn leftovers(ring: &LineRing) -> Vec<Option<String>> {
        let mut lines = Vec::new();
        ring.close(&mut [0; MAX_LINE + 1], |line| {
            lines.push(line.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()));
        });
        lines
    }

    #[test]
    fn lines_of_all_lengths_come_out_as_they_went_in() {
        let ring = ring();
        let mut head = 0;
        for lap in 0..3 {
            for len in 0..=MAX_LINE {
                let line: String = ('a'..='z').cycle().take(len).collect();
                assert!(ring.put(line.as_bytes(), NOW), "{lap} {len}");
                assert_eq!(taken(&ring, &mut head), [line]);
            }
        }
        assert!(!ring.put(&[0; MAX_LINE + 1], NOW));
    }

    #[test]
    fn a_full_ring_takes_no_line_and_a_freed_one_does() {
        let ring = ring();
        let mut head = 0;
        for number in 0..CELLS {
            assert!(ring.put(format!("{number}").as_bytes(), NOW));
        }
        assert!(!ring.put(b"one more", NOW));
        assert_eq!(taken(&ring, &mut head).len() as u64, CELLS);
        assert!(ring.put(b"one more", NOW));
        assert_eq!(taken(&ring, &mut head), ["one more"]);
    }

    #[test]
    fn a_slow_writer_keeps_its_cells_for_all_laps() {
        let ring = ring();
        let header = ring.header();
        // It has claimed two cells at places 0 and 1.
        assert_eq!(header.fetch_add(TAIL, 2), 0);
        let claimed = ring.claim(0, 2, 300).unwrap();
        assert_eq!(ring.look(0), Place::Claimed { cells: 2 });
        let mut head = 2;
        for number in 0..3 * CELLS {
            // Where its cells are, another line takes the next ones.
            assert!(ring.put(format!("{number}").as_bytes(), NOW), "{number}");
            while ring.look(head) == Place::Other {
                head += 1;
            }
            assert_eq!(taken(&ring, &mut head), [format!("{number}")]);
        }
        ring.fill(0, &[b'x'; 300]);
        assert!(ring.replace(0, claimed, State::of_line(State::WHOLE, 0, 2, 300)));
        assert!(ring.take(0));
        let mut line = [0; 300];
        ring.read(0, &mut line);
        assert_eq!(line, [b'x'; 300]);
        ring.free(0, 2, head);
        for number in 0..CELLS {
            assert!(ring.put(b"y", NOW), "{number}");
        }
        assert!(!ring.put(b"z", NOW));
    }

    #[test]
    fn a_place_that_was_given_up_is_not_claimed() {
        let ring = ring();
        assert_eq!(ring.header().fetch_add(TAIL, 1), 0);
        assert!(ring.revoke(0));
        assert_eq!(ring.claim(0, 1, 1), None);
        assert!(ring.put(b"next", NOW));
        assert_eq!(taken(&ring, &mut 1), ["next"]);
    }

    #[test]
    fn a_reader_that_is_absent_gets_no_line() {
        let ring = ring();
        assert!(ring.put(b"a", NOW + MAX_ABSENCE_NS) && !ring.is_deserted(NOW + MAX_ABSENCE_NS));
        let late = NOW + MAX_ABSENCE_NS + 1;
        assert!(!ring.put(b"b", late) && ring.is_deserted(late));
        ring.end();
        assert!(!ring.put(b"c", NOW) && !ring.is_deserted(late));
    }

    #[test]
    fn the_reader_is_known_in_its_namespace_only() {
        let ring = ring();
        assert_eq!(
            [Some(2), Some(3), None].map(|number| ring.reader(number)),
            [Some(1), None, None]
        );
    }

    #[test]
    fn what_is_left_is_passed_once_and_the_rest_is_counted() {
        let ring = ring();
        assert!(ring.put(b"first", NOW) && ring.put(&[b'l'; 600], NOW));
        let place = ring.header().fetch_add(TAIL, 1);
        let claimed = ring.claim(place, 1, 4).unwrap();
        assert!(ring.put(b"being written to the file", NOW));
        assert!(ring.take(place + 1));
        assert!(ring.put(b"last", NOW));
        let long = "l".repeat(600);
        let some = |line: &str| Some(line.to_owned());
        assert_eq!(leftovers(&ring), [some("first"), some(&long), None, None, some("last")]);
        assert!(!ring.replace(place, claimed, State::of_line(State::WHOLE, place, 1, 4)));
        assert!(leftovers(&ring).is_empty());
        assert_eq!(ring.claim(place + 10, 1, 1), None);
    }

    #[test]
    fn many_writers_and_a_reader_lose_nothing() {
        const WRITERS: usize = 4;
        const LINES: usize = 40_000;
        let ring = ring();
        let is_over = AtomicBool::new(false);
        let (mut lines, refused) = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    scope.spawn(move || {
                        let put = |number: &usize| {
                            let line = format!("{writer} {number} ").repeat(1 + number % 40);
                            !ring.put(line.as_bytes(), NOW)
                        };
                        (0..LINES).filter(put).count()
                    })
                })
                .collect();
            let reader = scope.spawn(|| {
                let (mut head, mut lines) = (0, Vec::new());
                loop {
                    let is_last = is_over.load(Ordering::Acquire);
                    lines.extend(taken(&ring, &mut head));
                    if is_last && head == ring.tail() {
                        return lines;
                    }
                }
            });
            let refused: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
            is_over.store(true, Ordering::Release);
            (reader.join().unwrap(), refused)
        });
        lines.retain(|line| !line.is_empty());
        assert_eq!(lines.len() + refused, WRITERS * LINES);
        let mut last = [None; WRITERS];
        for line in &lines {
            let words: Vec<usize> =
                line.split_whitespace().map(|word| word.parse().unwrap()).collect();
            let [writer, number, ..] = words[..] else { panic!("{line}") };
            assert_eq!(words.len(), 2 * (1 + number % 40), "{line}");
            assert!(words.chunks(2).all(|pair| pair == [writer, number]), "{line}");
            assert!(last[writer] < Some(number), "{line}");
            last[writer] = Some(number);
        }
    }
}

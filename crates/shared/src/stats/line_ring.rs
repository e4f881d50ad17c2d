//! Lines of the log on their way to the launcher: two rings of cells in the memory that it shares with
//! all processes. Any thread puts lines in, also in a signal handler; one reader takes them out.
//!
//! The usual ring is small, so that the same few pages and cache lines are used again and again. Only
//! if it is full, lines go into the overflow, and all lines do until the reader has emptied that: so
//! the lines of a thread stay in order if the reader empties the usual ring first.
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
use super::slot::{Slot, store_bytes};
use crate::line::{Line, MAX_LINE};
use cfr_sys as sys;
use core::ops::{Range, RangeInclusive};
use core::sync::atomic::{AtomicU64, Ordering};

/// The cells of the usual ring, a power of two: 512 KiB of memory. A thread that only copies fills a
/// third of them in a millisecond.
const USUAL_CELLS: usize = 1 << 11;
/// The same of the overflow: 4 MiB of memory, of which only pages that were used exist.
const OVERFLOW_CELLS: usize = 1 << 14;
/// The words of a cell: its state, and 248 bytes of a line. Most text lines fit.
const CELL_WORDS: usize = 32;
const CELL_BYTES: usize = (CELL_WORDS - 1) * size_of::<u64>();
/// How many cells ahead the next ones are fetched: another thread may be writing to the very next.
const PREFETCHED: u64 = 4;
const CACHE_LINE_WORDS: usize = 8;
/// How many places a writer tries if a slow writer of an earlier lap still has a cell.
const TRIES: u32 = 4;

// The words before the cells, in cache lines by who writes them.
/// The next place of the usual ring, which writers take.
const USUAL_TAIL: usize = 0;
/// The same of the overflow.
const OVERFLOW_TAIL: usize = 8;
/// The first place of the usual ring that the reader has not passed.
const USUAL_HEAD: usize = 16;
/// The same of the overflow.
const OVERFLOW_HEAD: usize = 17;
/// When the reader last looked, in nanoseconds of CLOCK_MONOTONIC; 0 if it has ended.
const LOOKED: usize = 18;
/// The reader's process.
const READER: usize = 24;
/// What [`log_id`] returns for the log file, or [`stderr_id`] for the reader's standard error.
const LOG: usize = 25;
/// The PID namespace of the reader's process id; 0 if it is not known.
const NAMESPACE: usize = 26;
/// 1 if only the reader can write the log.
const READER_WRITES: usize = 27;
/// The words before the cells are as many as those of so many cells.
const HEADER_CELLS: usize = 2;

const WORDS: usize = (HEADER_CELLS + USUAL_CELLS + OVERFLOW_CELLS) * CELL_WORDS;

/// A reader that has not looked for so long has ended or is stopped, in nanoseconds. On a busy machine
/// it may come late, and a host whose filter allows no openat(2) must not open the log for that.
const MAX_ABSENCE_NS: u64 = 1_000_000_000;

impl Stats {
    /// The words of the memory that the launcher shares: the counters, or these and the rings of lines.
    pub const SHARED_WORDS: RangeInclusive<usize> = Stats::WORDS..=Stats::WORDS_WITH_RING;
    /// The words of the counters and the rings of lines.
    pub const WORDS_WITH_RING: usize = Stats::RING + WORDS;
    /// Where the rings begin: at a page of their own.
    const RING: usize = Stats::WORDS.next_multiple_of(512);

    /// Returns the rings of lines, if this memory has them.
    #[must_use]
    pub fn line_rings(&self) -> Option<LineRings> {
        let words = self.words.get(Stats::RING..Stats::WORDS_WITH_RING)?;
        Some(LineRings { words: words.try_into().ok()? })
    }
}

/// Two rings of lines in shared memory.
#[derive(Clone, Copy)]
pub struct LineRings {
    words: &'static [AtomicU64; WORDS],
}

/// One of them.
#[derive(Clone, Copy)]
pub struct LineRing {
    tail: &'static AtomicU64,
    head: &'static AtomicU64,
    /// As many as a power of two.
    cells: &'static [Cell],
}

/// The state of a cell, then bytes of a line.
type Cell = [AtomicU64; CELL_WORDS];

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

    const fn new(kind: u64, lap: u64) -> State {
        State(kind | lap << Self::LAP_SHIFT)
    }

    const fn of_line(kind: u64, lap: u64, cells: u64, len: usize) -> State {
        let State(word) = State::new(kind, lap);
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

    const fn is_of(self, lap: u64) -> bool {
        self.0 >> Self::LAP_SHIFT == lap & (u64::MAX >> Self::LAP_SHIFT)
    }
}

impl LineRings {
    /// Begins to take lines for the log with this id. `reader` is the process that reads them, in this
    /// PID namespace; `reader_writes` says whether other processes have no way to write the log.
    pub fn open(
        &self,
        (reader, namespace): (u32, Option<u64>),
        log: u64,
        reader_writes: bool,
        now_ns: u64,
    ) {
        self.header().store(READER, reader.into());
        self.header().store(NAMESPACE, namespace.unwrap_or(0));
        self.header().store(READER_WRITES, reader_writes.into());
        self.header().store(LOG, log);
        self.header().store(LOOKED, now_ns);
    }

    /// Makes the pages of the usual ring, so that no writer has to.
    pub fn populate(&self) {
        sys::populate(
            self.words.get(..(HEADER_CELLS + USUAL_CELLS) * CELL_WORDS).unwrap_or_default(),
        );
    }

    /// Reports whether the rings are for the log with this id.
    #[must_use]
    pub fn are_for(&self, log: u64) -> bool {
        self.header().load(LOG) == log
    }

    /// Reports whether the rings are for the standard error of the reader.
    #[must_use]
    pub fn are_for_stderr(&self) -> bool {
        let log = self.header().load(LOG);
        log != 0 && log & FILE == 0
    }

    /// Reports whether only the reader can write the log.
    #[must_use]
    pub fn only_reader_writes(&self) -> bool {
        self.header().load(READER_WRITES) != 0
    }

    /// Returns the process that reads the rings. `None` in another PID namespace than this.
    #[must_use]
    pub fn reader(&self, namespace: Option<u64>) -> Option<i32> {
        let is_same = namespace.is_some_and(|number| number == self.header().load(NAMESPACE));
        let reader = is_same.then(|| self.header().load(READER));
        reader.and_then(|reader| i32::try_from(reader).ok()).filter(|&reader| reader > 0)
    }

    /// Lets another process become the reader. If none does, the processes find that there is no reader.
    pub fn hand_on(&self) {
        self.header().store(READER, 0);
    }

    /// Reports whether the reader lets another process become it.
    #[must_use]
    pub fn are_handed_on(&self) -> bool {
        self.header().load(READER) == 0 && self.header().load(LOOKED) != 0
    }

    /// Reports whether lines are still taken and the reader has not looked for them for long.
    #[must_use]
    pub fn are_deserted(&self, now_ns: u64) -> bool {
        let looked_ns = self.header().load(LOOKED);
        looked_ns != 0 && now_ns.saturating_sub(looked_ns) > MAX_ABSENCE_NS
    }

    /// Reports whether the reader has ended.
    #[must_use]
    pub fn are_ended(&self) -> bool {
        self.header().load(LOOKED) == 0
    }

    /// Reports whether the reader has passed all lines.
    #[must_use]
    pub fn are_empty(&self) -> bool {
        self.usual().is_empty() && self.overflow().is_empty()
    }

    /// Returns the ring that lines go into if it has room.
    #[must_use]
    #[inline]
    pub fn usual(&self) -> LineRing {
        let (tail, head) = (&self.words[USUAL_TAIL], &self.words[USUAL_HEAD]);
        LineRing { tail, head, cells: self.cells().0 }
    }

    /// Returns the ring for the lines that the other has no room for. A reader that takes lines up to a
    /// tail that it has read before it emptied the usual ring keeps those of a thread in order.
    #[must_use]
    #[inline]
    pub fn overflow(&self) -> LineRing {
        let (tail, head) = (&self.words[OVERFLOW_TAIL], &self.words[OVERFLOW_HEAD]);
        LineRing { tail, head, cells: self.cells().1 }
    }

    /// Returns the cells of both rings.
    #[inline]
    fn cells(&self) -> (&'static [Cell], &'static [Cell]) {
        let (cells, _) = self.words.as_chunks();
        let (_, cells) = cells.split_at(HEADER_CELLS);
        cells.split_at(USUAL_CELLS)
    }

    /// Puts a line in, without its newline. Returns false if both rings are full, or if the reader has
    /// ended or has not looked for long: then the line was not taken, and will not be.
    #[must_use]
    pub fn put(&self, line: &[u8], now_ns: u64) -> bool {
        let looked_ns = self.header().load(LOOKED);
        if now_ns.saturating_sub(looked_ns) > MAX_ABSENCE_NS || line.len() > MAX_LINE {
            return false;
        }
        let is_usual = self.overflow().is_empty();
        is_usual && self.usual().put(line) || self.overflow().put(line)
    }

    /// Notes that the reader looks now.
    pub fn note_look(&self, now_ns: u64) {
        self.header().store(LOOKED, now_ns);
    }

    /// Takes no line any more: writers find that the reader has ended. Those that have begun may
    /// finish until [`LineRings::close`].
    pub fn end(&self) {
        self.header().store(LOOKED, 0);
    }

    /// Closes all cells, and passes the lines that are in them to `leftover`, beginning with the oldest:
    /// `None` for a line that is not whole, or of which another reader has not said that it was
    /// written. The writer of a line that is not whole finds that it was not taken. Several processes
    /// may do this: each line is passed once. `buffer` is memory for a line.
    pub fn close(&self, buffer: &mut [u8], mut leftover: impl FnMut(Option<&mut Line<'_>>)) {
        self.end();
        for ring in [self.usual(), self.overflow()] {
            ring.close(buffer, &mut leftover);
        }
    }

    #[inline]
    fn header(&self) -> Slot {
        Slot(self.words)
    }
}

impl LineRing {
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) == self.tail()
    }

    /// Puts a line in. Returns false if there is no room.
    #[inline(never)]
    fn put(&self, line: &[u8]) -> bool {
        let cells = match line.len() {
            ..=CELL_BYTES => 1,
            len => len.div_ceil(CELL_BYTES) as u64,
        };
        for _ in 0..TRIES {
            let taken = self.tail().wrapping_sub(self.head.load(Ordering::Acquire));
            if taken.saturating_add(cells) > self.cells.len() as u64 {
                return false;
            }
            let place = self.tail.fetch_add(cells, Ordering::Relaxed);
            if let Some(claimed) = self.claim(place, cells, line.len()) {
                self.fill(place, line);
                let whole = State::of_line(State::WHOLE, self.lap(place), cells, line.len());
                return self.replace(place, claimed, whole);
            }
        }
        false
    }

    /// Claims the cells of a line. `None` if one is not free.
    #[inline]
    fn claim(&self, place: u64, cells: u64, len: usize) -> Option<State> {
        let lap = self.lap(place);
        let claimed = State::of_line(State::CLAIMED, lap, cells, len);
        let free = State::new(State::FREE, lap);
        // The load comes first: if it is the first touch of a page, the kernel maps those around it too,
        // which it does not for a store.
        if self.state(place) != free || !self.replace(place, free, claimed) {
            return None;
        }
        // The program can write anything into the memory.
        for part in (1..cells).map(|part| place.wrapping_add(part)) {
            let lap_of_part = self.lap(part);
            let [free, claim] =
                [State::FREE, State::PART].map(|kind| State::new(kind, lap_of_part));
            if !self.replace(part, free, claim) {
                // The reader frees those that were claimed.
                self.replace(place, claimed, State::of_line(State::WHOLE, lap, cells, 0));
                return None;
            }
        }
        Some(claimed)
    }

    #[inline]
    fn fill(&self, place: u64, line: &[u8]) {
        let mut part = place;
        for bytes in line.chunks(CELL_BYTES) {
            let Some([_, words @ ..]) = self.cell(part) else { return };
            store_bytes(words, bytes);
            self.prefetch(part.wrapping_add(PREFETCHED), bytes.len());
            part = part.wrapping_add(1);
        }
    }

    /// Fetches the cache lines of a cell that a later line of this length will be written to: the
    /// reader's CPU has them.
    #[inline]
    fn prefetch(&self, place: u64, len: usize) {
        let Some(cell) = self.cell(place) else { return };
        let mut at = 0;
        while let Some(word) = cell.get(at) {
            sys::prefetch_for_write(word);
            at += CACHE_LINE_WORDS;
            if at > len / size_of::<u64>() {
                return;
            }
        }
    }

    /// Copies the bytes of the line at `place` to `line`.
    pub fn read(&self, place: u64, line: &mut [u8]) {
        let mut part = place;
        for bytes in line.chunks_mut(CELL_BYTES) {
            let Some([_, words @ ..]) = self.cell(part) else { return };
            for (bytes, word) in bytes.chunks_mut(size_of::<u64>()).zip(words) {
                let word = word.load(Ordering::Relaxed).to_ne_bytes();
                if let Some(word) = word.get(..bytes.len()) {
                    bytes.copy_from_slice(word);
                }
            }
            part = part.wrapping_add(1);
        }
    }

    /// Returns the place after the last one that a writer has taken.
    #[must_use]
    #[inline(always)]
    pub fn tail(&self) -> u64 {
        self.tail.load(Ordering::Acquire)
    }

    /// Returns the first place that the reader has not passed.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Returns the places that the reader has passed and a writer may still have.
    pub fn passed(&self) -> Range<u64> {
        let head = self.head();
        head.saturating_sub(self.cells.len() as u64)..head
    }

    /// Notes that the reader has passed all places before `head`.
    pub fn note_passed(&self, head: u64) {
        self.head.store(head, Ordering::Release);
    }

    /// Returns what is at a place.
    #[must_use]
    pub fn look(&self, place: u64) -> Place {
        let state = self.state(place);
        match state.kind() {
            _ if !state.is_of(self.lap(place)) => Place::Other,
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
        let lap = self.lap(place);
        let [now, next] = [lap, lap.wrapping_add(1)].map(|lap| State::new(State::FREE, lap));
        self.replace(place, now, next)
    }

    /// Gives up the line that is being written at `place`, because its writer has ended: if it has
    /// not, it finds that the line was not taken. Reports whether it was being written.
    pub fn give_up(&self, place: u64) -> bool {
        let state = self.state(place);
        let lap = self.lap(place);
        let nothing = State::of_line(State::WHOLE, lap, state.cells(), 0);
        state.kind() == State::CLAIMED && state.is_of(lap) && self.replace(place, state, nothing)
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
            // The lap of the first place of this cell that is not before the head.
            let lap = self.lap(head.saturating_add(!part & self.mask()));
            let next = State::new(State::FREE, lap);
            let state = self.state(part);
            // A cell that the writer did not get belongs to another line.
            let is_its = matches!(state.kind(), State::FREE | State::PART | State::TAKEN);
            if is_its && state.is_of(self.lap(part)) {
                self.replace(part, state, next);
            }
        }
    }

    fn close(&self, buffer: &mut [u8], leftover: &mut impl FnMut(Option<&mut Line<'_>>)) {
        let head = self.head.load(Ordering::Acquire);
        for place in head..head.saturating_add(self.cells.len() as u64) {
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
        State(self.cell(place).map_or(0, |[word, ..]| word.swap(State::CLOSED, Ordering::AcqRel)))
    }

    #[inline]
    fn mask(&self) -> u64 {
        (self.cells.len() as u64).wrapping_sub(1)
    }

    #[inline]
    fn lap(&self, place: u64) -> u64 {
        place >> (self.cells.len().trailing_zeros() & 63)
    }

    #[inline]
    fn cell(&self, place: u64) -> Option<&'static Cell> {
        self.cells.get(usize::try_from(place & self.mask()).unwrap_or(0))
    }

    #[inline]
    fn state(&self, place: u64) -> State {
        State(self.cell(place).map_or(State::CLOSED, |[word, ..]| word.load(Ordering::Acquire)))
    }

    #[inline]
    fn replace(&self, place: u64, State(from): State, State(to): State) -> bool {
        self.cell(place).is_some_and(|[word, ..]| {
            word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }
}

/// The bit that is set in the id of a log file, and not in that of a standard error.
const FILE: u64 = 1;

/// Returns a number for a log on a standard error with this fingerprint. Never 0.
#[must_use]
pub fn stderr_id(fingerprint: u64) -> u64 {
    fingerprint.wrapping_add(1) << 1
}

/// Returns a number for the template of a log file, which others do not have (FNV-1a). Never 0.
#[must_use]
pub fn log_id(template: &[u8]) -> u64 {
    let hash = template.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash | FILE
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
    use std::time::Duration;
    use std::vec::Vec;

    const NOW: u64 = 5_000_000_000;

    fn rings() -> LineRings {
        let words = (0..Stats::WORDS_WITH_RING).map(|_| AtomicU64::new(0));
        let words = Box::leak(words.collect::<Vec<_>>().into_boxed_slice());
        let rings = Stats::over(words).and_then(|stats| stats.line_rings()).unwrap();
        rings.open((1, Some(2)), log_id(b"log"), false, NOW);
        rings
    }

    /// Takes the lines that are whole, as the launcher does.
    fn taken(ring: &LineRing, head: &mut u64) -> Vec<String> {
        taken_before(u64::MAX, ring, head)
    }

    /// Takes those of them that begin before `end`.
    fn taken_before(end: u64, ring: &LineRing, head: &mut u64) -> Vec<String> {
        let mut lines = Vec::new();
        while let Place::Whole { cells, len } = ring.look(*head)
            && *head < end
        {
            let place = *head;
            *head += cells;
            assert!(ring.take(place));
            let mut line = std::vec![0; len];
            ring.read(place, &mut line);
            ring.free(place, cells, *head);
            lines.push(String::from_utf8(line).unwrap());
        }
        ring.note_passed(*head);
        lines
    }

    /// Takes lines from both rings: those of the overflow that were there before the usual ring was
    /// emptied.
    fn taken_of_both(rings: &LineRings, heads: &mut [u64; 2]) -> Vec<String> {
        let (usual, overflow) = (rings.usual(), rings.overflow());
        let [of_usual, of_overflow] = heads;
        let overflow_tail = overflow.tail();
        let usual_tail = usual.tail();
        let mut lines = taken(&usual, of_usual);
        if *of_usual >= usual_tail && *of_overflow < overflow_tail {
            lines.extend(taken_before(overflow_tail, &overflow, of_overflow));
        }
        lines
    }

    fn leftovers(rings: &LineRings) -> Vec<Option<String>> {
        let mut lines = Vec::new();
        rings.close(&mut [0; MAX_LINE + 1], |line| {
            lines.push(line.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()));
        });
        lines
    }

    #[test]
    fn lines_of_all_lengths_come_out_as_they_went_in() {
        let rings = rings();
        for ring in [rings.usual(), rings.overflow()] {
            let mut head = 0;
            for lap in 0..3 {
                for len in 0..=MAX_LINE {
                    let line: String = ('a'..='z').cycle().take(len).collect();
                    assert!(ring.put(line.as_bytes()), "{lap} {len}");
                    assert_eq!(taken(&ring, &mut head), [line]);
                }
            }
        }
        assert!(!rings.put(&[0; MAX_LINE + 1], NOW));
    }

    #[test]
    fn full_rings_take_no_line_and_freed_ones_do_in_order() {
        let rings = rings();
        let [usual, overflow] =
            [rings.usual(), rings.overflow()].map(|ring| ring.cells.len() as u64);
        let mut heads = [0; 2];
        for number in 0..usual + overflow {
            assert!(rings.put(format!("{number}").as_bytes(), NOW));
        }
        assert!(!rings.put(b"one more", NOW));
        let lines = taken(&rings.usual(), &mut heads[0]);
        assert_eq!(lines.len() as u64, usual);
        // Not into the usual ring: the lines of the overflow are older.
        assert!(!rings.put(b"one more", NOW));
        let lines = taken_of_both(&rings, &mut heads);
        assert_eq!(lines.len() as u64, overflow);
        assert_eq!(lines.first(), Some(&format!("{usual}")));
        assert!(rings.put(b"one more", NOW));
        assert_eq!(taken(&rings.usual(), &mut heads[0]), ["one more"]);
    }

    #[test]
    fn a_slow_writer_keeps_its_cells_for_all_laps() {
        let ring = rings().usual();
        // It has claimed two cells at places 0 and 1.
        assert_eq!(ring.tail.fetch_add(2, Ordering::Relaxed), 0);
        let claimed = ring.claim(0, 2, 300).unwrap();
        assert_eq!(ring.look(0), Place::Claimed { cells: 2 });
        let mut head = 2;
        for number in 0..3 * ring.cells.len() as u64 {
            // Where its cells are, another line takes the next ones.
            assert!(ring.put(format!("{number}").as_bytes()), "{number}");
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
        for number in 0..ring.cells.len() {
            assert!(ring.put(b"y"), "{number}");
        }
        assert!(!ring.put(b"z"));
    }

    #[test]
    fn a_place_that_was_given_up_is_not_claimed() {
        let ring = rings().usual();
        assert_eq!(ring.tail.fetch_add(1, Ordering::Relaxed), 0);
        assert!(ring.revoke(0));
        assert_eq!(ring.claim(0, 1, 1), None);
        assert!(ring.put(b"next"));
        assert_eq!(taken(&ring, &mut 1), ["next"]);
    }

    /// Any process of the tree can write anything into the memory.
    #[test]
    fn garbage_is_passed_without_a_panic() {
        for round in 0..12 {
            let rings = rings();
            Stats { words: rings.words }.fill_with_garbage(round);
            let _ = (rings.are_empty(), rings.are_deserted(NOW), rings.reader(Some(2)));
            for ring in [rings.usual(), rings.overflow()] {
                let _ = ring.put(&[b'x'; 600]);
                let starts = [0, ring.head.load(Ordering::Relaxed), ring.tail(), u64::MAX - 40];
                for place in starts.into_iter().flat_map(|start| start..start.saturating_add(40)) {
                    match ring.look(place) {
                        Place::Whole { cells, len } if ring.take(place) => {
                            assert!(len <= MAX_LINE && cells < 32);
                            ring.read(place, &mut [0; MAX_LINE]);
                            ring.free(place, cells, place.saturating_add(cells));
                        }
                        Place::Free => drop(ring.revoke(place)),
                        _ => {}
                    }
                }
            }
            assert!(leftovers(&rings).len() <= USUAL_CELLS + OVERFLOW_CELLS);
        }
    }

    #[test]
    fn a_reader_that_is_absent_gets_no_line() {
        let rings = rings();
        let late = NOW + MAX_ABSENCE_NS;
        assert!(rings.put(b"a", late) && !rings.are_deserted(late));
        let too_late = late + 1;
        assert!(!rings.put(b"b", too_late) && rings.are_deserted(too_late));
        rings.end();
        assert!(!rings.put(b"c", NOW) && !rings.are_deserted(too_late));
    }

    #[test]
    fn the_reader_is_known_in_its_namespace_only() {
        let rings = rings();
        assert_eq!(
            [Some(2), Some(3), None].map(|number| rings.reader(number)),
            [Some(1), None, None]
        );
    }

    #[test]
    fn what_is_left_is_passed_once_and_the_rest_is_counted() {
        let rings = rings();
        let ring = rings.usual();
        assert!(ring.put(b"first") && ring.put(&[b'l'; 600]));
        let place = ring.tail.fetch_add(1, Ordering::Relaxed);
        let claimed = ring.claim(place, 1, 4).unwrap();
        assert!(ring.put(b"being written to the file"));
        assert!(ring.take(place + 1));
        assert!(rings.overflow().put(b"last but one") && rings.put(b"last", NOW));
        let long = "l".repeat(600);
        let some = |line: &str| Some(line.to_owned());
        assert_eq!(
            leftovers(&rings),
            [some("first"), some(&long), None, None, some("last but one"), some("last")]
        );
        assert!(!ring.replace(place, claimed, State::of_line(State::WHOLE, 0, 1, 4)));
        assert!(leftovers(&rings).is_empty());
        assert_eq!(ring.claim(place + 10, 1, 1), None);
    }

    #[test]
    fn many_writers_and_a_reader_lose_nothing() {
        const WRITERS: usize = 4;
        const LINES: usize = 40_000;
        let rings = rings();
        let is_over = AtomicBool::new(false);
        let (mut lines, refused) = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    scope.spawn(move || {
                        let put = |number: &usize| {
                            let line = format!("{writer} {number} ").repeat(1 + number % 40);
                            !rings.put(line.as_bytes(), NOW)
                        };
                        (0..LINES).filter(put).count()
                    })
                })
                .collect();
            let reader = scope.spawn(|| {
                let (mut heads, mut lines) = ([0; 2], Vec::new());
                while rings.overflow().tail() == 0 {
                    thread::yield_now();
                }
                loop {
                    let is_last = is_over.load(Ordering::Acquire);
                    lines.extend(taken_of_both(&rings, &mut heads));
                    if is_last && rings.are_empty() {
                        return lines;
                    }
                    // The usual ring fills up meanwhile.
                    thread::sleep(Duration::from_millis(1));
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

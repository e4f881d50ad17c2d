//! Calls that have not returned: for the progress of long copies, and for the line of a call in which
//! its thread ends.

use super::layout::Section;
use super::programs::PROGRAMS;
use super::slot::{PathEnd, Slot};
use super::{Counter, Stats};
use crate::line::MAX_ESCAPED_PATH;
use crate::record::{Context, Ending, Record};
use cfr_engine::call::{Call, DedupeTarget, Method, Offset, Request};
use cfr_engine::dialect;
use cfr_engine::execution::Outcome;
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;

/// The most calls that are stored at a time.
pub(super) const MAX_CALLS: usize = 64;

/// The most bytes of a path that are stored; of a longer one the rest is cut off.
const MAX_PATH: usize = MAX_ESCAPED_PATH;
/// The most bytes of a program's name: NAME_MAX.
const MAX_PROGRAM: usize = 256;

// The words of a slot.
/// A state in the lowest bits, and above them the number of calls that the slot has had.
const STATE: usize = 0;
/// The process, and in the lower half the thread; that is 0 if it is not known.
const IDS: usize = 1;
const TIME: usize = 2;
const BEGUN: usize = 3;
/// The bits of [`IS_LOGGED`] and the following constants, then the hook with [`IS_COUNTED`], the kinds of
/// both offsets and the dialect's index in [`dialect::ALL`], a byte each, and in the upper half the flags.
const NOTES: usize = 4;
/// The request, and for FIDEDUPERANGE the targets.
const REQUEST: usize = 5;
const DESCRIPTORS: usize = 6;
const OFFSETS: usize = 7;
const LEN: usize = 9;
const COMM: usize = 10;
const EXTENT: usize = 12;
/// The lengths of both paths and of the program's name, of those that there are.
const LENGTHS: usize = 15;
const PATH_IN: usize = 18;
const PATH_OUT: usize = PATH_IN + MAX_PATH / 8;
const PROGRAM: usize = PATH_OUT + MAX_PATH / 8;
const WORDS: usize = PROGRAM + MAX_PROGRAM / 8;

const IS_LOGGED: u64 = 1;
const IS_INJECTED: u64 = 2;
const IS_DELAYED: u64 = 4;
const HAS_COMM: u64 = 8;
const HAS_EXTENT: u64 = 16;
const HAS_PATH_IN: u64 = 32;
const HAS_PATH_OUT: u64 = 64;
const HAS_PROGRAM: u64 = 128;
/// Noted when a call that has returned is counted.
const IS_COUNTED: u64 = 1 << 15;

// Where the other fields begin in the word of notes.
const HOOK_SHIFT: u32 = 8;
const KIND_IN_SHIFT: u32 = 16;
const KIND_OUT_SHIFT: u32 = 20;
const DIALECT_SHIFT: u32 = 24;
const FLAGS_SHIFT: u32 = 32;

/// The states of a slot.
const STATES: u64 = 3;
const FREE: u64 = 0;
const BEING_WRITTEN: u64 = 1;
const IN_FLIGHT_NOW: u64 = 2;
/// The call's thread has ended in it.
const ENDED: u64 = 3;

/// Calls that have not returned.
pub(super) const IN_FLIGHT: Section = Section::after(PROGRAMS.section, MAX_CALLS * WORDS);

/// What is stored of a call that begins, besides the call and its context.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beginning<'a> {
    /// When the call began, in nanoseconds of the monotonic clock.
    pub begun_ns: u64,
    /// Whether the call's line is logged if its thread ends in it.
    pub is_logged: bool,
    /// The name by which the program was executed, if the log file's path has it.
    pub program: &'a [u8],
    /// What the progress is measured by.
    pub extent: Option<Extent>,
}

/// Where a call copies, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The beginning of the source's range.
    pub off_in: u64,
    /// The beginning of the target's range.
    pub off_out: u64,
    /// The target's size before the call. If it has grown since, that much was copied.
    pub size_out: u64,
}

/// The slot of a call in flight, which [`InFlightGuard::end`] frees.
pub struct InFlightGuard {
    slot: Slot,
    free: u64,
}

impl InFlightGuard {
    /// Notes that the call has returned and is counted.
    pub(super) fn note_counted(&self) {
        self.slot.store(NOTES, self.slot.load(NOTES) | IS_COUNTED);
    }

    /// Frees the slot: all is said of the call.
    pub fn end(self) {
        self.slot.store(STATE, self.free);
    }
}

/// A call that has not returned.
#[derive(Clone, Copy)]
pub struct InFlight {
    slot: Slot,
    state: u64,
}

/// A call that is being stored.
pub struct CallBeginning {
    slot: Slot,
    /// The state of its slot before: only the number of its calls.
    before: u64,
}

impl CallBeginning {
    /// Stores the paths of source and target.
    pub fn store_paths(&self, paths: [Option<&[u8]>; 2]) {
        let places = [(0, PATH_IN, HAS_PATH_IN), (1, PATH_OUT, HAS_PATH_OUT)];
        for ((index, at, note), path) in places.into_iter().zip(paths) {
            if let Some(path) = path {
                self.store_text(index, at, note, path.get(..MAX_PATH).unwrap_or(path));
            }
        }
    }

    fn store_text(&self, index: usize, at: usize, note: u64, text: &[u8]) {
        self.slot.store(LENGTHS + index, text.len() as u64);
        self.slot.store_bytes(at, text);
        self.slot.store(NOTES, self.slot.load(NOTES) | note);
    }

    /// Says that the call is stored, and counts it.
    #[inline(always)]
    pub fn finish(self, stats: &Stats) -> InFlightGuard {
        // Next to each other: the process may be killed in between.
        self.slot.store(STATE, self.before | IN_FLIGHT_NOW);
        stats.add(Counter::Calls, 1);
        InFlightGuard { slot: self.slot, free: self.before.wrapping_add(STATES + 1) }
    }
}

impl Stats {
    /// Stores a call that begins, without its paths; `None` if all slots are taken. `thread` is any
    /// number: threads with different numbers do not wait for each other's memory.
    #[must_use]
    #[inline(always)]
    pub fn begin(
        &self,
        thread: usize,
        call: &Call,
        context: &Context<'_>,
        beginning: &Beginning<'_>,
    ) -> Option<CallBeginning> {
        // The addresses of threads differ in the higher bits.
        let (slot, before) = self.take_slot(thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48)?;
        let stored = CallBeginning { slot, before };
        stored.store(call, context, beginning);
        Some(stored)
    }

    /// Takes a free slot. Returns it with its state: only the number of its calls.
    #[inline(always)]
    fn take_slot(&self, start: usize) -> Option<(Slot, u64)> {
        let mut slots = self.slots_from(IN_FLIGHT, WORDS, start);
        slots.find_map(|slot| {
            let state = slot.load(STATE);
            let is_free = state & STATES == FREE;
            let is_taken = is_free && slot.compare_exchange(STATE, state, state | BEING_WRITTEN);
            is_taken.then_some((slot, state))
        })
    }

    #[cfg(test)]
    pub(super) fn show_all_in_flight(&self) {
        self.slots(IN_FLIGHT, WORDS).for_each(|slot| slot.store(STATE, ENDED));
    }

    /// Returns the calls that have not returned, unordered.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight> {
        self.slots(IN_FLIGHT, WORDS).filter_map(|slot| {
            let state = slot.load(STATE);
            matches!(state & STATES, IN_FLIGHT_NOW | ENDED).then_some(InFlight { slot, state })
        })
    }

    /// Returns the calls that are being stored, of which no more than the caller may be known.
    pub fn beginning(&self) -> impl Iterator<Item = InFlight> {
        self.slots(IN_FLIGHT, WORDS).filter_map(|slot| {
            let state = slot.load(STATE);
            (state & STATES == BEING_WRITTEN).then_some(InFlight { slot, state })
        })
    }

    /// Stores a call in which its thread has ended, and whose line is written.
    #[cold]
    #[inline(never)]
    pub(super) fn keep_unfinished(&self, record: &Record<'_>) {
        let Context { path_in, path_out, .. } = record.context;
        let stored = self.begin(0, record.call, &record.context, &Beginning::default());
        let Some(stored) = stored else { return };
        stored.store_paths([path_in, path_out]);
        stored.slot.store(STATE, stored.before | ENDED);
    }

    /// Stores the calls of other processes that have not returned, whose lines are written.
    pub(super) fn merge_in_flight(&self, other: &Stats) {
        for call in other.in_flight() {
            let Some((slot, before)) = self.take_slot(0) else { return };
            slot.copy_from(call.slot, STATE + 1);
            slot.store(NOTES, slot.load(NOTES) & !IS_LOGGED);
            slot.store(STATE, before | ENDED);
        }
    }
}

impl CallBeginning {
    #[inline(always)]
    fn store(&self, call: &Call, context: &Context<'_>, beginning: &Beginning<'_>) {
        let Beginning { extent, program, .. } = *beginning;
        // The numbers of all words are known to the compiler.
        let Some(words) = self.slot.0.first_chunk::<PATH_IN>() else { return };
        let store = |at: usize, value: u64| Slot(words).store(at, value);
        store(IDS, halves(context.pid, context.tid.unwrap_or(0)));
        store(TIME, context.time_ns);
        store(BEGUN, beginning.begun_ns);
        store(REQUEST, packed(call.request));
        store(DESCRIPTORS, halves(call.fd_in, call.fd_out));
        let ((kind_in, off_in), (kind_out, off_out)) = (split(call.off_in), split(call.off_out));
        store(OFFSETS, off_in);
        store(OFFSETS + 1, off_out);
        store(LEN, call.len as u64);
        let dialect = dialect::ALL.iter().position(|one| core::ptr::eq(*one, context.dialect));
        let note = |is_so, bit| if is_so { bit } else { 0 };
        let notes = note(beginning.is_logged, IS_LOGGED)
            | note(context.injected, IS_INJECTED)
            | note(context.delayed, IS_DELAYED)
            | note(context.comm.is_some(), HAS_COMM)
            | note(extent.is_some(), HAS_EXTENT)
            | (context.hook as u64) << HOOK_SHIFT
            | kind_in << KIND_IN_SHIFT
            | kind_out << KIND_OUT_SHIFT
            | (dialect.unwrap_or(0) as u64) << DIALECT_SHIFT
            | u64::from(call.flags.0) << FLAGS_SHIFT;
        store(NOTES, notes);
        if let Some(comm) = context.comm {
            store(COMM, 0);
            store(COMM + 1, 0);
            self.slot.store_bytes(COMM, comm.get(..16).unwrap_or(comm));
        }
        if let Some(Extent { off_in, off_out, size_out }) = extent {
            store(EXTENT, off_in);
            store(EXTENT + 1, off_out);
            store(EXTENT + 2, size_out);
        }
        if !program.is_empty() {
            let program = program.get(..MAX_PROGRAM).unwrap_or(program);
            self.store_text(2, PROGRAM, HAS_PROGRAM, program);
        }
    }
}

/// Packs two numbers into a word.
fn halves(upper: i32, lower: i32) -> u64 {
    u64::from(upper.cast_unsigned()) << 32 | u64::from(lower.cast_unsigned())
}

/// Returns the numbers of a word that [`halves`] has packed.
fn split_halves(word: u64) -> [i32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_be_bytes();
    [[a, b, c, d], [e, f, g, h]].map(i32::from_be_bytes)
}

/// Packs a request into a word.
fn packed(request: Request) -> u64 {
    match request {
        Request::Copy => 0,
        Request::Clone => 1,
        Request::CloneRange => 2,
        Request::Send => 3,
        Request::Dedupe(DedupeTarget { number, count, .. }) => {
            4 | u64::from(number) << 8 | u64::from(count) << 24
        }
    }
}

fn unpacked(word: u64) -> Request {
    let [kind, number_low, number_high, count_low, count_high, ..] = word.to_le_bytes();
    match kind {
        1 => Request::Clone,
        2 => Request::CloneRange,
        3 => Request::Send,
        4 => Request::Dedupe(DedupeTarget {
            number: u16::from_le_bytes([number_low, number_high]),
            count: u16::from_le_bytes([count_low, count_high]),
            status: None,
            reported: 0,
        }),
        _ => Request::Copy,
    }
}

/// Splits an offset into its kind and its number.
fn split(offset: Offset) -> (u64, u64) {
    match offset {
        Offset::File => (0, 0),
        Offset::At(bytes) => (1, bytes.cast_unsigned()),
        Offset::BadAddress(address) => (2, address),
    }
}

fn joined(kind: u64, number: u64) -> Offset {
    match kind & 0xf {
        1 => Offset::At(number.cast_signed()),
        2 => Offset::BadAddress(number),
        _ => Offset::File,
    }
}

impl InFlight {
    fn notes(&self) -> u64 {
        self.slot.load(NOTES)
    }

    fn has(&self, note: u64) -> bool {
        self.notes() & note != 0
    }

    /// Returns the calling process and thread; 0 for one that is not known.
    fn ids(&self) -> [i32; 2] {
        split_halves(self.slot.load(IDS)).map(|id| id.max(0))
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        let [pid, _] = self.ids();
        pid
    }

    /// Returns the calling thread, if it is known.
    #[must_use]
    pub fn tid(&self) -> Option<i32> {
        let [_, tid] = self.ids();
        Some(tid).filter(|&tid| tid > 0)
    }

    /// Returns when the call began, in nanoseconds of the monotonic clock.
    #[must_use]
    pub fn begun_ns(&self) -> u64 {
        self.slot.load(BEGUN)
    }

    #[must_use]
    pub fn hook(&self) -> Option<Hook> {
        let number = (self.notes() & !IS_COUNTED) >> HOOK_SHIFT & 0xff;
        Hook::ALL.into_iter().find(|hook| *hook as u64 == number)
    }

    /// Returns the call as the program made it.
    #[must_use]
    pub fn call(&self) -> Call {
        let load = |at| self.slot.load(at);
        let [fd_in, fd_out] = split_halves(load(DESCRIPTORS));
        let notes = self.notes();
        Call {
            request: unpacked(load(REQUEST)),
            fd_in,
            off_in: joined(notes >> KIND_IN_SHIFT, load(OFFSETS)),
            fd_out,
            off_out: joined(notes >> KIND_OUT_SHIFT, load(OFFSETS + 1)),
            len: usize::try_from(load(LEN)).unwrap_or(usize::MAX),
            flags: Flags(u32::try_from(notes >> FLAGS_SHIFT).unwrap_or(0)),
        }
    }

    /// Returns what the progress is measured by, if that was wanted.
    #[must_use]
    pub fn extent(&self) -> Option<Extent> {
        self.has(HAS_EXTENT).then(|| Extent {
            off_in: self.slot.load(EXTENT),
            off_out: self.slot.load(EXTENT + 1),
            size_out: self.slot.load(EXTENT + 2),
        })
    }

    /// Returns a number that another call has not.
    #[must_use]
    pub fn id(&self) -> (usize, u64) {
        (self.slot.0.as_ptr().addr(), self.state)
    }

    /// Notes that the call's thread has ended in it. Reports whether that was not known.
    #[must_use]
    pub fn end(&self) -> bool {
        self.state & STATES == IN_FLIGHT_NOW
            && self.slot.compare_exchange(STATE, self.state, self.state | ENDED)
    }

    /// Reports whether the call has returned and was counted.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.has(IS_COUNTED)
    }

    /// Reports whether the call's line is logged if its thread ends in it.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.has(IS_LOGGED)
    }

    /// Frees the slot of a call whose thread has ended.
    pub fn forget(&self) {
        let (ended, free) = (self.state | ENDED, (self.state | ENDED).wrapping_add(1));
        self.slot.compare_exchange(STATE, ended, free);
    }

    /// Frees the slot of a call whose thread has ended before it was stored.
    pub fn forget_beginning(&self) {
        self.slot.compare_exchange(STATE, self.state, (self.state | ENDED).wrapping_add(1));
    }

    /// Returns the ends of the paths of source and target.
    #[must_use]
    pub fn paths(&self) -> (PathEnd, PathEnd) {
        let mut buffer = [0; MAX_PATH];
        let path_in = PathEnd::of(self.path_in(&mut buffer).unwrap_or_default());
        (path_in, PathEnd::of(self.path_out(&mut buffer).unwrap_or_default()))
    }

    fn path_in<'a>(&self, buffer: &'a mut [u8; MAX_PATH]) -> Option<&'a [u8]> {
        self.has(HAS_PATH_IN).then(|| self.bytes(0, PATH_IN, buffer))
    }

    fn path_out<'a>(&self, buffer: &'a mut [u8; MAX_PATH]) -> Option<&'a [u8]> {
        self.has(HAS_PATH_OUT).then(|| self.bytes(1, PATH_OUT, buffer))
    }

    fn bytes<'a>(&self, index: usize, at: usize, buffer: &'a mut [u8]) -> &'a [u8] {
        let len = usize::try_from(self.slot.load(LENGTHS + index)).unwrap_or(0);
        let len = len.min(buffer.len());
        let place = buffer.get_mut(..len).unwrap_or_default();
        self.slot.load_bytes(at, place);
        place
    }

    /// Calls `work` with the record of the call, and with the name by which its program was executed;
    /// empty if it is not known.
    pub fn with_record(&self, work: impl FnOnce(&Record<'_>, &[u8])) {
        let (mut path_in, mut path_out) = ([0; MAX_PATH], [0; MAX_PATH]);
        let (mut comm, mut program) = ([0; 16], [0; MAX_PROGRAM]);
        self.slot.load_bytes(COMM, &mut comm);
        let dialect = usize::try_from(self.notes() >> DIALECT_SHIFT & 0xff).unwrap_or(0);
        let context = Context {
            time_ns: self.slot.load(TIME),
            duration_ns: 0,
            pid: self.pid(),
            ending: Ending::Unfinished,
            tid: self.tid(),
            comm: self
                .has(HAS_COMM)
                .then(|| comm.split(|&byte| byte == 0).next().unwrap_or_default()),
            hook: self.hook().unwrap_or(Hook::CopyFileRange),
            path_in: self.path_in(&mut path_in),
            path_out: self.path_out(&mut path_out),
            offsets_after: (None, None),
            sharing: None,
            dialect: dialect::ALL.get(dialect).copied().unwrap_or(dialect::DEFAULT),
            injected: self.has(IS_INJECTED),
            delayed: self.has(IS_DELAYED),
        };
        let outcome = Outcome::new(Ok(0), Method::None);
        let record = Record { call: &self.call(), outcome: &outcome, context };
        let has_program = self.has(HAS_PROGRAM);
        work(&record, if has_program { self.bytes(2, PROGRAM, &mut program) } else { &[] });
    }
}

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
const PID: usize = 1;
/// 0 if it is not known.
const TID: usize = 2;
const TIME: usize = 3;
const BEGUN: usize = 4;
/// The hook, and [`IS_COUNTED`].
const HOOK: usize = 5;
/// The request, and for FIDEDUPERANGE the targets.
const REQUEST: usize = 6;
const DESCRIPTORS: usize = 7;
/// The kinds of both offsets, then the offsets.
const OFFSETS: usize = 8;
const LEN: usize = 11;
const FLAGS: usize = 12;
/// An index in [`dialect::ALL`].
const DIALECT: usize = 13;
/// The bits of [`IS_LOGGED`] and the following constants.
const NOTES: usize = 14;
const COMM: usize = 15;
const EXTENT: usize = 17;
/// The lengths of both paths and of the program's name.
const LENGTHS: usize = 20;
const PATH_IN: usize = 23;
const PATH_OUT: usize = PATH_IN + MAX_PATH / 8;
const PROGRAM: usize = PATH_OUT + MAX_PATH / 8;
const WORDS: usize = PROGRAM + MAX_PROGRAM / 8;

/// Noted in the hook's word when a call that has returned is counted.
const IS_COUNTED: u64 = 1 << 32;

const IS_LOGGED: u64 = 1;
const IS_INJECTED: u64 = 2;
const IS_DELAYED: u64 = 4;
const HAS_COMM: u64 = 8;
const HAS_EXTENT: u64 = 16;
const HAS_PATH_IN: u64 = 32;
const HAS_PATH_OUT: u64 = 64;

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
    /// Any number; threads with different numbers do not wait for each other's memory.
    pub thread: usize,
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
    pub(super) fn note_counted(&self, hook: Hook) {
        self.slot.store(HOOK, hook as u64 | IS_COUNTED);
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

impl Stats {
    /// Stores a call that begins, and counts it; `None` if all slots are taken.
    #[must_use]
    pub fn begin(
        &self,
        call: &Call,
        context: &Context<'_>,
        beginning: &Beginning<'_>,
    ) -> Option<InFlightGuard> {
        let (guard, begun) = self.store(call, context, beginning)?;
        // Next to each other: the process may be killed in between.
        guard.slot.store(STATE, begun);
        self.add(Counter::Calls, 1);
        Some(guard)
    }

    /// Stores a call. Returns its slot and the state that says so.
    fn store(
        &self,
        call: &Call,
        context: &Context<'_>,
        beginning: &Beginning<'_>,
    ) -> Option<(InFlightGuard, u64)> {
        // The addresses of threads differ in the higher bits.
        let start = beginning.thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        let (slot, before) = self.take_slot(start)?;
        store(slot, call, context, beginning);
        let free = before.wrapping_add(STATES + 1);
        Some((InFlightGuard { slot, free }, before | IN_FLIGHT_NOW))
    }

    /// Takes a free slot. Returns it with its state: only the number of its calls.
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
    pub(super) fn keep_unfinished(&self, record: &Record<'_>) {
        let stored = self.store(record.call, &record.context, &Beginning::default());
        if let Some((guard, begun)) = stored {
            guard.slot.store(STATE, begun | ENDED);
        }
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

fn store(slot: Slot, call: &Call, context: &Context<'_>, beginning: &Beginning<'_>) {
    let Beginning { extent, program, .. } = *beginning;
    slot.store(PID, context.pid.unsigned_abs().into());
    slot.store(TID, context.tid.unwrap_or(0).unsigned_abs().into());
    slot.store(TIME, context.time_ns);
    slot.store(BEGUN, beginning.begun_ns);
    slot.store(HOOK, context.hook as u64);
    slot.store(REQUEST, packed(call.request));
    let descriptor = |fd: i32| u64::from(fd.cast_unsigned());
    slot.store(DESCRIPTORS, descriptor(call.fd_in) << 32 | descriptor(call.fd_out));
    let ((kind_in, off_in), (kind_out, off_out)) = (split(call.off_in), split(call.off_out));
    slot.store(OFFSETS, kind_in | kind_out << 8);
    slot.store(OFFSETS + 1, off_in);
    slot.store(OFFSETS + 2, off_out);
    slot.store(LEN, call.len as u64);
    slot.store(FLAGS, call.flags.0.into());
    let dialect = dialect::ALL.iter().position(|one| core::ptr::eq(*one, context.dialect));
    slot.store(DIALECT, dialect.unwrap_or(0) as u64);
    let note = |is_so, bit| if is_so { bit } else { 0 };
    slot.store(
        NOTES,
        note(beginning.is_logged, IS_LOGGED)
            | note(context.injected, IS_INJECTED)
            | note(context.delayed, IS_DELAYED)
            | note(context.comm.is_some(), HAS_COMM)
            | note(extent.is_some(), HAS_EXTENT)
            | note(context.path_in.is_some(), HAS_PATH_IN)
            | note(context.path_out.is_some(), HAS_PATH_OUT),
    );
    if let Some(comm) = context.comm {
        [COMM, COMM + 1].into_iter().for_each(|at| slot.store(at, 0));
        slot.store_bytes(COMM, comm.get(..16).unwrap_or(comm));
    }
    if let Some(Extent { off_in, off_out, size_out }) = extent {
        slot.store(EXTENT, off_in);
        slot.store(EXTENT + 1, off_out);
        slot.store(EXTENT + 2, size_out);
    }
    for (index, at, text, most) in [
        (0, PATH_IN, context.path_in.unwrap_or_default(), MAX_PATH),
        (1, PATH_OUT, context.path_out.unwrap_or_default(), MAX_PATH),
        (2, PROGRAM, program, MAX_PROGRAM),
    ] {
        let text = text.get(..most).unwrap_or(text);
        slot.store(LENGTHS + index, text.len() as u64);
        if !text.is_empty() {
            slot.store_bytes(at, text);
        }
    }
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
    match kind & 0xff {
        1 => Offset::At(number.cast_signed()),
        2 => Offset::BadAddress(number),
        _ => Offset::File,
    }
}

impl InFlight {
    fn has(&self, note: u64) -> bool {
        self.slot.load(NOTES) & note != 0
    }

    fn number(&self, at: usize) -> i32 {
        i32::try_from(self.slot.load(at)).unwrap_or(0)
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.number(PID)
    }

    /// Returns the calling thread, if it is known.
    #[must_use]
    pub fn tid(&self) -> Option<i32> {
        Some(self.number(TID)).filter(|&tid| tid > 0)
    }

    /// Returns when the call began, in nanoseconds of the monotonic clock.
    #[must_use]
    pub fn begun_ns(&self) -> u64 {
        self.slot.load(BEGUN)
    }

    #[must_use]
    pub fn hook(&self) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| *hook as u64 == self.slot.load(HOOK) & !IS_COUNTED)
    }

    /// Returns the call as the program made it.
    #[must_use]
    pub fn call(&self) -> Call {
        let load = |at| self.slot.load(at);
        let descriptors = load(DESCRIPTORS).to_be_bytes();
        let [[fd_in, fd_out], _] = [descriptors.as_chunks().0, &[]].map(|halves: &[[u8; 4]]| {
            [0, 1].map(|at| halves.get(at).map_or(-1, |half| i32::from_be_bytes(*half)))
        });
        Call {
            request: unpacked(load(REQUEST)),
            fd_in,
            off_in: joined(load(OFFSETS), load(OFFSETS + 1)),
            fd_out,
            off_out: joined(load(OFFSETS) >> 8, load(OFFSETS + 2)),
            len: usize::try_from(load(LEN)).unwrap_or(usize::MAX),
            flags: Flags(u32::try_from(load(FLAGS)).unwrap_or(0)),
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
        self.slot.load(HOOK) & IS_COUNTED != 0
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
        let dialect = usize::try_from(self.slot.load(DIALECT)).unwrap_or(0);
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
        work(&record, self.bytes(2, PROGRAM, &mut program));
    }
}

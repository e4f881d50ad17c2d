//! Calls that have not returned, to show the progress of long copies.

use super::Stats;
use super::layout::Section;
use super::programs::PROGRAMS;
use super::slot::Slot;

/// The most calls that are shown at a time.
pub(super) const MAX_CALLS: usize = 64;

// The words of a slot.
/// 0 if the slot is free, or [`BEING_WRITTEN`].
const TID: usize = 0;
const PID: usize = 1;
const START_NS: usize = 2;
const DESCRIPTORS: usize = 3;
const OFF_OUT: usize = 4;
const LEN: usize = 5;
const OFF_IN: usize = 6;
const SIZE_OUT: usize = 7;
const WORDS: usize = 8;

/// Calls that have not returned.
pub(super) const IN_FLIGHT: Section = Section::after(PROGRAMS.section, MAX_CALLS * WORDS);

/// No thread has this number: kernel threads end at 2^22.
const BEING_WRITTEN: u64 = u64::MAX;

/// A call that has not returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InFlight {
    pub tid: i32,
    pub pid: i32,
    /// When the call began, in nanoseconds of the monotonic clock.
    pub start_ns: u64,
    pub fd_in: i32,
    pub fd_out: i32,
    /// The beginning of the source's range, in bytes.
    pub off_in: u64,
    /// The beginning of the target's range, in bytes.
    pub off_out: u64,
    /// The requested length, in bytes.
    pub len: u64,
    /// The target's size before the call, in bytes. If it has grown since, that much was copied.
    pub size_out: u64,
}

/// The slot of a call in flight, which [`InFlightGuard::end`] frees.
pub struct InFlightGuard(Slot);

impl InFlightGuard {
    /// Frees the slot: the call has returned.
    pub fn end(self) {
        self.0.store(TID, 0);
    }
}

impl Stats {
    /// Stores a call that begins; `None` if all slots are taken.
    #[must_use]
    pub fn begin(&self, call: &InFlight) -> Option<InFlightGuard> {
        let tid = call.tid.unsigned_abs();
        let start = usize::try_from(tid).unwrap_or(0);
        let mut slots = self.slots_from(IN_FLIGHT, WORDS, start);
        let slot = slots.find(|slot| slot.compare_exchange(TID, 0, BEING_WRITTEN))?;
        slot.store(PID, call.pid.unsigned_abs().into());
        slot.store(START_NS, call.start_ns);
        let [fd_in, fd_out] = [call.fd_in, call.fd_out].map(|fd| u64::from(fd.cast_unsigned()));
        slot.store(DESCRIPTORS, fd_in << 32 | fd_out);
        slot.store(OFF_IN, call.off_in);
        slot.store(OFF_OUT, call.off_out);
        slot.store(LEN, call.len);
        slot.store(SIZE_OUT, call.size_out);
        slot.store(TID, tid.into());
        Some(InFlightGuard(slot))
    }

    /// Returns the calls in flight, unordered.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight> {
        self.slots(IN_FLIGHT, WORDS).filter_map(|slot| {
            let tid = slot.load(TID);
            let number = |word| i32::try_from(word).unwrap_or(0);
            let descriptors = slot.load(DESCRIPTORS);
            let call = InFlight {
                tid: i32::try_from(tid).ok().filter(|&tid| tid > 0)?,
                pid: number(slot.load(PID)),
                start_ns: slot.load(START_NS),
                fd_in: number(descriptors >> 32),
                fd_out: number(descriptors & u64::from(u32::MAX)),
                off_in: slot.load(OFF_IN),
                off_out: slot.load(OFF_OUT),
                len: slot.load(LEN),
                size_out: slot.load(SIZE_OUT),
            };
            // Another call may have taken the slot meanwhile.
            (slot.load(TID) == tid).then_some(call)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stats;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn calls_begin_and_end() {
        let stats = stats();
        let call = |tid| InFlight {
            tid,
            pid: 7,
            start_ns: 1,
            fd_in: 3,
            fd_out: 4,
            off_in: 2,
            off_out: 5,
            len: u64::MAX,
            size_out: 6,
        };
        let first = stats.begin(&call(1)).unwrap();
        let second = stats.begin(&call(65)).unwrap();
        assert_eq!(stats.in_flight().collect::<Vec<_>>(), [call(1), call(65)]);
        first.end();
        assert_eq!(stats.in_flight().collect::<Vec<_>>(), [call(65)]);
        second.end();
        let all: Vec<_> = (0..64).map(|tid| stats.begin(&call(tid + 1)).unwrap()).collect();
        assert!(stats.begin(&call(99)).is_none());
        all.into_iter().for_each(InFlightGuard::end);
        assert_eq!(stats.in_flight().count(), 0);
    }
}

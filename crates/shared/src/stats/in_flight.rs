//! Calls that have not returned yet, for whoever watches a long copy.

use super::slot::Slot;
use super::{IN_FLIGHT, Stats};

/// How many calls can be seen while they are under way.
pub(super) const MAX_IN_FLIGHT: usize = 64;
/// The thread; 0 where the slot is free.
const IN_FLIGHT_THREAD: usize = 0;
const IN_FLIGHT_PID: usize = 1;
const IN_FLIGHT_START: usize = 2;
const IN_FLIGHT_DESCRIPTORS: usize = 3;
const IN_FLIGHT_OFFSET: usize = 4;
const IN_FLIGHT_LEN: usize = 5;
const IN_FLIGHT_SOURCE_OFFSET: usize = 6;
const IN_FLIGHT_SIZE: usize = 7;
pub(super) const IN_FLIGHT_WORDS: usize = 8;

/// A call that has not returned yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InFlight {
    /// The thread that makes it.
    pub tid: i32,
    /// Its process.
    pub pid: i32,
    /// When it began, by the monotonic clock, in nanoseconds.
    pub begun_ns: u64,
    /// Source descriptor.
    pub fd_in: i32,
    /// Target descriptor.
    pub fd_out: i32,
    /// Where the source's range begins, in bytes.
    pub off_in: u64,
    /// Where the target's range begins, in bytes.
    pub off_out: u64,
    /// Bytes asked for.
    pub len: u64,
    /// The target's size before, in bytes: what grows beyond it was copied.
    pub size_out: u64,
}

/// The place of a call that is under way; [`InFlightGuard::end`] gives it back.
pub struct InFlightGuard(Slot);

impl InFlightGuard {
    /// The call has returned.
    pub fn end(self) {
        self.0.store(IN_FLIGHT_THREAD, 0);
    }
}

impl Stats {
    /// Notes a call that begins; `None` where too many are under way.
    #[must_use]
    pub fn begin(&self, way: &InFlight) -> Option<InFlightGuard> {
        let tid = way.tid.unsigned_abs();
        let start = usize::try_from(tid).unwrap_or(0);
        let mut slots = self.slots_from(IN_FLIGHT, IN_FLIGHT_WORDS, start);
        let slot = slots.find(|slot| slot.compare_exchange(IN_FLIGHT_THREAD, 0, BEING_WRITTEN))?;
        slot.store(IN_FLIGHT_PID, way.pid.unsigned_abs().into());
        slot.store(IN_FLIGHT_START, way.begun_ns);
        let [fd_in, fd_out] = [way.fd_in, way.fd_out].map(|fd| u64::from(fd.cast_unsigned()));
        slot.store(IN_FLIGHT_DESCRIPTORS, fd_in << 32 | fd_out);
        slot.store(IN_FLIGHT_SOURCE_OFFSET, way.off_in);
        slot.store(IN_FLIGHT_OFFSET, way.off_out);
        slot.store(IN_FLIGHT_LEN, way.len);
        slot.store(IN_FLIGHT_SIZE, way.size_out);
        slot.store(IN_FLIGHT_THREAD, tid.into());
        Some(InFlightGuard(slot))
    }

    /// The calls that are under way, in no order.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight> {
        self.slots(IN_FLIGHT, IN_FLIGHT_WORDS).filter_map(|slot| {
            let thread = slot.load(IN_FLIGHT_THREAD);
            let number = |word| i32::try_from(word).unwrap_or(0);
            let descriptors = slot.load(IN_FLIGHT_DESCRIPTORS);
            let way = InFlight {
                tid: i32::try_from(thread).ok().filter(|&tid| tid > 0)?,
                pid: number(slot.load(IN_FLIGHT_PID)),
                begun_ns: slot.load(IN_FLIGHT_START),
                fd_in: number(descriptors >> 32),
                fd_out: number(descriptors & u64::from(u32::MAX)),
                off_in: slot.load(IN_FLIGHT_SOURCE_OFFSET),
                off_out: slot.load(IN_FLIGHT_OFFSET),
                len: slot.load(IN_FLIGHT_LEN),
                size_out: slot.load(IN_FLIGHT_SIZE),
            };
            // Another one may have taken its place meanwhile.
            (slot.load(IN_FLIGHT_THREAD) == thread).then_some(way)
        })
    }
}

/// More than any thread's number.
const BEING_WRITTEN: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::super::tests::accounts;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn calls_under_way_come_and_go() {
        let accounts = accounts();
        let way = |tid| InFlight {
            tid,
            pid: 7,
            begun_ns: 1,
            fd_in: 3,
            fd_out: 4,
            off_in: 2,
            off_out: 5,
            len: u64::MAX,
            size_out: 6,
        };
        let first = accounts.begin(&way(1)).unwrap();
        let second = accounts.begin(&way(65)).unwrap();
        assert_eq!(accounts.in_flight().collect::<Vec<_>>(), [way(1), way(65)]);
        first.end();
        assert_eq!(accounts.in_flight().collect::<Vec<_>>(), [way(65)]);
        second.end();
        let all: Vec<_> = (0..64).map(|tid| accounts.begin(&way(tid + 1)).unwrap()).collect();
        assert!(accounts.begin(&way(99)).is_none());
        all.into_iter().for_each(InFlightGuard::end);
        assert_eq!(accounts.in_flight().count(), 0);
    }
}

//! The slowest calls.

use super::slot::{NAME_WORDS, PathEnd, Slot};
use super::{SLOWEST, Stats};
use crate::record::Record;
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;

/// How many of the slowest calls are kept.
pub(super) const MAX_SLOW_CALLS: usize = 5;
/// Odd while the slot is being written.
const SLOW_SEQUENCE: usize = 0;
const SLOW_DURATION: usize = 1;
const SLOW_PID: usize = 2;
const SLOW_HOOK: usize = 3;
const SLOW_METHOD: usize = 4;
const SLOW_BYTES: usize = 5;
const SLOW_ERRNO: usize = 6;
const SLOW_SOURCE: usize = 7;
const SLOW_TARGET: usize = SLOW_SOURCE + NAME_WORDS;
pub(super) const SLOW_WORDS: usize = SLOW_TARGET + NAME_WORDS;

/// One of the slowest calls.
#[derive(Clone, Copy)]
pub struct SlowCall(Slot);

impl SlowCall {
    /// Nanoseconds that it took.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.0.load(SLOW_DURATION)
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.0.load(SLOW_PID)
    }

    /// Where it came through.
    #[must_use]
    pub fn hook(&self) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| *hook as u64 == self.0.load(SLOW_HOOK))
    }

    /// How it was answered.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        Method::ALL.into_iter().find(|method| *method as u64 == self.0.load(SLOW_METHOD))
    }

    /// Bytes that it moved.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(SLOW_BYTES)
    }

    /// The error, if it was one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        i32::try_from(self.0.load(SLOW_ERRNO)).ok().filter(|&number| number > 0).map(Errno)
    }

    /// Source and target.
    #[must_use]
    pub fn names(&self) -> (PathEnd, PathEnd) {
        (self.0.name(SLOW_SOURCE), self.0.name(SLOW_TARGET))
    }
}

impl Stats {
    /// The slowest calls, in no order.
    pub fn slowest(&self) -> impl Iterator<Item = SlowCall> {
        let whole = |slot: &Slot| {
            slot.load(SLOW_DURATION) > 0 && slot.load(SLOW_SEQUENCE).is_multiple_of(2)
        };
        self.slots(SLOWEST, SLOW_WORDS).filter(whole).map(SlowCall)
    }

    /// Who gives way to a slower call, and the time that it took. Not one that another thread writes to,
    /// or that a process was killed over.
    pub(super) fn least_slow(&self) -> (Option<Slot>, u64) {
        let whole = |slot: &Slot| slot.load(SLOW_SEQUENCE).is_multiple_of(2);
        let slots = self.slots(SLOWEST, SLOW_WORDS).filter(whole);
        let least = slots.min_by_key(|slot| slot.load(SLOW_DURATION));
        (least, least.map_or(u64::MAX, |slot| slot.load(SLOW_DURATION)))
    }

    /// Has `write` write into the place of a faster call, where there is one.
    fn keep(&self, duration_ns: u64, write: impl FnOnce(Slot)) {
        let (Some(slot), least) = self.least_slow() else { return };
        let sequence = slot.load(SLOW_SEQUENCE);
        // Another thread that takes the same place has a slow call too; one of the two is let go.
        if duration_ns <= least || !slot.compare_exchange(SLOW_SEQUENCE, sequence, sequence | 1) {
            return;
        }
        slot.store(SLOW_DURATION, duration_ns);
        write(slot);
        slot.store(SLOW_SEQUENCE, sequence.wrapping_add(2));
    }

    pub(super) fn merge_slow(&self, other: &Stats) {
        for SlowCall(slow) in other.slowest() {
            self.keep(slow.load(SLOW_DURATION), |slot| slot.copy_from(slow, SLOW_PID));
        }
    }

    pub(super) fn keep_if_slow(&self, record: &Record<'_>) {
        self.keep(record.duration_ns, |slot| put(slot, record));
    }
}

fn put(slot: Slot, record: &Record<'_>) {
    slot.store(SLOW_PID, record.pid.unsigned_abs().into());
    slot.store(SLOW_HOOK, record.hook as u64);
    slot.store(SLOW_METHOD, record.method as u64);
    slot.store(SLOW_BYTES, record.bytes);
    slot.store(SLOW_ERRNO, record.errno().map_or(0, |errno| errno.0.unsigned_abs().into()));
    slot.store_name(SLOW_SOURCE, record.path_in);
    slot.store_name(SLOW_TARGET, record.path_out);
}

#[cfg(test)]
pub(super) fn show(slot: Slot) {
    slot.store(SLOW_SEQUENCE, 0);
    slot.store(SLOW_ERRNO, 95);
}

//! The slowest calls.

use super::Stats;
use super::layout::{LATENCY, Section};
use super::slot::{PATH_WORDS, PathEnd, Slot};
use crate::record::{Record, Whole};
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;

/// The most calls that are stored.
pub(super) const MAX_CALLS: usize = 5;

// The words of a slot.
/// Odd while the slot is written.
const SEQUENCE: usize = 0;
const DURATION: usize = 1;
const PID: usize = 2;
const HOOK: usize = 3;
const METHOD: usize = 4;
const BYTES: usize = 5;
const ERRNO: usize = 6;
const PATH_IN: usize = 7;
const PATH_OUT: usize = PATH_IN + PATH_WORDS;
pub(super) const WORDS: usize = PATH_OUT + PATH_WORDS;

pub(super) const SLOW_CALLS: Section = Section::after(LATENCY, MAX_CALLS * WORDS);

/// One of the slowest calls.
#[derive(Clone, Copy)]
pub struct SlowCall(Slot);

impl SlowCall {
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.0.load(DURATION)
    }

    #[must_use]
    pub fn pid(&self) -> u64 {
        self.0.load(PID)
    }

    #[must_use]
    pub fn hook(&self) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| *hook as u64 == self.0.load(HOOK))
    }

    #[must_use]
    pub fn method(&self) -> Option<Method> {
        Method::ALL.into_iter().find(|method| *method as u64 == self.0.load(METHOD))
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(BYTES)
    }

    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        i32::try_from(self.0.load(ERRNO)).ok().filter(|&number| number > 0).map(Errno)
    }

    /// Returns the paths of source and target.
    #[must_use]
    pub fn paths(&self) -> (PathEnd, PathEnd) {
        (self.0.path(PATH_IN), self.0.path(PATH_OUT))
    }
}

impl Stats {
    /// Returns the slowest calls, unordered.
    pub fn slowest(&self) -> impl Iterator<Item = SlowCall> {
        let is_complete =
            |slot: &Slot| slot.load(DURATION) > 0 && slot.load(SEQUENCE).is_multiple_of(2);
        self.slots(SLOW_CALLS, WORDS).filter(is_complete).map(SlowCall)
    }

    /// Returns the slot that a slower call replaces, and its duration. Slots that another thread
    /// writes, or whose writer was killed, are not candidates.
    pub(super) fn least_slow(&self) -> (Option<Slot>, u64) {
        let is_complete = |slot: &Slot| slot.load(SEQUENCE).is_multiple_of(2);
        let slots = self.slots(SLOW_CALLS, WORDS).filter(is_complete);
        let least = slots.min_by_key(|slot| slot.load(DURATION));
        (least, least.map_or(u64::MAX, |slot| slot.load(DURATION)))
    }

    /// Calls `write` with the slot of a faster call, if there is one. If another thread takes the slot
    /// first, the next candidate is tried, as often as there are slots.
    fn replace_slow(&self, duration_ns: u64, write: impl FnOnce(Slot)) {
        for _ in 0..MAX_CALLS {
            let (Some(slot), least) = self.least_slow() else { return };
            if duration_ns <= least {
                return;
            }
            let sequence = slot.load(SEQUENCE);
            let is_free = sequence.is_multiple_of(2);
            if is_free && slot.compare_exchange(SEQUENCE, sequence, sequence | 1) {
                slot.store(DURATION, duration_ns);
                write(slot);
                slot.store(SEQUENCE, sequence.wrapping_add(2));
                return;
            }
        }
    }

    pub(super) fn merge_slow(&self, other: &Stats) {
        for SlowCall(slow) in other.slowest() {
            self.replace_slow(slow.load(DURATION), |slot| slot.copy_from(slow, PID));
        }
    }

    pub(super) fn keep_if_slow(&self, record: &Record<'_>, whole: Whole) {
        self.replace_slow(record.context.duration_ns, |slot| store(slot, record, whole));
    }
}

fn store(slot: Slot, record: &Record<'_>, whole: Whole) {
    let errno = record.errno().filter(|_| whole.bytes == 0);
    slot.store(PID, record.context.pid.unsigned_abs().into());
    slot.store(HOOK, record.context.hook as u64);
    slot.store(METHOD, whole.method as u64);
    slot.store(BYTES, whole.bytes);
    slot.store(ERRNO, errno.map_or(0, |errno| errno.0.unsigned_abs().into()));
    slot.store_path(PATH_IN, record.context.path_in);
    slot.store_path(PATH_OUT, record.context.path_out);
}

#[cfg(test)]
pub(super) fn show(slot: Slot) {
    slot.store(SEQUENCE, 0);
    slot.store(ERRNO, 95);
}

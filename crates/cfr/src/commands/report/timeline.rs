//! How the calls of a log lie in time, in a limited number of slots whatever its length.

use crate::log::entry::LoggedCall;
use cfr_engine::call::Method;
use std::collections::BTreeMap;

/// The most slots. There are at least half as many if the log is longer than that many microseconds.
const MAX_SLOTS: u64 = 200;

/// The methods that are told apart: those that move bytes, and at the end all others, which a log of
/// another version may have.
pub(super) const SERIES: [&str; 6] = [
    Method::Kernel.name(),
    Method::Reflink.name(),
    Method::Dedupe.name(),
    Method::Emulated.name(),
    Method::Next.name(),
    "other",
];

/// Sums for each slot of time. All slots have the same width, a power of two microseconds, which is
/// doubled when a call lies outside of the most that they can span.
#[derive(Default)]
pub(super) struct Timeline {
    /// The width of a slot is two to the power of this, in microseconds.
    shift: u32,
    /// The slots that are not empty, by their time since 1970 divided by their width.
    slots: BTreeMap<u64, Slot>,
}

/// What happened in a slot. The sums stay at the largest number.
#[derive(Clone, Copy, Default)]
pub(super) struct Slot {
    /// Calls that began.
    pub(super) calls: u64,
    /// Calls that began and failed.
    pub(super) errors: u64,
    /// Bytes by method, in the order of [`SERIES`]. The bytes of a call are spread evenly over its
    /// duration.
    pub(super) bytes: [u64; SERIES.len()],
}

impl Slot {
    fn add(&mut self, other: &Slot) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
        for (sum, more) in self.bytes.iter_mut().zip(other.bytes) {
            *sum = sum.saturating_add(more);
        }
    }

    pub(super) fn all_bytes(&self) -> u64 {
        self.bytes.iter().fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }
}

impl Timeline {
    pub(super) fn add(&mut self, call: &LoggedCall) {
        let begin = call.moment.time_us;
        let end = begin.saturating_add(call.duration_ns / 1_000);
        // A call that ends where a slot begins is not in that slot.
        let last = end.saturating_sub(1).max(begin);
        self.make_room(begin, last);
        let errors = u64::from(call.error.is_some());
        self.slot(begin).add(&Slot { calls: 1, errors, bytes: [0; SERIES.len()] });
        let series = SERIES.iter().position(|name| *name == call.method);
        let series = series.unwrap_or(SERIES.len() - 1);
        let mut before = 0;
        for index in begin >> self.shift..=last >> self.shift {
            let slot_end = (index + 1).saturating_mul(self.width_us()).min(end);
            let after = until(call.bytes, slot_end.saturating_sub(begin), end - begin);
            let slot = self.slots.entry(index).or_default();
            if let Some(bytes) = slot.bytes.get_mut(series) {
                *bytes = bytes.saturating_add(after - before);
            }
            before = after;
        }
    }

    /// Returns the width of a slot in microseconds.
    pub(super) fn width_us(&self) -> u64 {
        1 << self.shift
    }

    /// Returns the slots that are not empty with their begin in microseconds since 1970, in order.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.slots.iter().map(|(index, slot)| (index << self.shift, slot))
    }

    fn slot(&mut self, time_us: u64) -> &mut Slot {
        self.slots.entry(time_us >> self.shift).or_default()
    }

    /// Widens the slots until they span these times too.
    fn make_room(&mut self, begin: u64, last: u64) {
        let known = |slot: Option<(&u64, &Slot)>| slot.map(|(&index, _)| index);
        let mut lowest = begin >> self.shift;
        let mut highest = last >> self.shift;
        lowest = known(self.slots.first_key_value()).map_or(lowest, |index| index.min(lowest));
        highest = known(self.slots.last_key_value()).map_or(highest, |index| index.max(highest));
        let mut doublings = 0;
        while (highest >> doublings) - (lowest >> doublings) >= MAX_SLOTS {
            doublings += 1;
        }
        if doublings == 0 {
            return;
        }
        self.shift += doublings;
        for (index, slot) in std::mem::take(&mut self.slots) {
            self.slots.entry(index >> doublings).or_default().add(&slot);
        }
    }
}

/// Returns the bytes that are copied when a part of the duration is over.
fn until(bytes: u64, part: u64, duration: u64) -> u64 {
    let copied = (u128::from(bytes) * u128::from(part)).checked_div(u128::from(duration));
    copied.map_or(bytes, |copied| u64::try_from(copied).unwrap_or(bytes).min(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::entry::LogEntry;

    fn add(timeline: &mut Timeline, time: &str, bytes: u64, duration_ns: u64) {
        let line = format!(
            r#"{{"time":"{time}","pid":1,"call":"copy_file_range","hook":"syscall","method":"next",
            "ret":0,"bytes":{bytes},"duration_ns":{duration_ns}}}"#
        );
        match LogEntry::read(line.as_bytes()) {
            Some(LogEntry::Call(call)) => timeline.add(&call),
            _ => panic!("{line}"),
        }
    }

    fn sums(timeline: &Timeline) -> Vec<(u64, u64, u64)> {
        timeline.slots().map(|(at, slot)| (at, slot.calls, slot.all_bytes())).collect()
    }

    #[test]
    fn the_bytes_of_a_call_are_spread_over_its_duration() {
        let mut timeline = Timeline::default();
        add(&mut timeline, "1970-01-01T00:00:00.000010Z", 100, 3_000);
        assert_eq!(sums(&timeline), [(10, 1, 33), (11, 0, 33), (12, 0, 34)]);
        // A call of no duration is in one slot.
        add(&mut timeline, "1970-01-01T00:00:00.000012Z", 7, 0);
        assert_eq!(sums(&timeline), [(10, 1, 33), (11, 0, 33), (12, 1, 41)]);
    }

    #[test]
    fn slots_are_widened_in_both_directions_and_lose_nothing() {
        let mut timeline = Timeline::default();
        for second in [30, 10, 50, 0] {
            add(&mut timeline, &format!("2026-11-30T00:00:{second:02}Z"), 1_000, 1_000_000_000);
        }
        let sums = sums(&timeline);
        assert_eq!(sums.iter().map(|(_, calls, _)| calls).sum::<u64>(), 4);
        assert_eq!(sums.iter().map(|(.., bytes)| bytes).sum::<u64>(), 4_000);
        assert_eq!(timeline.width_us(), 1 << 18, "200 of them are 52 seconds");
    }

    #[test]
    fn the_largest_times_have_a_slot() {
        let mut timeline = Timeline::default();
        add(&mut timeline, "1970-01-01T00:00:00Z", u64::MAX, u64::MAX);
        add(&mut timeline, "9999-12-31T23:59:59.999999Z", u64::MAX, u64::MAX);
        assert!(timeline.slots().count() <= 200);
        assert!(timeline.slots().map(|(_, slot)| slot.calls).sum::<u64>() == 2);
    }
}

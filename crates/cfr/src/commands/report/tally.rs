//! The sums that every group of calls has.

use crate::cli::Order;
use crate::log::entry::LoggedCall;
use serde::Serialize;

/// Sums over calls. They do not overflow: they stay at the largest number.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Tally {
    /// Calls; one for each target.
    pub(super) calls: u64,
    /// Bytes copied or shared.
    pub(super) bytes: u64,
    /// Calls that failed.
    pub(super) errors: u64,
    /// Nanoseconds in calls.
    pub(super) time_ns: u64,
    /// Calls that copied or shared.
    pub(super) copies: u64,
    /// Nanoseconds in these.
    pub(super) copy_ns: u64,
}

impl Tally {
    /// Returns the sums of one call.
    pub(super) fn of(call: &LoggedCall) -> Tally {
        let time_ns = if call.first { call.duration_ns } else { 0 };
        let copies = call.bytes > 0;
        Tally {
            calls: 1,
            bytes: call.bytes,
            errors: u64::from(call.error.is_some()),
            time_ns,
            copies: u64::from(copies),
            copy_ns: if copies { time_ns } else { 0 },
        }
    }

    pub(super) fn add(&mut self, more: Tally) {
        self.each(more, u64::saturating_add);
    }

    pub(super) fn subtract(&mut self, some: Tally) {
        self.each(some, u64::saturating_sub);
    }

    fn each(&mut self, other: Tally, join: fn(u64, u64) -> u64) {
        self.calls = join(self.calls, other.calls);
        self.bytes = join(self.bytes, other.bytes);
        self.errors = join(self.errors, other.errors);
        self.time_ns = join(self.time_ns, other.time_ns);
        self.copies = join(self.copies, other.copies);
        self.copy_ns = join(self.copy_ns, other.copy_ns);
    }

    /// Returns the bytes a second while they were copied; `None` if no time passed.
    pub(super) fn speed(&self) -> Option<u64> {
        per_second(self.bytes, u128::from(self.copy_ns)).filter(|_| self.bytes > 0)
    }

    /// Returns the sum that decides in this order.
    pub(super) fn by(&self, order: Order) -> u64 {
        match order {
            Order::Bytes => self.bytes,
            Order::Calls => self.calls,
            Order::Time => self.time_ns,
            Order::Errors => self.errors,
        }
    }
}

/// Returns bytes a second; `None` if no time passed.
pub(super) fn per_second(bytes: u64, time_ns: u128) -> Option<u64> {
    let speed = (u128::from(bytes) * 1_000_000_000).checked_div(time_ns)?;
    Some(u64::try_from(speed).unwrap_or(u64::MAX))
}

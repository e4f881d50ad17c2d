//! What is added up of calls, whatever they are grouped by.

use crate::cli::Order;
use crate::log::entry::Call;
use serde::Serialize;

/// Sums of some calls. None overflows: they stay at the largest number.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Tally {
    /// How many; one for each target.
    pub(super) calls: u64,
    /// Copied or shared.
    pub(super) bytes: u64,
    /// How many failed.
    pub(super) errors: u64,
    /// Nanoseconds that they took.
    pub(super) time_ns: u64,
}

impl Tally {
    /// Of one call.
    pub(super) fn of(call: &Call) -> Tally {
        Tally {
            calls: 1,
            bytes: call.bytes,
            errors: u64::from(call.error.is_some()),
            time_ns: if call.first { call.duration_ns } else { 0 },
        }
    }

    /// Adds more.
    pub(super) fn add(&mut self, more: Tally) {
        self.each(more, u64::saturating_add);
    }

    /// Takes some away.
    pub(super) fn take(&mut self, some: Tally) {
        self.each(some, u64::saturating_sub);
    }

    fn each(&mut self, other: Tally, join: fn(u64, u64) -> u64) {
        self.calls = join(self.calls, other.calls);
        self.bytes = join(self.bytes, other.bytes);
        self.errors = join(self.errors, other.errors);
        self.time_ns = join(self.time_ns, other.time_ns);
    }

    /// The sum that decides in this order.
    pub(super) fn by(&self, order: Order) -> u64 {
        match order {
            Order::Bytes => self.bytes,
            Order::Calls => self.calls,
            Order::Time => self.time_ns,
            Order::Errors => self.errors,
        }
    }
}

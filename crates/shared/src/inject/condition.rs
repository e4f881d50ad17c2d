//! Conditions on the numbers of a call: `len>1M`, `off_in>=2G`, `flags!=0`.

use super::CallInfo;

/// The most conditions on numbers that a fault can have.
pub(super) const MAX_CONDITIONS: usize = 6;

/// A number of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quantity {
    Len,
    OffIn,
    OffOut,
    Flags,
}

/// A comparison of two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Comparison {
    /// Every comparison with its sign. A longer sign comes before a shorter one that it begins with.
    pub(super) const ALL: [(&'static [u8], Comparison); 6] = [
        (b"!=", Comparison::NotEqual),
        (b"<=", Comparison::AtMost),
        (b">=", Comparison::AtLeast),
        (b"<", Comparison::Below),
        (b">", Comparison::Above),
        (b"=", Comparison::Equal),
    ];
}

/// A comparison that a number of the call must meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Condition {
    pub(super) quantity: Quantity,
    pub(super) comparison: Comparison,
    pub(super) bound: u64,
}

impl Condition {
    /// Reports whether it can hold: no number is below 0.
    pub(super) fn is_possible(self) -> bool {
        (self.comparison, self.bound) != (Comparison::Below, 0)
    }

    /// Reports whether the call meets it. A number that is not known meets no condition.
    pub(super) fn holds(self, call: &CallInfo<'_>) -> bool {
        let [off_in, off_out] = call.offsets;
        let number = match self.quantity {
            Quantity::Len => Some(call.len),
            Quantity::OffIn => off_in,
            Quantity::OffOut => off_out,
            Quantity::Flags => Some(call.flags.into()),
        };
        number.is_some_and(|number| match self.comparison {
            Comparison::Equal => number == self.bound,
            Comparison::NotEqual => number != self.bound,
            Comparison::Below => number < self.bound,
            Comparison::AtMost => number <= self.bound,
            Comparison::Above => number > self.bound,
            Comparison::AtLeast => number >= self.bound,
        })
    }
}

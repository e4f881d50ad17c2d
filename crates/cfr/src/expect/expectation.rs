//! An expectation that was parsed.

use super::quantity::Quantity;
use crate::term::failure::printable;
use cfr_shared::stats::Stats;

/// What the user expects of a program's calls.
pub(super) struct Expectation {
    /// The expression as the user wrote it.
    pub(super) expression: String,
    pub(super) meaning: Meaning,
}

/// The meaning of an expectation.
pub(super) enum Meaning {
    /// The comparison of a number holds.
    Count(Quantity, Comparison, u64),
    /// Some calls were of these kinds, and none of another kind.
    Only(Kind, Vec<Quantity>),
    /// No call was of these kinds.
    Never(Vec<Quantity>),
}

/// The property by which calls are distinguished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Method,
    Hook,
    Error,
}

impl Kind {
    /// All properties, by name.
    pub(super) const ALL: [(&'static str, Kind); 3] =
        [("method", Kind::Method), ("hook", Kind::Hook), ("error", Kind::Error)];
}

/// A comparison of two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
    Equal,
    NotEqual,
}

impl Comparison {
    /// All comparisons, by their signs. A longer sign comes before a shorter one that it begins
    /// with.
    pub(super) const ALL: [(&'static str, Comparison); 7] = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        (">", Comparison::Above),
        ("<", Comparison::Below),
        ("=", Comparison::Equal),
    ];

    pub(super) fn holds(self, count: u64, bound: u64) -> bool {
        match self {
            Comparison::AtLeast => count >= bound,
            Comparison::AtMost => count <= bound,
            Comparison::Above => count > bound,
            Comparison::Below => count < bound,
            Comparison::Equal => count == bound,
            Comparison::NotEqual => count != bound,
        }
    }
}

impl Expectation {
    /// Returns the expression, printable.
    pub(super) fn printable(&self) -> String {
        printable(&self.expression)
    }

    /// Reports whether it needs a count that only `--shared yes` makes.
    pub(super) fn is_about_sharing(&self) -> bool {
        match &self.meaning {
            Meaning::Count(quantity, ..) => quantity.is_about_sharing(),
            Meaning::Never(quantities) => quantities.iter().any(|one| one.is_about_sharing()),
            Meaning::Only(..) => false,
        }
    }

    /// Reports whether it is about the number of calls alone, not about their results.
    pub(super) fn is_about_calls(&self) -> bool {
        matches!(&self.meaning, Meaning::Count(quantity, ..) if quantity.is_calls())
    }

    /// Reports whether it is about what is known although a call has not returned.
    pub(super) fn is_about_ends(&self) -> bool {
        match &self.meaning {
            Meaning::Count(quantity, ..) => quantity.is_about_ends(),
            Meaning::Never(quantities) => quantities.iter().all(|one| one.is_about_ends()),
            Meaning::Only(..) => false,
        }
    }

    /// Reports whether it holds only because nothing else was seen: a zero or an upper bound of what a
    /// program does. What the library does itself is not missed.
    pub(super) fn needs_proof(&self) -> bool {
        match &self.meaning {
            Meaning::Count(quantity, Comparison::AtMost | Comparison::Below, _)
            | Meaning::Count(quantity, Comparison::Equal, 0) => !quantity.is_of_library(),
            Meaning::Never(quantities) => quantities.iter().any(|one| !one.is_of_library()),
            Meaning::Count(..) | Meaning::Only(..) => false,
        }
    }

    /// Reports whether it holds still if up to so many more calls have failed with EINTR.
    pub(super) fn holds_with(&self, interrupted: u64, stats: &Stats) -> bool {
        match &self.meaning {
            Meaning::Count(quantity, comparison, bound) if quantity.counts_interrupted() => {
                let least = quantity.read(stats);
                let most = least.saturating_add(interrupted);
                match comparison {
                    Comparison::NotEqual => !(least..=most).contains(bound),
                    _ => comparison.holds(least, *bound) && comparison.holds(most, *bound),
                }
            }
            Meaning::Never(quantities) => {
                interrupted == 0 || !quantities.iter().any(|one| one.counts_interrupted())
            }
            Meaning::Only(Kind::Hook | Kind::Error, words) => {
                interrupted == 0 || words.iter().any(|word| word.counts_interrupted())
            }
            Meaning::Only(Kind::Method, _) | Meaning::Count(..) => true,
        }
    }

    /// Reports whether it is about what was written otherwise, which the kernel counts of every process.
    pub(super) fn is_about_otherwise(&self) -> bool {
        match &self.meaning {
            Meaning::Count(quantity, ..) => quantity.is_about_otherwise(),
            Meaning::Never(quantities) => quantities.iter().any(|one| one.is_about_otherwise()),
            _ => false,
        }
    }

    /// Reports whether it stays true if there were more calls than were seen.
    pub(super) fn is_lower_bound(&self) -> bool {
        matches!(&self.meaning, Meaning::Count(_, Comparison::AtLeast | Comparison::Above, _))
    }
}

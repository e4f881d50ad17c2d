//! One expectation, read.

use super::quantity::Quantity;
use crate::term::failure::plain;

/// What the user claims of a program's calls.
pub(super) struct Claim {
    /// As he wrote it.
    pub(super) expression: String,
    /// What it means.
    pub(super) meaning: Meaning,
}

/// What a claim means.
pub(super) enum Meaning {
    /// A number is within bounds.
    Count(Quantity, Comparison, u64),
    /// Some calls were of these kinds, and none of another.
    Only(Kind, Vec<Quantity>),
    /// No call was of these kinds.
    Never(Vec<Quantity>),
}

/// What sorts calls into kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// How their bytes moved.
    Method,
    /// Through what they came.
    Hook,
    /// With what they failed.
    Error,
}

impl Kind {
    /// Every kind, by its word.
    pub(super) const ALL: [(&'static str, Kind); 3] =
        [("method", Kind::Method), ("hook", Kind::Hook), ("error", Kind::Error)];
}

/// How a number is compared.
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
    /// Every comparison, by its signs: longer ones first, of which others are a beginning.
    pub(super) const ALL: [(&'static str, Comparison); 7] = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        (">", Comparison::Above),
        ("<", Comparison::Below),
        ("=", Comparison::Equal),
    ];

    /// Whether it holds between these.
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

impl Claim {
    /// For a message.
    pub(super) fn shown(&self) -> String {
        plain(&self.expression)
    }

    /// Whether it is about what only `--shared yes` counts.
    pub(super) fn is_about_sharing(&self) -> bool {
        match &self.meaning {
            Meaning::Count(quantity, ..) => quantity.is_about_sharing(),
            Meaning::Never(quantities) => quantities.iter().any(|one| one.is_about_sharing()),
            Meaning::Only(..) => false,
        }
    }

    /// Whether more calls than were seen could not make it false.
    pub(super) fn is_lower_bound(&self) -> bool {
        matches!(&self.meaning, Meaning::Count(_, Comparison::AtLeast | Comparison::Above, _))
    }
}

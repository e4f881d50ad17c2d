//! Positions: which of a program's calls through a hook a fault hits.

use cfr_engine::hook::Hook;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Before the number in the name of a target's position.
const TARGET: &str = "target";
/// A position among a program's calls through a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Position {
    First,
    Second,
    /// The last call, if it is neither of the two.
    Last,
    /// All calls: an environment that always behaves so, in which a loop may have no end.
    Every,
    /// The call after a short copy of a third.
    Middle,
    /// The call after two short copies, of half of what is left each.
    End,
    /// The first call of one process to one target, in the whole tree of processes; with the number of
    /// the target, from 1.
    Target(usize),
}

impl Position {
    /// The positions among the calls of each process.
    const IN_PROCESS: [Position; 6] = [
        Position::First,
        Position::Second,
        Position::Last,
        Position::Every,
        Position::Middle,
        Position::End,
    ];

    /// Returns the position of this name.
    pub(super) fn by_name(name: &str) -> Option<Position> {
        let number = || name.strip_prefix(TARGET)?.parse().ok().map(Position::Target);
        Position::IN_PROCESS.into_iter().find(|position| position.name() == name).or_else(number)
    }

    /// Returns the name in reports and in the names of cases.
    pub(super) fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Position::First => "first",
            Position::Second => "second",
            Position::Last => "last",
            Position::Every => "every",
            Position::Middle => "middle",
            Position::End => "end",
            Position::Target(number) => return Cow::Owned(format!("{TARGET}{number}")),
        })
    }

    /// Returns the position that has the column of this one in a table: that of all targets is 0.
    pub(super) fn column(self) -> Position {
        match self {
            Position::Target(_) => Position::Target(0),
            other => other,
        }
    }

    /// Returns the heading of its column.
    pub(super) fn heading(self) -> Cow<'static, str> {
        match self {
            Position::Target(_) => Cow::Borrowed("targets"),
            other => other.name(),
        }
    }

    /// Reports whether a part of a copy is made before the fault.
    pub(super) fn is_after_progress(self) -> bool {
        matches!(self, Position::Middle | Position::End)
    }

    /// Describes the calls through `hook` at this position.
    pub(super) fn describe(self, hook: Hook) -> String {
        let hook = hook.name();
        match self {
            Position::First | Position::Second | Position::Last => {
                format!("at the {} {hook}", self.name())
            }
            Position::Every => format!("at every {hook}"),
            Position::Middle => format!("at {hook} with a third copied"),
            Position::End => format!("at {hook} with three quarters copied"),
            Position::Target(number) => format!("at the first {hook} to target {number}"),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

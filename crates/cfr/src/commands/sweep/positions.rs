//! Positions: the first, the second, the last and all calls through a hook.

use cfr_engine::hook::Hook;
use serde::Serialize;

/// The position of a call among a process's calls through a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Position {
    First,
    Second,
    /// The last call, if it is neither of the two.
    Last,
    /// All calls: an environment that always behaves so, in which a loop may have no end.
    Every,
}

impl Position {
    pub(super) fn name(self) -> &'static str {
        match self {
            Position::First => "first",
            Position::Second => "second",
            Position::Last => "last",
            Position::Every => "every",
        }
    }
}

/// Calls of one process, each with its number as `when=` counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Series {
    pub(super) count: u64,
    first: u64,
    second: u64,
    last: u64,
}

impl Series {
    pub(super) fn add(&mut self, number: u64) {
        self.count += 1;
        match self.count {
            1 => self.first = number,
            2 => self.second = number,
            _ => {}
        }
        self.last = number;
    }

    /// Returns the first, the second and the last call with their numbers, each call once, and all
    /// calls.
    pub(super) fn positions(self) -> impl Iterator<Item = (Position, Option<u64>)> {
        let all = [
            (Position::First, 1, Some(self.first)),
            (Position::Second, 2, Some(self.second)),
            (Position::Last, 3, Some(self.last)),
            (Position::Every, 1, None),
        ];
        let is_there = move |&(_, least, _): &(Position, u64, Option<u64>)| self.count >= least;
        all.into_iter().filter(is_there).map(|(position, _, number)| (position, number))
    }

    fn longer(self, other: Series) -> Series {
        if other.count > self.count { other } else { self }
    }
}

/// The calls of one process through a hook; of several processes, the one with most calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    pub(super) all: Series,
    /// Those that can return 0 or a short count: all but reflinks. Such faults count only these.
    pub(super) partial: Series,
    /// Those of them that copied at least two bytes, and can copy fewer.
    pub(super) moving: Series,
}

impl Calls {
    pub(super) fn add(&mut self, is_partial: bool, bytes: u64) {
        self.all.add(self.all.count + 1);
        if is_partial {
            let number = self.partial.count + 1;
            self.partial.add(number);
            if bytes > 1 {
                self.moving.add(number);
            }
        }
    }

    /// Keeps the longer series of two processes.
    pub(super) fn most(self, other: Calls) -> Calls {
        Calls {
            all: self.all.longer(other.all),
            partial: self.partial.longer(other.partial),
            moving: self.moving.longer(other.moving),
        }
    }
}

/// A hook, and the calls of one process through it.
#[derive(Debug, Clone, Copy)]
pub(super) struct HookCalls {
    pub(super) hook: Hook,
    pub(super) calls: Calls,
}

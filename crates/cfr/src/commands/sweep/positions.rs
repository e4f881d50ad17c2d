//! Numbers of calls, of which a sweep takes the first, the second, the last, and all.

use cfr_engine::hook::Hook;
use serde::Serialize;

/// Which of a process's calls through a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Position {
    /// The first call.
    First,
    /// The second.
    Second,
    /// The last, where it is neither.
    Last,
    /// All of them: an environment that never does otherwise, in which a loop may have no end.
    Every,
}

impl Position {
    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Position::First => "first",
            Position::Second => "second",
            Position::Last => "last",
            Position::Every => "every",
        }
    }
}

/// Calls of one process, each with its number as a fault's `when=` counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Series {
    /// How many.
    pub(super) count: u64,
    first: u64,
    second: u64,
    last: u64,
}

impl Series {
    /// One more.
    pub(super) fn add(&mut self, number: u64) {
        self.count += 1;
        match self.count {
            1 => self.first = number,
            2 => self.second = number,
            _ => {}
        }
        self.last = number;
    }

    /// The first, the second and the last with their numbers, each call once; and all.
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

/// What one process called through a hook, or of several processes whichever called most.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    /// All.
    pub(super) all: Series,
    /// Those that can return 0: all but reflinks, which are all or nothing. A short or empty result is
    /// counted among these.
    pub(super) partial: Series,
    /// Those of these that moved two bytes at least, and can move fewer.
    pub(super) moving: Series,
}

impl Calls {
    /// One more.
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

    /// Of two processes.
    pub(super) fn most(self, other: Calls) -> Calls {
        Calls {
            all: self.all.longer(other.all),
            partial: self.partial.longer(other.partial),
            moving: self.moving.longer(other.moving),
        }
    }
}

/// A hook, and what one process called through it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) hook: Hook,
    pub(super) calls: Calls,
}

//! The calls of a program through a hook, by the numbers that `when=` gives them.

use super::positions::Position;
use cfr_engine::hook::Hook;
use std::collections::HashMap;
use std::sync::Arc;

/// The most targets that are tried one by one with a fault.
const MAX_TARGETS: usize = 64;
/// The same for each further fault of a hook. A program that ignores a failed child ignores it after any
/// fault that ends the child, so that one fault for all targets finds it.
const MAX_TARGETS_AGAIN: usize = 8;

/// The calls that a fault hits, by the numbers that `when=` gives them in each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    Every,
    /// One call.
    One(u64),
    /// One call, by its number in the whole tree of processes.
    OneOfTree(u64),
    /// One call, after `parts` short copies by the calls from number `first` on. Only calls that can be
    /// short have a number for them.
    After {
        call: u64,
        first: u64,
        parts: u64,
    },
}

/// The calls of one process that count for a fault, each with its number.
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

    /// Returns the first, the second and the last call, each once, and all calls.
    fn positions(self) -> impl Iterator<Item = (Position, Calls)> {
        let all = [
            (Position::First, 1, Calls::One(self.first)),
            (Position::Second, 2, Calls::One(self.second)),
            (Position::Last, 3, Calls::One(self.last)),
            (Position::Every, 1, Calls::Every),
        ];
        let is_there = move |&(_, least, _): &(Position, u64, Calls)| self.count >= least;
        all.into_iter().filter(is_there).map(|(position, _, calls)| (position, calls))
    }

    fn longer(self, other: Series) -> Series {
        if other.count > self.count { other } else { self }
    }
}

/// Which calls a fault counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// All.
    All,
    /// Those that can return 0 or a short count: all but reflinks.
    Partial,
    /// The same. But it has an effect only on those that copied at least two bytes, and can copy fewer.
    Moving,
}

/// How many targets are tried one by one with a fault. Of more, some from the first to the last are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
    /// All, up to a generous bound.
    All,
    /// A few.
    Some,
}

impl Targets {
    fn most(self) -> usize {
        match self {
            Targets::All => MAX_TARGETS,
            Targets::Some => MAX_TARGETS_AGAIN,
        }
    }
}

/// The calls of one process through a hook; of several processes, of the one with most calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProcessCalls {
    pub(super) all: Series,
    partial: Series,
    moving: Series,
    /// The numbers of the first call that moves bytes, among all and among the partial ones.
    first_moving: Option<(u64, u64)>,
}

impl ProcessCalls {
    pub(super) fn add(&mut self, is_partial: bool, bytes: u64) {
        self.all.add(self.all.count + 1);
        if is_partial {
            let number = self.partial.count + 1;
            self.partial.add(number);
            if bytes > 1 {
                self.moving.add(number);
                self.first_moving.get_or_insert((self.all.count, number));
            }
        }
    }

    /// Keeps the longer series of two processes.
    pub(super) fn most(self, other: ProcessCalls) -> ProcessCalls {
        let is_longer = other.moving.count > self.moving.count;
        ProcessCalls {
            all: self.all.longer(other.all),
            partial: self.partial.longer(other.partial),
            moving: self.moving.longer(other.moving),
            first_moving: if is_longer { other.first_moving } else { self.first_moving },
        }
    }

    /// Returns the positions of a fault that counts these calls.
    fn positions(self, counted: Counted) -> impl Iterator<Item = (Position, Calls)> {
        let series = match counted {
            Counted::All => self.all,
            Counted::Partial => self.partial,
            Counted::Moving => self.moving,
        };
        let after = self.first_moving.into_iter().flat_map(move |(among_all, first)| {
            let moving = if counted == Counted::All { among_all } else { first };
            let after = move |parts| Calls::After { call: moving + parts, first, parts };
            [(Position::Middle, after(1)), (Position::End, after(2))]
        });
        series.positions().chain(after)
    }
}

/// A target of a process, and the first call to it, by its numbers in the whole tree of processes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) path: Arc<str>,
    all: u64,
    partial: Option<u64>,
    moving: Option<u64>,
}

/// The calls through a hook of all processes.
#[derive(Debug, Clone, Default)]
pub(super) struct TreeCalls {
    all: u64,
    partial: u64,
    targets: Vec<Target>,
    /// The index of each target by its process and path.
    known: HashMap<(u32, Arc<str>), usize>,
}

impl TreeCalls {
    /// Adds a call of process `pid` to a target; `None` if its path is unknown.
    pub(super) fn add(&mut self, pid: u32, target: Option<&str>, is_partial: bool, bytes: u64) {
        self.all += 1;
        self.partial += u64::from(is_partial);
        let Some(path) = target.map(Arc::<str>::from) else { return };
        let (all, next) = (self.all, self.targets.len());
        let index = *self.known.entry((pid, Arc::clone(&path))).or_insert(next);
        if index == next {
            self.targets.push(Target { path, all, partial: None, moving: None });
        }
        if let Some(target) = self.targets.get_mut(index).filter(|_| is_partial) {
            target.partial.get_or_insert(self.partial);
            if bytes > 1 {
                target.moving.get_or_insert(self.partial);
            }
        }
    }

    /// Returns the target of this number, from 1.
    pub(super) fn target(&self, number: usize) -> Option<&Target> {
        self.targets.get(number.checked_sub(1)?)
    }

    /// Returns the number of targets.
    pub(super) fn target_count(&self) -> usize {
        self.targets.len()
    }

    /// Returns the positions of a fault that counts these calls, if there are several targets.
    fn positions(
        &self,
        counted: Counted,
        targets: Targets,
    ) -> impl Iterator<Item = (Position, Calls)> {
        let count = self.targets.len();
        let tried = if count > 1 { count.min(targets.most()) } else { 0 };
        (0..tried).filter_map(move |index| {
            let at = index * (count - 1) / (tried - 1);
            let target = self.targets.get(at)?;
            let call = match counted {
                Counted::All => Some(target.all),
                Counted::Partial => target.partial,
                Counted::Moving => target.moving,
            };
            Some((Position::Target(at + 1), Calls::OneOfTree(call?)))
        })
    }
}

/// A hook, and the calls of a program through it.
#[derive(Debug, Clone)]
pub(super) struct HookCalls {
    pub(super) hook: Hook,
    pub(super) calls: ProcessCalls,
    pub(super) tree: TreeCalls,
}

impl HookCalls {
    /// Returns the positions of a fault that counts these calls.
    pub(super) fn positions(
        &self,
        counted: Counted,
        targets: Targets,
    ) -> impl Iterator<Item = (Position, Calls)> {
        self.calls.positions(counted).chain(self.tree.positions(counted, targets))
    }
}

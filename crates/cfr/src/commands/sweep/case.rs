//! The cases of a sweep.

use super::calls::{Calls, HookCalls, Targets};
use super::fault::{Fault, FaultName};
use super::positions::Position;
use crate::term::failure::printable;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use std::sync::Arc;

/// One fault at one position.
#[derive(Debug, Clone)]
pub(super) struct FaultAt {
    pub(super) fault: Fault,
    pub(super) hook: Hook,
    pub(super) position: Position,
    pub(super) calls: Calls,
    /// The target, if the position is one target.
    pub(super) target: Option<OneTarget>,
}

/// One target of several.
#[derive(Debug, Clone)]
pub(super) struct OneTarget {
    pub(super) path: Arc<str>,
    /// How many there are.
    pub(super) of: usize,
}

/// A case: a fault that is tried, after others.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The faults that made the program call the hook, in their order. They are kept.
    pub(super) kept: Vec<FaultAt>,
    pub(super) tried: FaultAt,
}

impl FaultAt {
    /// Returns the name by which the command line knows it.
    pub(super) fn id(&self) -> String {
        format!("{}@{}:{}", self.fault.name(), self.hook.name(), self.position.name())
    }

    /// Returns it as `--inject` takes it. The fault comes first, and then the short copies before it.
    fn expression(&self, signal: &str) -> String {
        let hook = self.hook.name();
        let fault = format!("{}:hook={hook}", self.fault.expression(signal));
        match self.calls {
            Calls::Every => fault,
            Calls::One(call) => format!("{fault}:when={call}"),
            Calls::OneOfTree(call) => format!("{fault}:per=tree:when={call}"),
            Calls::After { call, first, parts: 1 } => {
                format!("{fault}:when={call};short=33%:hook={hook}:when={first}")
            }
            Calls::After { call, first, parts } => {
                let last = first + parts - 1;
                format!("{fault}:when={call};short=50%:hook={hook}:when={first}..{last}")
            }
        }
    }

    fn describe(&self) -> String {
        let at = self.position.describe(self.hook);
        match &self.target {
            Some(OneTarget { path, .. }) => {
                format!("{} {at}, {}", self.fault.name(), printable(&**path))
            }
            None => format!("{} {at}", self.fault.name()),
        }
    }

    /// Reports whether the program must pass it if `--must-pass` has these names. After a part of a
    /// copy, a program may fail unless the same call can be repeated.
    fn must_pass(&self, names: &[FaultName]) -> bool {
        names.iter().any(|name| name.stands_for(&self.fault))
            && (!self.position.is_after_progress() || self.fault.can_be_repeated())
    }
}

/// The most faults of a case: two that are kept, and the one that is tried.
pub(super) const MAX_DEPTH: usize = 3;
/// The most expressions of a case's faults: each may have one of short copies before it.
pub(super) const MAX_EXPRESSIONS: usize = 2 * MAX_DEPTH;

/// Between the faults of a case's name.
pub(super) const THEN: char = '+';

impl Case {
    /// Returns all its faults, in their order.
    fn faults(&self) -> impl DoubleEndedIterator<Item = &FaultAt> {
        self.kept.iter().chain([&self.tried])
    }

    /// Returns the number of its faults.
    pub(super) fn depth(&self) -> usize {
        self.kept.len() + 1
    }

    /// Returns the name by which `--only` chooses the case.
    pub(super) fn id(&self) -> String {
        self.faults().map(FaultAt::id).collect::<Vec<_>>().join(&THEN.to_string())
    }

    /// Returns the case as `--inject` takes it. The fault that is tried comes first.
    pub(super) fn expression(&self, signal: &str) -> String {
        let faults = self.faults().rev().map(|fault| fault.expression(signal));
        faults.collect::<Vec<_>>().join(";")
    }

    /// Returns the case in words.
    pub(super) fn describe(&self) -> String {
        match self.after() {
            Some(after) => format!("{}, after {after}", self.tried.describe()),
            None => self.tried.describe(),
        }
    }

    /// Returns the faults that are kept, in words; `None` if there are none.
    pub(super) fn after(&self) -> Option<String> {
        let kept: Vec<_> = self.kept.iter().map(FaultAt::describe).collect();
        (!kept.is_empty()).then(|| kept.join(" and "))
    }

    /// Reports whether one of its faults comes after a part of a copy.
    pub(super) fn is_after_progress(&self) -> bool {
        self.faults().any(|fault| fault.position.is_after_progress())
    }

    /// Reports whether the program must pass the case: `--must-pass` has these names, and they stand for
    /// all its faults.
    pub(super) fn must_pass(&self, names: &[FaultName]) -> bool {
        self.faults().all(|fault| fault.must_pass(names))
    }

    /// Returns the faults to keep for the cases after this one.
    pub(super) fn to_keep(&self) -> Vec<FaultAt> {
        self.faults().cloned().collect()
    }
}

/// Returns all cases at these hooks, fault by fault. `kept` are the faults with which the hooks are
/// called.
pub(super) fn all(kept: &[FaultAt], used: &[HookCalls], wanted: &[FaultName]) -> Vec<Case> {
    let mut cases = Vec::new();
    for fault in rows(used, wanted) {
        for used in used.iter() {
            let faults = at(used.hook, wanted);
            if !faults.contains(&fault) {
                continue;
            }
            let for_all = for_all_targets(&faults) == Some(&fault);
            let targets = if for_all { Targets::All } else { Targets::Some };
            let positions = used.positions(fault.counted(), targets);
            let positions =
                positions.filter(|(position, _)| *position != Position::Every || fault.may_last());
            cases.extend(positions.map(|(position, calls)| {
                let target = match position {
                    Position::Target(number) => used.tree.target(number),
                    _ => None,
                };
                let of = used.tree.target_count();
                let target = target.map(|target| OneTarget { path: Arc::clone(&target.path), of });
                let (fault, hook) = (fault.clone(), used.hook);
                Case {
                    kept: kept.to_vec(),
                    tried: FaultAt { fault, hook, position, calls, target },
                }
            }));
        }
    }
    cases
}

/// Returns the faults to try at a hook.
fn at(hook: Hook, wanted: &[FaultName]) -> Vec<Fault> {
    wanted.iter().flat_map(|word| word.faults(hook)).collect()
}

/// Returns the fault that is tried at every target: EIO, after which a program has no other way, or else
/// the first error, or else the first fault.
fn for_all_targets(faults: &[Fault]) -> Option<&Fault> {
    let is_error = |fault: &&Fault| matches!(fault, Fault::Error(_));
    let eio = faults.iter().find(|fault| **fault == Fault::Error(Errno::EIO));
    eio.or_else(|| faults.iter().find(is_error)).or_else(|| faults.first())
}

/// Returns each fault once.
fn rows(used: &[HookCalls], wanted: &[FaultName]) -> Vec<Fault> {
    let mut rows = Vec::new();
    for fault in used.iter().flat_map(|used| at(used.hook, wanted)) {
        if !rows.contains(&fault) {
            rows.push(fault);
        }
    }
    // Errors come first, also if a later hook adds some.
    rows.sort_by_key(|fault| !matches!(fault, Fault::Error(_)));
    rows
}

//! The cases of a sweep.

use super::fault::{Fault, FaultName};
use super::positions::{HookCalls, Position};
use cfr_engine::hook::Hook;

/// A case: one fault at one call.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) fault: Fault,
    pub(super) hook: Hook,
    pub(super) position: Position,
    /// The number of the call, among those that the fault could hit, in each process; `None` for
    /// all.
    pub(super) call: Option<u64>,
}

impl Case {
    /// Returns the fault as `--inject` takes it.
    pub(super) fn expression(&self, signal: &str) -> String {
        let when = self.call.map(|call| format!(":when={call}")).unwrap_or_default();
        format!("{}:hook={}{when}", self.fault.expression(signal), self.hook.name())
    }
}

/// Returns all cases, fault by fault.
pub(super) fn all(used: &[HookCalls], wanted: &[FaultName]) -> Vec<Case> {
    let mut cases = Vec::new();
    for fault in rows(used, wanted) {
        for used in used.iter().filter(|used| at(used.hook, wanted).contains(&fault)) {
            let series = match fault {
                Fault::Error(_) => used.calls.all,
                Fault::Zero => used.calls.partial,
                Fault::Short(_) | Fault::Signal => used.calls.moving,
            };
            let positions = series
                .positions()
                .filter(|(position, _)| *position != Position::Every || fault.may_last());
            cases.extend(positions.map(|(position, call)| Case {
                fault: fault.clone(),
                hook: used.hook,
                position,
                call,
            }));
        }
    }
    cases
}

/// Returns the faults to try at a hook.
fn at(hook: Hook, wanted: &[FaultName]) -> Vec<Fault> {
    wanted.iter().flat_map(|word| word.faults(hook)).collect()
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

//! The points at which a fault is tried.

use super::fault::{Fault, Word};
use super::positions::{Position, Used};
use cfr_engine::hook::Hook;

/// One fault at one call.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) fault: Fault,
    pub(super) hook: Hook,
    pub(super) position: Position,
    /// The number of the call, of those that the fault could hit, in each process; `None` for all.
    pub(super) call: Option<u64>,
}

impl Point {
    /// As `--inject` takes it.
    pub(super) fn expression(&self, signal: &str) -> String {
        let when = self.call.map(|call| format!(":when={call}")).unwrap_or_default();
        format!("{}:hook={}{when}", self.fault.words(signal), self.hook.name())
    }
}

/// All points, fault by fault.
pub(super) fn all(used: &[Used], wanted: &[Word]) -> Vec<Point> {
    let mut points = Vec::new();
    for fault in rows(used, wanted) {
        for used in used.iter().filter(|used| at(used.hook, wanted).contains(&fault)) {
            let series = match fault {
                Fault::Error(_) => used.calls.all,
                Fault::Zero => used.calls.partial,
                Fault::Short(_) | Fault::Signal => used.calls.moving,
            };
            let positions = series.positions();
            let positions =
                positions.filter(|(position, _)| *position != Position::Every || fault.may_last());
            points.extend(positions.map(|(position, call)| Point {
                fault: fault.clone(),
                hook: used.hook,
                position,
                call,
            }));
        }
    }
    points
}

/// The faults of a hook.
fn at(hook: Hook, wanted: &[Word]) -> Vec<Fault> {
    wanted.iter().flat_map(|word| word.faults(hook)).collect()
}

/// Each fault once.
fn rows(used: &[Used], wanted: &[Word]) -> Vec<Fault> {
    let mut rows = Vec::new();
    for fault in used.iter().flat_map(|used| at(used.hook, wanted)) {
        if !rows.contains(&fault) {
            rows.push(fault);
        }
    }
    // What is no error stands last, however many hooks there are.
    rows.sort_by_key(|fault| !matches!(fault, Fault::Error(_)));
    rows
}

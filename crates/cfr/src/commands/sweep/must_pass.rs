//! `--must-pass`: a fault that was not tried, or that met no call, proves nothing.

use super::fault::{Fault, FaultName};
use super::outcome::Outcome;
use super::report::CaseReport;
use crate::term::failure::Failure;
use cfr_engine::hook::Hook;

/// The option with the faults that the program must pass.
pub(super) const MUST_PASS: &str = "--must-pass";

/// Fails if one of the names stands for no fault of `--faults`.
pub(super) fn check(names: &[FaultName], faults: &[FaultName]) -> Result<(), Failure> {
    let tried: Vec<Fault> =
        faults.iter().flat_map(|name| Hook::ALL.map(|hook| name.faults(hook))).flatten().collect();
    let is_tried = |name: &FaultName| tried.iter().any(|fault| name.stands_for(fault));
    match names.iter().find(|name| !is_tried(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(format!(
            "{MUST_PASS} {name}: --faults does not have this fault, so it is not tried"
        ))),
    }
}

/// Returns what is to be said of each name that the sweep has not tried.
pub(super) fn unproven(names: &[FaultName], cases: &[CaseReport]) -> Vec<String> {
    let unproven = names.iter().filter_map(|name| {
        let mut of_name = cases.iter().filter(|case| name.stands_for(&case.id.tried)).peekable();
        let why = if of_name.peek().is_none() {
            "no call of the program can have this result, so it was not tried"
        } else if of_name.all(|case| case.outcome == Outcome::Missed) {
            "the fault applied to no call"
        } else {
            return None;
        };
        Some(format!("{MUST_PASS} {name} proves nothing: {why}"))
    });
    unproven.collect()
}

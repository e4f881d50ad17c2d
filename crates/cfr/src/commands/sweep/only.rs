//! The cases of `--only`, by their names.

use super::baseline::{self, Baseline};
use super::case::{self, Case, THEN};
use super::fault::FaultName;
use super::positions::Position;
use super::runner::Runner;
use crate::term::failure::{Failure, printable};
use cfr_engine::hook::Hook;

/// A part of a name: a fault at a position.
struct Part<'a> {
    text: &'a str,
    fault: FaultName,
}

/// Finds a case by its name. For a fallback the program is run with the faults that are kept.
pub(super) fn find(
    name: &str,
    runner: &Runner,
    baseline: &Baseline,
    signal: &str,
) -> Result<Case, Failure> {
    let parts = name.split(THEN).map(|text| part(text).ok_or_else(|| invalid(name)));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let mut found: Option<Case> = None;
    for Part { text, fault } in parts {
        let cases = match &found {
            None => case::all(&[], &baseline.used, &[fault]),
            Some(before) => {
                let work_dir = runner.prepare_dir(baseline.limit)?;
                let faults = before.expression(signal);
                let (_, used) = baseline::record(runner, work_dir, &faults, baseline.limit)?;
                case::all(&before.to_keep(), &used, &[fault])
            }
        };
        let is_named = |case: &Case| case.tried.id() == text;
        found = Some(cases.into_iter().find(is_named).ok_or_else(|| {
            let (name, text) = (printable(name), printable(text));
            Failure::new(format!(
                "--only {name}: the program has no call for {text}; --list prints the cases"
            ))
        })?);
    }
    found.ok_or_else(|| invalid(name))
}

/// Parses `FAULT@HOOK:POSITION`.
fn part(text: &str) -> Option<Part<'_>> {
    let (fault, place) = text.split_once('@')?;
    let (hook, position) = place.split_once(':')?;
    let is_known =
        Hook::ALL.iter().any(|known| known.name() == hook) && Position::by_name(position).is_some();
    let fault = FaultName::by_name(fault).filter(FaultName::is_one)?;
    is_known.then_some(Part { text, fault })
}

fn invalid(name: &str) -> Failure {
    Failure::new(format!(
        "invalid value '{}' for --only: expected FAULT@HOOK:POSITION as in the report, e.g. \
         EIO@copy_file_range:first",
        printable(name)
    ))
}

//! Compares the counts with an expectation.

use super::expectation::{Expectation, Kind, Meaning};
use super::quantity::{OTHER_ERRORS, Quantity, error_name, in_unit};
use crate::run::blind_spot::{BlindSpot, STILL_RUN, interrupted};
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_shared::stats::{Counter, Stats};
use serde::Serialize;

/// The result of an expectation. Its keys in the results file are documented in cfr-expect(7) and
/// do not change.
#[derive(Serialize)]
pub(super) struct Verdict {
    /// The expectation as the user wrote it.
    pub(super) expression: String,
    pub(super) held: bool,
    /// The actual counts, as a sentence without a capital.
    pub(super) actual: String,
    /// The number that was compared.
    pub(super) number: Option<u64>,
}

/// Checks one expectation. If some calls could not be seen, only a lower bound can hold.
pub(super) fn verdict(
    expectation: &Expectation,
    stats: &Stats,
    blind_spot: Option<&BlindSpot>,
) -> Verdict {
    let (held, actual, number) = found(&expectation.meaning, stats);
    let unfinished = match stats.unfinished() {
        _ if expectation.is_about_ends() => 0,
        count => count,
    };
    let unseen = stats.get(Counter::Interrupted);
    let (held, actual) = match blind_spot {
        _ if expectation.is_about_otherwise() => match stats.written_otherwise() {
            // The kernel counts what a process has written when its parent has waited for it.
            Some(_)
                if held
                    && !expectation.is_lower_bound()
                    && blind_spot.is_some_and(|it| it.still_run) =>
            {
                (false, format!("{actual}; but {STILL_RUN}"))
            }
            // A copy that was not seen is a part of it.
            Some(_) => (held, actual),
            None => (false, NOT_COUNTED.to_owned()),
        },
        _ if held && unfinished > 0 && !expectation.is_lower_bound() => {
            let calls = if unfinished == 1 { "call" } else { "calls" };
            (false, format!("{actual}; but {unfinished} {calls} did not return"))
        }
        _ if held && !expectation.holds_with(unseen, stats) => {
            (false, format!("{actual}; but {}", interrupted(unseen)))
        }
        None => (held, actual),
        Some(blind_spot) if blind_spot.of_all => (false, blind_spot.why.clone()),
        Some(blind_spot) if blind_spot.is_possible => match held && expectation.needs_proof() {
            true => {
                (false, format!("{actual}; but calls may have been missed: {}", blind_spot.why))
            }
            false => (held, actual),
        },
        Some(blind_spot) if blind_spot.of_results && expectation.is_about_calls() => (held, actual),
        // More calls would not make it false.
        Some(_) if held && expectation.is_lower_bound() => (held, actual),
        Some(blind_spot) if blind_spot.of_results => {
            (false, format!("{actual}; but {}", blind_spot.why))
        }
        Some(blind_spot) => {
            (false, format!("{actual}; but some calls could not be seen: {}", blind_spot.why))
        }
    };
    Verdict { expression: expectation.expression.clone(), held, actual, number }
}

/// Said if the kernel has not counted what was written.
const NOT_COUNTED: &str = "what was written otherwise is not known: /proc/PID/io does not say it, or not of all \
                           processes";

/// Returns the verdict if the program was not run.
pub(super) fn not_run(expectation: &Expectation) -> Verdict {
    let actual = "the program was not run".to_owned();
    Verdict { expression: expectation.expression.clone(), held: false, actual, number: None }
}

fn found(meaning: &Meaning, stats: &Stats) -> (bool, String, Option<u64>) {
    match meaning {
        Meaning::Count(quantity, comparison, bound) => {
            let count = quantity.read(stats);
            (comparison.holds(count, *bound), quantity.sentence(count, stats), Some(count))
        }
        Meaning::Never(quantities) => {
            let counts: Vec<_> =
                quantities.iter().map(|quantity| (quantity, quantity.read(stats))).collect();
            let sum = counts.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
            let were = counts.iter().filter(|(_, count)| *count > 0);
            let none = counts.first().filter(|_| sum == 0);
            let sentence =
                were.chain(none).map(|(quantity, count)| quantity.sentence(*count, stats));
            (sum == 0, sentence.collect::<Vec<_>>().join(" and "), Some(sum))
        }
        Meaning::Only(kind, words) => {
            let (held, actual) = only(*kind, words, stats);
            (held, actual, None)
        }
    }
}

/// Reports whether there were some of these, and no others.
fn only(kind: Kind, words: &[Quantity], stats: &Stats) -> (bool, String) {
    let shares = shares(kind, stats);
    let names: Vec<_> = words.iter().map(|word| name(*word)).collect();
    let is_wanted = |share: &&(&str, u64)| names.contains(&share.0);
    let sum = |shares: &mut dyn Iterator<Item = &(&str, u64)>| {
        shares.fold(0, |sum: u64, (_, count)| sum.saturating_add(*count))
    };
    let wanted = sum(&mut shares.iter().filter(is_wanted));
    let all = sum(&mut shares.iter());
    // method=none holds if calls moved no byte by any method.
    let is_idle = kind == Kind::Method
        && names.contains(&Method::None.name())
        && stats.method_totals(Method::None).0 > 0;
    let held = wanted == all && (all > 0 || is_idle);
    (held, sentence(kind, &shares, &names))
}

/// Returns the bytes of each method, or the calls of each hook or error.
fn shares(kind: Kind, stats: &Stats) -> Vec<(&'static str, u64)> {
    match kind {
        Kind::Method => {
            let bytes = |method: Method| (method.name(), stats.method_totals(method).1);
            Method::ALL.into_iter().map(bytes).collect()
        }
        Kind::Hook => {
            let calls = |hook: Hook| (hook.name(), stats.hook_calls(hook));
            Hook::ALL.into_iter().map(calls).collect()
        }
        Kind::Error => {
            let errors = stats.errors();
            errors.map(|(errno, count)| (errno.map_or(OTHER_ERRORS, error_name), count)).collect()
        }
    }
}

/// Returns a sentence such as `300000 bytes (292.96 KiB) moved by kernel, none by reflink`.
fn sentence(kind: Kind, shares: &[(&str, u64)], names: &[&str]) -> String {
    let (one, many, verb, preposition, nothing) = match kind {
        Kind::Method => ("byte", "bytes", "moved", "by", "no byte moved"),
        Kind::Hook => ("call", "calls", "came", "through", "no call was answered"),
        Kind::Error => ("call", "calls", "failed", "with", "no call failed"),
    };
    let mut sentence = String::new();
    for (name, count) in shares.iter().filter(|(_, count)| *count > 0) {
        let noun = if *count == 1 { one } else { many };
        let unit = if kind == Kind::Method { in_unit(*count) } else { String::new() };
        if sentence.is_empty() {
            sentence = format!("{count} {noun}{unit} {verb} {preposition} {name}");
        } else {
            sentence.push_str(&format!(", {count}{unit} {preposition} {name}"));
        }
    }
    if sentence.is_empty() {
        return nothing.to_owned();
    }
    let is_there = |name: &str| shares.iter().any(|(found, count)| *found == name && *count > 0);
    for name in names.iter().filter(|name| !is_there(name)) {
        sentence.push_str(&format!(", none {preposition} {name}"));
    }
    sentence
}

fn name(word: Quantity) -> &'static str {
    match word {
        Quantity::Method(method) => method.name(),
        Quantity::Hook(hook) => hook.name(),
        Quantity::Error(errno) => error_name(errno),
        Quantity::Number(_) => "",
    }
}

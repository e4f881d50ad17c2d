//! Whether a claim holds.

use super::expectation::{Claim, Kind, Meaning};
use super::quantity::{OTHER_ERRORS, Quantity, error_name};
use crate::run::blind_spot::BlindSpot;
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_shared::stats::Stats;
use serde::Serialize;

/// What came of a claim. The keys of the witness file do not change: cfr(1) lists them.
#[derive(Serialize)]
pub(super) struct Verdict {
    /// As the user wrote it.
    pub(super) expression: String,
    /// Whether it holds.
    pub(super) held: bool,
    /// What was the case, as half a sentence.
    pub(super) actual: String,
    /// The number that was compared.
    pub(super) number: Option<u64>,
}

/// The verdict on one claim. What nobody could see proves nothing.
pub(super) fn verdict(claim: &Claim, stats: &Stats, blind_spot: Option<&BlindSpot>) -> Verdict {
    let (held, actual, number) = found(&claim.meaning, stats);
    let (held, actual) = match blind_spot {
        None => (held, actual),
        Some(blind_spot) if blind_spot.of_all => (false, blind_spot.why.clone()),
        // What was seen is enough.
        Some(_) if held && claim.is_lower_bound() => (held, actual),
        Some(blind_spot) => {
            (false, format!("{actual}, and not every call can be seen: {}", blind_spot.why))
        }
    };
    Verdict { expression: claim.expression.clone(), held, actual, number }
}

/// The verdict where nothing has run.
pub(super) fn not_run(claim: &Claim) -> Verdict {
    let actual = "the program was not run".to_owned();
    Verdict { expression: claim.expression.clone(), held: false, actual, number: None }
}

fn found(meaning: &Meaning, stats: &Stats) -> (bool, String, Option<u64>) {
    match meaning {
        Meaning::Count(quantity, comparison, bound) => {
            let count = quantity.read(stats);
            (comparison.holds(count, *bound), quantity.told(count, stats), Some(count))
        }
        Meaning::Never(quantities) => {
            let counts = quantities.iter().map(|quantity| (quantity, quantity.read(stats)));
            let counts: Vec<_> = counts.collect();
            let sum = counts.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
            let were = counts.iter().filter(|(_, count)| *count > 0);
            let none = counts.first().filter(|_| sum == 0);
            let told = were.chain(none).map(|(quantity, count)| quantity.told(*count, stats));
            (sum == 0, told.collect::<Vec<_>>().join(" and "), Some(sum))
        }
        Meaning::Only(kind, words) => {
            let (held, actual) = only(*kind, words, stats);
            (held, actual, None)
        }
    }
}

/// Whether there were some of these, and none besides.
fn only(kind: Kind, words: &[Quantity], stats: &Stats) -> (bool, String) {
    let shares = shares(kind, stats);
    let names: Vec<_> = words.iter().map(|word| name(*word)).collect();
    let is_wanted = |share: &&(&str, u64)| names.contains(&share.0);
    let sum = |shares: &mut dyn Iterator<Item = &(&str, u64)>| {
        shares.fold(0, |sum: u64, (_, count)| sum.saturating_add(*count))
    };
    let wanted = sum(&mut shares.iter().filter(is_wanted));
    let all = sum(&mut shares.iter());
    // Where nothing moved by any method there is a way to say so.
    let is_idle = kind == Kind::Method
        && names.contains(&Method::None.name())
        && stats.method_totals(Method::None).0 > 0;
    let held = wanted == all && (all > 0 || is_idle);
    (held, told(kind, &shares, &names))
}

/// Bytes by method, or calls by hook or error.
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

/// `300000 bytes moved by kernel, none by reflink`.
fn told(kind: Kind, shares: &[(&str, u64)], names: &[&str]) -> String {
    let (one, many, verb, preposition, nothing) = match kind {
        Kind::Method => ("byte", "bytes", "moved", "by", "no byte moved"),
        Kind::Hook => ("call", "calls", "came", "through", "no call was answered"),
        Kind::Error => ("call", "calls", "failed", "with", "no call failed"),
    };
    let mut told = String::new();
    for (name, count) in shares.iter().filter(|(_, count)| *count > 0) {
        let noun = if *count == 1 { one } else { many };
        told.push_str(&match told.is_empty() {
            true => format!("{count} {noun} {verb} {preposition} {name}"),
            false => format!(", {count} {preposition} {name}"),
        });
    }
    if told.is_empty() {
        return nothing.to_owned();
    }
    let is_there = |name: &str| shares.iter().any(|(found, count)| *found == name && *count > 0);
    for name in names.iter().filter(|name| !is_there(name)) {
        told.push_str(&format!(", none {preposition} {name}"));
    }
    told
}

fn name(word: Quantity) -> &'static str {
    match word {
        Quantity::Method(method) => method.name(),
        Quantity::Hook(hook) => hook.name(),
        Quantity::Error(errno) => error_name(errno),
        Quantity::Number(_) => "",
    }
}

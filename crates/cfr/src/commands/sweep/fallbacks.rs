//! Fallbacks: the hooks that a program calls only after a fault.

use super::case::{Case, MAX_DEPTH};
use super::outcome::Outcome;
use super::positions::Position;
use cfr_engine::hook::{Hook, Hooks};

/// The order in which cases are preferred: a fault that stays leads to most calls of the fallback.
const ORDER: [Position; 6] = [
    Position::Every,
    Position::First,
    Position::Second,
    Position::Last,
    Position::Middle,
    Position::End,
];

/// A case that was run, and the hooks that the program called in it.
pub(super) struct CaseHooks<'a> {
    pub(super) case: &'a Case,
    pub(super) outcome: Outcome,
    pub(super) hooks: Hooks,
}

/// Chooses the cases whose faults are kept for further ones: for each hook that is not among `known`,
/// one that hits the program before its first byte and one after a part of a copy. Returns them with
/// these hooks. The program passed them: with others it has given up.
pub(super) fn choose<'a>(known: Hooks, ran: &[CaseHooks<'a>]) -> Vec<(&'a Case, Hooks)> {
    let mut chosen: Vec<(&Case, Hooks)> = Vec::new();
    let new = Hook::ALL.into_iter().filter(|&hook| !known.contains(hook));
    for (hook, is_after_progress) in new.flat_map(|hook| [(hook, false), (hook, true)]) {
        let candidates = ran.iter().filter(|one| {
            one.outcome == Outcome::Passed
                && one.case.depth() < MAX_DEPTH
                && one.hooks.contains(hook)
                && one.case.is_after_progress() == is_after_progress
        });
        // The first of equals: the faults are in their order.
        let rank =
            |position| ORDER.iter().position(|&other| other == position).unwrap_or(ORDER.len());
        let Some(best) = candidates.min_by_key(|one| rank(one.case.tried.position)) else {
            continue;
        };
        match chosen.iter_mut().find(|(case, _)| std::ptr::eq(*case, best.case)) {
            Some((_, hooks)) => *hooks = hooks.with(hook),
            None => chosen.push((best.case, Hooks::NONE.with(hook))),
        }
    }
    chosen
}

//! How many of a program's targets were tried, where there were too many for each fault.

use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// What a case at one target says of all.
#[derive(Clone, Copy)]
pub(super) struct TargetCase<'a> {
    pub(super) hook: &'static str,
    /// The faults that are kept, in words.
    pub(super) after: Option<&'a str>,
    pub(super) fault: &'a str,
    /// The number of targets.
    pub(super) of: usize,
}

/// The targets of a hook, and how many of them the faults were tried at.
#[derive(Serialize)]
pub(super) struct TargetsTried {
    hook: &'static str,
    /// The faults that are kept, in words.
    after: Option<String>,
    targets: usize,
    /// The fault that was tried at most of them.
    fault: String,
    /// How many that fault was tried at.
    tried: usize,
    /// How many each other fault was tried at, at most; `None` if no other has cases for targets.
    tried_again: Option<usize>,
}

impl TargetsTried {
    /// Counts the cases of one hook. `None` if a fault was tried at all targets, and so was each other.
    fn of(cases: &[TargetCase]) -> Option<TargetsTried> {
        let first = cases.first()?;
        // A fault may have fewer targets: a copy of an empty file cannot be short.
        let mut counts: Vec<(usize, &str)> = Vec::new();
        for case in cases {
            match counts.iter_mut().find(|(_, fault)| *fault == case.fault) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, case.fault)),
            }
        }
        let &(tried, fault) = counts.iter().max_by_key(|(count, _)| *count)?;
        let others = counts.iter().filter(|(_, other)| *other != fault);
        let tried_again = others.map(|(count, _)| *count).max();
        let is_complete = tried >= first.of && tried_again.is_none_or(|count| count >= first.of);
        (!is_complete).then(|| TargetsTried {
            hook: first.hook,
            after: first.after.map(str::to_owned),
            targets: first.of,
            fault: fault.to_owned(),
            tried,
            tried_again,
        })
    }
}

/// Returns the hooks with more targets than each fault was tried at.
pub(super) fn find<'a>(cases: impl Iterator<Item = TargetCase<'a>>) -> Vec<TargetsTried> {
    let mut hooks: Vec<Vec<TargetCase>> = Vec::new();
    for case in cases {
        let is_same = |other: &TargetCase| (other.hook, other.after) == (case.hook, case.after);
        match hooks.iter_mut().find(|cases| cases.first().is_some_and(is_same)) {
            Some(cases) => cases.push(case),
            None => hooks.push(vec![case]),
        }
    }
    hooks.iter().filter_map(|cases| TargetsTried::of(cases)).collect()
}

impl Display for TargetsTried {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let TargetsTried { hook, after, targets, fault, tried, tried_again } = self;
        write!(f, "{tried} of {targets} targets of {hook} were tried with {fault}")?;
        if let Some(count) = tried_again {
            write!(f, ", {count} with each other fault")?;
        }
        match after {
            Some(after) => write!(f, ", after {after}"),
            None => Ok(()),
        }
    }
}

//! Faults that have changed no call: a test with them has tested nothing.

use crate::run::environment::CheckedSettings;
use crate::term::failure::printable;
use cfr_shared::stats::FaultCounts;

/// Describes the faults that have applied to no call. `profiles` are the profiles, and how many faults
/// each has added after the user's; of `calls` calls that were seen.
///
/// A profile is an environment, in which a program meets some of its faults only: it is named if it has
/// met none.
pub(crate) fn describe(
    checked: &CheckedSettings,
    profiles: &[(&str, usize)],
    counts: FaultCounts,
    calls: u64,
) -> Vec<String> {
    let of_profiles: usize = profiles.iter().map(|(_, count)| count).sum();
    let of_user = checked.faults.len().saturating_sub(of_profiles);
    let is_unmet = |index: &usize| counts.applied(*index) == 0;
    let mut found: Vec<_> = checked.faults.iter().enumerate().take(of_user).collect();
    found.retain(|(index, _)| is_unmet(index));
    let of_user_faults = found.into_iter().map(|(index, fault)| {
        let (number, fault) = (index + 1, printable(fault));
        let seen = seen(calls);
        match (counts.hit(index), counts.preempted(index)) {
            (0, _) => {
                let more = match counts.met(index) {
                    met if met >= calls => String::new(),
                    0 => ", none of which met its conditions".to_owned(),
                    met => format!(", {met} of which met its other conditions"),
                };
                format!("fault {number} ({fault}) met no call; {seen}{more}")
            }
            (_, preempted @ 1..) => format!(
                "fault {number} ({fault}) changed no call: a fault before it decided the result of {} \
                 that it met; {seen}",
                counted(preempted)
            ),
            (hit, 0) => format!(
                "fault {number} ({fault}) changed no call: {} that it met would not be shortened; {seen}",
                counted(hit)
            ),
        }
    });
    let mut first = of_user;
    let of_profiles = profiles.iter().filter_map(|(name, count)| {
        let mut all = first..first + count;
        first = all.end;
        let nothing = all.all(|index| is_unmet(&index));
        nothing.then(|| format!("no fault of the profile {name} met a call; {}", seen(calls)))
    });
    of_user_faults.chain(of_profiles).collect()
}

fn counted(calls: u64) -> String {
    if calls == 1 { "the call".to_owned() } else { format!("the {calls} calls") }
}

/// `3 calls were seen`.
pub(crate) fn seen(calls: u64) -> String {
    match calls {
        0 => "no call was seen".to_owned(),
        1 => "1 call was seen".to_owned(),
        calls => format!("{calls} calls were seen"),
    }
}

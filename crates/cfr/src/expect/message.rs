//! Messages about expectations. There are none if all hold.

use super::check::Verdict;
use super::{EXPECTATION_FAILED, RunResult};
use crate::run::child::ChildExit;
use crate::term::failure::{print_message, printable};
use cfr_shared::settings::Level;
use cfr_shared::stats::{RecentLine, Stats};
use signal_hook::low_level::signal_name;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;

/// The most calls that are shown.
const MAX_CALLS: usize = 40;

/// Prints which expectations did not hold, how the program ended, and its calls.
pub(super) fn outcome(verdicts: &[Verdict], ended: &ChildExit, result: &RunResult) {
    let program = result.program.file_name().unwrap_or(result.program.as_os_str());
    let program = printable(program);
    let failed: Vec<_> = verdicts.iter().filter(|verdict| !verdict.held).collect();
    if failed.is_empty() {
        if !verdicts.is_empty() && ended.exit.code() == Some(EXPECTATION_FAILED.into()) {
            print_message(format!(
                "all expectations hold; exit status {EXPECTATION_FAILED} is that of {program}"
            ));
        }
        return;
    }
    for verdict in &failed {
        print_message(format!(
            "expected {}, but {}",
            printable(&verdict.expression),
            verdict.actual
        ));
    }
    let how = match (ended.exit.code(), ended.exit.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => {
            let name = signal_name(signal).map(|name| format!(" ({name})"));
            format!("was killed by signal {signal}{}", name.unwrap_or_default())
        }
        (None, None) => "ended".to_owned(),
    };
    let (failed, all) = (failed.len(), verdicts.len());
    print_message(format!("{failed} of {all} expectations did not hold; {program} {how}"));
    calls(result);
}

/// Prints the calls, or where they are logged.
fn calls(result: &RunResult) {
    let RunResult { stats, checked, none_seen, blind_spot, .. } = result;
    if stats.finished() == 0 && stats.unfinished() == 0 {
        match (none_seen, blind_spot) {
            // The reason was printed already.
            (None, _) => {}
            (_, Some(known)) if !known.is_possible => {}
            (Some(none_seen), _) => print_message(none_seen),
        }
        return;
    }
    if checked.log >= Level::Info {
        return print_message(match checked.log_path() {
            Some(path) => format!("the calls are logged in {}", printable(path)),
            None => "the calls are logged above".to_owned(),
        });
    }
    let shown = latest(stats);
    let all = stats.line_count();
    match shown.len() as u64 {
        0 => return print_message("the calls were not recorded"),
        count if count < all => print_message(format!("the last {count} of {all} calls:")),
        _ => print_message("the calls:"),
    }
    for line in shown {
        let bytes = line.bytes().collect();
        print_message(printable(OsString::from_vec(bytes)));
    }
}

/// Returns the last lines, in the order in which the calls returned.
fn latest(stats: &Stats) -> Vec<RecentLine> {
    let mut latest: Vec<_> = stats.recent_lines().collect();
    latest.sort_by_key(|line| line.number);
    latest.split_off(latest.len().saturating_sub(MAX_CALLS))
}

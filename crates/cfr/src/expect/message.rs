//! What the user reads: nothing where all is as expected.

use super::check::Verdict;
use super::{EXPECTATION_FAILED, RunResult};
use crate::run::child::Ended;
use crate::term::failure::{plain, say};
use cfr_shared::settings::Level;
use cfr_shared::stats::{RecentLine, Stats};
use signal_hook::low_level::signal_name;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;

/// How many calls are shown.
const MOST_CALLS: usize = 40;

/// Says which expectations did not hold, how the program itself ended, and what it called.
pub(super) fn outcome(verdicts: &[Verdict], ended: &Ended, result: &RunResult) {
    let program = result.program.file_name().unwrap_or(result.program.as_os_str());
    let program = plain(program);
    let failed: Vec<_> = verdicts.iter().filter(|verdict| !verdict.held).collect();
    if failed.is_empty() {
        if !verdicts.is_empty() && ended.exit.code() == Some(EXPECTATION_FAILED.into()) {
            say(format!(
                "all is as expected; status {EXPECTATION_FAILED} is that of {program} itself"
            ));
        }
        return;
    }
    for verdict in &failed {
        say(format!("expected {}, but {}", plain(&verdict.expression), verdict.actual));
    }
    let how = match (ended.exit.code(), ended.exit.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => {
            let name = signal_name(signal).map(|name| format!(" ({name})"));
            format!("was ended by signal {signal}{}", name.unwrap_or_default())
        }
        (None, None) => "ended".to_owned(),
    };
    let (failed, all) = (failed.len(), verdicts.len());
    say(format!("{failed} of {all} expectations did not hold; {program} itself {how}"));
    calls(result);
}

/// Shows the calls, or says where they are.
fn calls(result: &RunResult) {
    let RunResult { stats, checked, no_call, blind_spot, .. } = result;
    if stats.finished() == 0 {
        match (no_call, blind_spot) {
            // It is said already.
            (_, Some(_)) | (None, _) => {}
            (Some(why), None) => say(format!("no copy was seen: {why}")),
        }
        return;
    }
    if checked.log >= Level::Info {
        return say(match checked.log_path() {
            Some(path) => format!("its calls are logged in {}", plain(path)),
            None => "its calls are logged above".to_owned(),
        });
    }
    let shown = latest(stats);
    let all = stats.line_count();
    match shown.len() as u64 {
        0 => return say("its calls could not be kept"),
        count if count < all => say(format!("its calls, the last {count} of {all} lines:")),
        _ => say("its calls:"),
    }
    for line in shown {
        let bytes = line.bytes().collect();
        say(plain(OsString::from_vec(bytes)));
    }
}

/// The last lines, in the order in which the calls returned.
fn latest(stats: &Stats) -> Vec<RecentLine> {
    let mut latest: Vec<_> = stats.recent_lines().collect();
    latest.sort_by_key(|line| line.number);
    latest.split_off(latest.len().saturating_sub(MOST_CALLS))
}

//! After the program: the summary, what was not seen, and the verdict on the expectations.

use super::Mode;
use super::execute::Finished;
use super::prepare::Prepared;
use crate::expect::{EXPECTATION_FAILED, Expectations, RunResult};
use crate::program::starters;
use crate::run::blind_spot::{self, Watch};
use crate::run::environment::{CheckedSettings, SummaryOutput};
use crate::run::shared_stats::{SeenCounts, SharedStats};
use crate::run::summary;
use crate::run::unmet_faults;
use crate::term::failure::{Failure, print_message, printable};
use cfr_shared::format::Format;
use cfr_shared::settings::Level;
use cfr_shared::stats::Counter;

/// Tells what was seen of a program that has ended, and what was not. Returns its exit status, or 123 if an
/// expectation does not hold.
pub(super) fn tell(
    prepared: &Prepared,
    finished: Finished,
    shared: SharedStats,
    mode: &Mode,
    expected: &mut Expectations,
) -> Result<u8, Failure> {
    let Prepared { path, checked, has_summary, .. } = prepared;
    let has_summary = *has_summary;
    let Finished { ended, info, supervisor, has_ended } = finished;
    let stats = *shared.stats();
    if let Some(bytes) = ended.written {
        stats.set_written(bytes);
    }
    let counts_lines = shared.are_own() && !has_summary;
    let seen = shared.close();
    let hides = starters::hides(&prepared.command);
    let supervisor = supervisor.map(drop);
    let watch = Watch { visibility: &prepared.visibility, hides, supervisor, has_ended };
    let blind_spot = blind_spot::blind_spot(seen, &watch, checked, path);
    let lacks = blind_spot::lacking(seen, checked);
    let unseen = lacks.as_deref().or(blind_spot.as_ref().map(|it| it.why.as_str()));
    let written = summary::write(checked, &stats, path, &info, (ended.pid, unseen));
    let none_seen = blind_spot::if_none_seen(seen, &watch, checked.log, checked.hooks, path);
    // A process that changes its user, capabilities or namespace can write the log and may be
    // unable to open the counters.
    let says_if_none = mode.says_if_none || has_summary || !checked.faults.is_empty();
    if says_if_none
        && !checked.log_has_grown()
        && written.is_ok()
        && let Some(none_seen) = &none_seen
    {
        print_message(none_seen);
    }
    match (&lacks, blind_spot::may_lack(seen, blind_spot.as_ref())) {
        (Some(why), _) if has_summary => print_message(format!("the summary lacks calls: {why}")),
        // As JSON it is in the summary itself.
        (None, Some(why)) if has_summary && checked.format == Format::Text => {
            print_message(format!("the summary may lack calls: {why}"));
        }
        _ => {}
    }
    let lost = stats.get(Counter::LinesLost);
    explain_log(checked, seen, prepared.names_log, lost, counts_lines);
    if let Some(counts) = stats.faults() {
        let unmet = unmet_faults::describe(checked, &prepared.fault_counts, counts, seen.calls);
        unmet.iter().for_each(print_message);
    }
    let result = RunResult {
        stats: &stats,
        program: path,
        info: &info,
        blind_spot,
        none_seen: none_seen.as_deref().filter(|_| !says_if_none),
        checked,
        error: written.as_ref().err(),
    };
    let has_held = expected.verify(&ended, &result)?;
    written?;
    // If Ctrl-C or Ctrl-\ ended the program, the launcher ends here.
    let status = ended.status();
    Ok(if has_held { status } else { EXPECTATION_FAILED })
}

/// Says what the log lacks, and why. The number of `lost` lines is said if `says_lost`: if no summary has
/// it. `names_log` is whether the log was named by option.
fn explain_log(
    checked: &CheckedSettings,
    seen: SeenCounts,
    names_log: bool,
    lost: u64,
    says_lost: bool,
) {
    if lost > 0 && says_lost {
        let (lines, were) = if lost == 1 { ("line", "was") } else { ("lines", "were") };
        print_message(format!("{lost} {lines} of the log {were} lost"));
    }
    if let Some(path) = checked.one_log_file()
        && seen.calls > 0
        && lost == 0
        && checked.log >= Level::Info
        && !checked.log_has_grown()
    {
        print_message(format!(
            "no line is in {}: the calls were logged elsewhere, as by a cfr below this one with a log of its \
             own",
            printable(path)
        ));
    }
    // With strace -c, -o names the file of the summary.
    let is_for_summary = names_log && matches!(checked.summary, SummaryOutput::StandardError);
    if is_for_summary && checked.log == Level::Error {
        print_message(
            "-o names the file of the log, which has errors only; for the summary: --summary=FILE",
        );
    }
}

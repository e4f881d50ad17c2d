//! Before the program: what the command line asks for is checked, and what will see its calls is chosen.

use super::Mode;
use crate::cli::LaunchArgs;
use crate::expect::Expectations;
use crate::program::library::{self, Library};
use crate::program::locate::{self, Visibility};
use crate::run::blind_spot;
use crate::run::environment::{self, CheckedSettings, SummaryOutput};
use crate::run::profile;
use crate::run::reach::{self, Need, Plan};
use crate::run::shared_stats::SharedStats;
use crate::term::failure::{Failure, print_message};
use crate::term::status_line;
use cfr_shared::settings::Level;
use cfr_shared::stats::Collect;
use std::ffi::OsString;
use std::path::PathBuf;

/// A program that can be run.
pub(super) struct Prepared {
    /// The program as the user named it, and its arguments.
    pub(super) command: Vec<OsString>,
    /// The file of the program.
    pub(super) path: PathBuf,
    /// Whether a preload can see its copies.
    pub(super) visibility: Visibility,
    pub(super) library: Library,
    pub(super) checked: CheckedSettings,
    /// The profiles, and how many faults each has added.
    pub(super) fault_counts: Vec<(&'static str, usize)>,
    /// Whether the log was named by option.
    pub(super) names_log: bool,
    pub(super) has_summary: bool,
    /// Whether what was seen is told at the end.
    pub(super) reports: bool,
    pub(super) waits_for_all: bool,
    /// What is counted.
    pub(super) wanted: Collect,
}

/// Checks everything before the program runs. Returns the plan of the supervisor too.
pub(super) fn prepare(
    args: LaunchArgs,
    mode: &Mode,
    expected: &mut Expectations,
) -> Result<(Prepared, Plan), Failure> {
    let name =
        args.program.first().ok_or_else(|| Failure::new("no program given; see cfr --help"))?;
    let settings = profile::add_to(args.settings, &args.profiles)?;
    let names_log =
        settings.variables.iter().any(|&(variable, _)| variable == environment::LOG_FILE);
    let checked = environment::check(settings.variables, mode.level)?;
    expected.check(&checked)?;
    let library = library::find()?;
    let path = locate::find(name)?;
    let executable = locate::follow(&path);
    let visibility = locate::visibility(&executable);
    let need = Need {
        program: &path,
        is_unseen: visibility != Visibility::Seen,
        gains_privileges: locate::privileged(&executable.file).is_some(),
        wants_proof: expected.want_proof(),
        hooks: checked.hooks,
        forwards_to_next: checked.forwards_to_next,
    };
    let plan = reach::plan(args.reach, need)?;
    if let Some(why) = blind_spot::unseen(&visibility, plan.as_ref().err()) {
        print_message(format!("{why}; its copies will not be seen"));
    }
    let has_summary = !matches!(checked.summary, SummaryOutput::None);
    let reports = has_summary || expected.is_wanted();
    let wanted = [
        (reports, Collect::SUMMARY),
        (has_summary || expected.has_results_file(), Collect::FILES),
        (expected.is_any() && checked.log < Level::Info, Collect::LINES),
        (args.progress && status_line::is_watched(), Collect::PROGRESS),
        (!checked.faults.is_empty(), Collect::FAULTS),
        (reports || checked.log >= Level::Warn, Collect::IN_FLIGHT),
    ]
    .into_iter()
    .filter(|(is_wanted, _)| *is_wanted)
    .fold(Collect::NOTHING, |all, (_, one)| all.union(one));
    let prepared = Prepared {
        command: args.program,
        path,
        visibility,
        library,
        checked,
        fault_counts: settings.fault_counts,
        names_log,
        has_summary,
        reports,
        waits_for_all: args.waits_for_all,
        wanted,
    };
    Ok((prepared, plan))
}

impl Prepared {
    /// Makes the stats that the program's processes share with the launcher; `None` if there is no need for
    /// them, or a trace runs without.
    pub(super) fn share_stats(
        &self,
        mode: &Mode,
        is_supervised: bool,
    ) -> Result<Option<SharedStats>, Failure> {
        if !mode.says_if_none && self.wanted == Collect::NOTHING && !is_supervised {
            return Ok(None);
        }
        let has_lines = self.checked.shared_log.is_some();
        match SharedStats::new(self.wanted, self.checked.forwards_to_next, has_lines) {
            // A trace has its log even without the counters.
            Err(failure) if matches!(self.wanted, Collect::NOTHING | Collect::IN_FLIGHT) => {
                if mode.says_if_none {
                    failure.print();
                }
                Ok(None)
            }
            made => made.map(Some),
        }
    }
}

//! Launches a program with the library in it, for `cfr trace` and `cfr run`: from the settings to
//! the exit status.

use crate::cli::LaunchArgs;
use crate::expect::{EXPECTATION_FAILED, Expectations, RunResult};
use crate::program::library;
use crate::program::locate::{self, Visibility};
use crate::run::blind_spot::{blind_spot, no_call_reason};
use crate::run::child;
use crate::run::environment::{self, SummaryOutput};
use crate::run::preload;
use crate::run::profile;
use crate::run::progress::ProgressThread;
use crate::run::shared_stats::SharedStats;
use crate::run::summary;
use crate::term::failure::{Failure, print_message};
use crate::term::status_line;
use crate::term::whole_file::must_differ;
use cfr_shared::settings::Level;
use cfr_shared::stats::Collect;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// How the commands differ.
pub(crate) struct Mode {
    /// The log level if the user sets none.
    pub(crate) level: &'static str,
    /// Whether to print the reason if no call was seen.
    pub(crate) explains_silence: bool,
}

/// Runs the program to its end. Returns its exit status, or 123 if an expectation does not hold.
pub(crate) fn run(args: LaunchArgs, mode: &Mode) -> Result<u8, Failure> {
    // Before the results file is opened, which removes an old one.
    if let Some(results) = &args.results {
        for (name, path) in environment::files(&args.settings) {
            must_differ((&name, &path), ("--results", results))?;
        }
    }
    let mut expected =
        Expectations::new(&args.expectations, args.results.as_deref(), &args.program)?;
    let status = run_expecting(args, mode, &mut expected);
    if let Err(failure) = &status
        && let Err(also) = expected.give_up(failure)
    {
        also.print();
    }
    status
}

fn run_expecting(
    args: LaunchArgs,
    mode: &Mode,
    expected: &mut Expectations,
) -> Result<u8, Failure> {
    let (name, arguments) = args
        .program
        .split_first()
        .ok_or_else(|| Failure::new("no program given; see cfr --help"))?;
    let settings = profile::add_to(args.settings, &args.profiles)?;
    let checked = environment::check(settings, mode.level)?;
    expected.check(&checked)?;
    let library = library::find()?;
    let path = locate::find(name)?;
    let visibility = locate::visibility(&locate::follow(&path));
    if let Visibility::Unseen(why) | Visibility::Bypassed(why) = &visibility {
        print_message(format!("{why}; its copies will not be seen"));
    }

    let has_summary = !matches!(checked.summary, SummaryOutput::None);
    let wanted = [
        (has_summary || expected.is_wanted(), Collect::SUMMARY),
        (expected.is_any() && checked.log < Level::Info, Collect::LINES),
        (args.progress && status_line::is_watched(), Collect::PROGRESS),
    ]
    .into_iter()
    .filter(|(is_wanted, _)| *is_wanted)
    .fold(Collect::NOTHING, |all, (_, one)| all.union(one));
    let is_needed = mode.explains_silence || wanted != Collect::NOTHING;
    let stats = match is_needed.then(|| SharedStats::new(wanted)).transpose() {
        // A trace has its log even without the counters.
        Err(failure) if wanted == Collect::NOTHING => {
            failure.print();
            None
        }
        created => created?,
    };
    let mut command = Command::new(&path);
    command.arg0(name).args(arguments);
    preload::prepare(&mut command, &library, &checked.variables, stats.as_ref());
    let progress = stats
        .as_ref()
        .filter(|_| wanted.contains(Collect::PROGRESS))
        .map(|stats| ProgressThread::new(*stats.stats()));
    let ended = child::run(command)?;
    drop(progress);
    let Some(shared) = stats else { return Ok(ended.status()) };
    let stats = *shared.stats();
    let written = summary::write(&checked, &stats, &path, ended.pid);
    let seen = shared.close();
    let no_call = no_call_reason(seen, &visibility, checked.log, checked.hooks, &path);
    // A process that changes its user, capabilities or namespace can write the log and may be
    // unable to open the counters.
    if (mode.explains_silence || has_summary)
        && !checked.log_has_grown()
        && written.is_ok()
        && let Some(why) = &no_call
    {
        print_message(format!("no copy was seen: {why}"));
    }
    let result = RunResult {
        stats: &stats,
        program: &path,
        blind_spot: blind_spot(seen, &visibility, &checked, &path),
        no_call: no_call.as_deref().filter(|_| !mode.explains_silence && !has_summary),
        checked: &checked,
        error: written.as_ref().err(),
    };
    let has_held = expected.verify(&ended, &result)?;
    written?;
    // If Ctrl-C ended the program, the launcher ends here.
    let status = ended.status();
    Ok(if has_held { status } else { EXPECTATION_FAILED })
}

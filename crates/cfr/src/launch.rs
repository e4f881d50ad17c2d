//! Launches a program with the library in it, for `cfr trace` and `cfr run`: from the settings to
//! the exit status.

use crate::cli::LaunchArgs;
use crate::expect::{EXPECTATION_FAILED, Expectations, RunResult};
use crate::program::library;
use crate::program::locate::{self, Visibility};
use crate::program::starters;
use crate::run::blind_spot::{self, Watch};
use crate::run::child;
use crate::run::environment::{self, CheckedSettings, SummaryOutput};
use crate::run::line_reader::LineReader;
use crate::run::preload;
use crate::run::profile;
use crate::run::progress::ProgressThread;
use crate::run::reach::{self, Need};
use crate::run::shared_stats::{SeenCounts, SharedStats};
use crate::run::start::Shortage;
use crate::run::summary::{self, RunInfo};
use crate::run::terminal_signals::TerminalSignals;
use crate::run::unfinished::UnfinishedCalls;
use crate::run::unmet_faults;
use crate::term::failure::{Failure, print_message, printable};
use crate::term::status_line;
use crate::term::whole_file::{are_one, must_differ};
use cfr_shared::format::Format;
use cfr_shared::settings::Level;
use cfr_shared::stats::{Collect, Counter};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How the commands differ.
pub(crate) struct Mode {
    /// The log level if the user sets none.
    pub(crate) level: &'static str,
    /// Whether to print the reason if no call was seen.
    pub(crate) says_if_none: bool,
}

/// How long processes may take to end after the program.
const GRACE: Duration = Duration::from_millis(200);

/// Runs the program to its end. Returns its exit status, or 123 if an expectation does not hold.
pub(crate) fn run(args: LaunchArgs, mode: &Mode) -> Result<u8, Failure> {
    // Before the results file is opened, which removes an old one.
    must_not_be_replaced(&args)?;
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

/// Fails if the results file is another output or an argument of the program, and warns if another output
/// is one: the lines and the summary are appended.
fn must_not_be_replaced(args: &LaunchArgs) -> Result<(), Failure> {
    let outputs = environment::files(&args.settings);
    let arguments: Vec<_> = args.program.iter().skip(1).map(Path::new).collect();
    if let Some(results) = &args.results {
        for (name, path) in &outputs {
            must_differ((name, path), ("--results", results))?;
        }
        for argument in &arguments {
            must_differ(("an argument of the program", argument), ("--results", results))?;
        }
    }
    for (name, path) in &outputs {
        if let Some(argument) = arguments.iter().find(|argument| are_one(argument, path)) {
            let argument = printable(argument);
            print_message(format!(
                "{argument} is an argument of the program and the file of {name}, which adds to it"
            ));
        }
    }
    Ok(())
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
    let has_output =
        settings.variables.iter().any(|&(variable, _)| variable == environment::LOG_FILE);
    let checked = environment::check(settings.variables, mode.level)?;
    expected.check(&checked)?;
    let library = library::find()?;
    let path = locate::find(name)?;
    let executable = locate::follow(&path);
    let visibility = locate::visibility(&executable);
    let is_unseen = visibility != Visibility::Seen;
    let need = Need {
        program: &path,
        is_unseen,
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
    let wanted = [
        (has_summary || expected.is_wanted(), Collect::SUMMARY),
        (has_summary || expected.has_results_file(), Collect::FILES),
        (expected.is_any() && checked.log < Level::Info, Collect::LINES),
        (args.progress && status_line::is_watched(), Collect::PROGRESS),
        (!checked.faults.is_empty(), Collect::FAULTS),
        (has_summary || expected.is_wanted() || checked.log >= Level::Warn, Collect::IN_FLIGHT),
    ]
    .into_iter()
    .filter(|(is_wanted, _)| *is_wanted)
    .fold(Collect::NOTHING, |all, (_, one)| all.union(one));
    let is_needed = mode.says_if_none || wanted != Collect::NOTHING || plan.is_ok();
    let shared_log = checked.shared_log.as_ref();
    let is_made =
        is_needed.then(|| SharedStats::new(wanted, checked.forwards_to_next, shared_log.is_some()));
    let stats = match is_made.transpose() {
        // A trace has its log even without the counters.
        Err(failure) if matches!(wanted, Collect::NOTHING | Collect::IN_FLIGHT) => {
            if mode.says_if_none {
                failure.print();
            }
            None
        }
        created => created?,
    };
    // Before there are other threads: each would take them.
    let terminal = TerminalSignals::block(&path);
    let mut progress = stats
        .as_ref()
        .filter(|_| wanted.contains(Collect::PROGRESS))
        .map(|stats| ProgressThread::new(*stats.stats()));
    let mut lines = stats
        .as_ref()
        .zip(shared_log)
        .and_then(|(stats, log)| LineReader::start(stats, &checked.variables, log));
    let mut unfinished = stats.as_ref().filter(|stats| stats.are_own()).and_then(|stats| {
        let written = lines.as_ref().and_then(LineReader::written);
        UnfinishedCalls::watch(*stats.stats(), &checked.variables, written)
    });
    let command = || {
        let mut command = Command::new(&path);
        command.arg0(name).args(arguments);
        preload::prepare(&mut command, &library, &checked.variables, stats.as_ref());
        command
    };
    let shared = stats.as_ref().map(|stats| *stats.stats());
    let mut info = RunInfo::begin(&args.program);
    if let Some(own) = stats.as_ref().filter(|stats| stats.are_own()) {
        info.note_in(own.stats());
    }
    let mut make_room = || {
        let threads = (progress.take(), unfinished.take(), lines.take());
        let were_any = !matches!(threads, (None, None, None));
        if let Some(unfinished) = threads.1 {
            unfinished.finish(false);
        }
        were_any
    };
    let reports = has_summary || expected.is_wanted();
    let shortage = Shortage { make_room: &mut make_room, may_replace: !reports };
    let (ended, supervisor) =
        child::run(command, plan, shared, terminal, args.waits_for_all, shortage)?;
    info.end();
    let has_ended = match &supervisor {
        Ok(supervisor) => supervisor.wait(if args.waits_for_all { None } else { Some(GRACE) }),
        Err(_) => {
            if args.waits_for_all {
                child::wait_for_orphans();
            }
            true
        }
    };
    drop(progress);
    let all_ended = supervisor.is_ok() && has_ended;
    let missing = unfinished.map_or(0, |unfinished| unfinished.finish(all_ended));
    match lines {
        // The supervisor reads on: a process that has changed its user may be unable to open the log.
        Some(lines) if supervisor.is_ok() && !has_ended => lines.hand_on(),
        Some(lines) => lines.finish(missing),
        None => {}
    }
    let Some(shared) = stats else { return Ok(ended.status()) };
    let stats = *shared.stats();
    if let Some(bytes) = ended.written {
        stats.set_written(bytes);
    }
    let counts_lines = shared.are_own() && !has_summary;
    let seen = shared.close();
    let hides = starters::hides(&args.program);
    let supervisor = supervisor.map(drop);
    let watch = Watch { visibility: &visibility, hides, supervisor, has_ended };
    let blind_spot = blind_spot::blind_spot(seen, &watch, &checked, &path);
    let lacks = blind_spot::lacking(seen, &checked);
    let unseen = lacks.as_deref().or(blind_spot.as_ref().map(|it| it.why.as_str()));
    let written = summary::write(&checked, &stats, &path, &info, (ended.pid, unseen));
    let none_seen = blind_spot::if_none_seen(seen, &watch, checked.log, checked.hooks, &path);
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
    explain_log(&checked, seen, has_output, lost, counts_lines);
    if let Some(counts) = stats.faults() {
        let unmet = unmet_faults::describe(&checked, &settings.fault_counts, counts, seen.calls);
        unmet.iter().for_each(print_message);
    }
    let result = RunResult {
        stats: &stats,
        program: &path,
        info: &info,
        blind_spot,
        none_seen: none_seen.as_deref().filter(|_| !says_if_none),
        checked: &checked,
        error: written.as_ref().err(),
    };
    let has_held = expected.verify(&ended, &result)?;
    written?;
    // If Ctrl-C or Ctrl-\ ended the program, the launcher ends here.
    let status = ended.status();
    Ok(if has_held { status } else { EXPECTATION_FAILED })
}

/// Says what the log lacks, and why. The number of `lost` lines is said if `says_lost`: if no summary has
/// it. `has_output` is whether the log was named by option.
fn explain_log(
    checked: &CheckedSettings,
    seen: SeenCounts,
    has_output: bool,
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
    let is_for_summary = has_output && matches!(checked.summary, SummaryOutput::StandardError);
    if is_for_summary && checked.log == Level::Error {
        print_message(
            "-o names the file of the log, which has errors only; for the summary: --summary=FILE",
        );
    }
}

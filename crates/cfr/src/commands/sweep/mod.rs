//! `cfr sweep`: runs the program once for each fault that can apply to its copies.
//!
//! A file uses only files above it in this list.

mod positions;

mod calls;

mod fault;

mod live_runs;

mod process;

mod work_dir;

mod check_files;

mod runner;

mod baseline;

mod case;

mod outcome;

mod fallbacks;

mod pool;

mod only;

mod targets_tried;

mod report;

mod must_pass;

mod waves;

mod matrix;

mod report_text;

mod report_junit;

mod page;

use crate::cli::{ReportFormat, SweepArgs};
use crate::html::earlier;
use crate::run::environment;
use crate::run::profile;
use crate::run::shared_stats;
use crate::term::failure::{FAILED, Failure, describe, print_message, printable};
use crate::term::inherited::is_ignored;
use crate::term::json;
use crate::term::stdout;
use crate::term::whole_file::{WholeFile, must_differ};
use crate::term::width;
use baseline::Baseline;
use check_files::common_target;
use fault::FaultName;
use report::{BaselineReport, CaseId};
use runner::Runner;
use serde::Serialize;
use signal_hook::consts::signal::SIGCHLD;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::path::Path;
use std::sync::Arc;
use waves::Names;

/// The exit status if a case is bad.
const BAD: u8 = 1;

/// Runs all cases and reports. Returns 0 if none is bad.
pub(crate) fn run(args: &SweepArgs) -> Result<u8, Failure> {
    live_runs::end_early()?;
    handle_inherited_signals()?;
    needs_fresh(args)?;
    may_be_parallel(args)?;
    let settings = profile::add_to(args.settings.clone(), &args.profiles)?.variables;
    let hooks = environment::check_rules(&settings)?;
    let faults = fault_names("--faults", &args.faults)?;
    let must_pass = fault_names(must_pass::MUST_PASS, &args.must_pass)?;
    if args.only.is_empty() {
        must_pass::check(&must_pass, &faults)?;
    }
    let signal = signal(&args.signal)?;
    let is_reported = |_: &&Path| !args.list;
    if !args.list {
        must_all_differ(args)?;
    }
    let json_file = file(args.json.as_deref().filter(is_reported))?;
    let junit_file = file(args.junit.as_deref().filter(is_reported))?;
    let page = args.html.as_deref().filter(is_reported);
    page.map_or(Ok(()), earlier::check)?;
    let page_file = file(page)?;
    let mut runner = Runner::new(args, settings)?;
    runner.has_room_for(case::MAX_EXPRESSIONS)?;
    let baseline = baseline::run(&mut runner, args.timeout, hooks)?;
    let only = args.only.iter().map(|name| only::find(name, &runner, &baseline, signal.0));
    let cases = match args.only.is_empty() {
        true => case::all(&[], &baseline.used, &faults),
        false => only.collect::<Result<_, _>>()?,
    };
    if cases.is_empty() {
        return Err(Failure::new("no fault of --faults can hit a call of the program"));
    }
    if args.list {
        let ids: Vec<_> = cases.iter().map(|case| CaseId::new(case, signal.0, args)).collect();
        return list(&ids, &baseline, args);
    }
    let names = Names { faults, must_pass, signal };
    let report = waves::run(&runner, args, &baseline, cases, &names)?;
    if let Some(file) = &json_file {
        write(file, &json::to_line(&report)?)?;
    }
    if let Some(file) = &junit_file {
        write(file, &report_junit::render(&report)?)?;
    }
    if let Some(file) = &page_file {
        write(file, &page::render(&report)?)?;
    }
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::render(&report, width::of_stdout()),
        ReportFormat::Json => json::to_line(&report)?,
    })?;
    if let Some(signal) = live_runs::interrupted() {
        // A shell breaks a loop only if it sees that signal.
        let _ = emulate_default_handler(signal);
    }
    let unproven = match args.only.is_empty() {
        true => must_pass::unproven(&names.must_pass, &report.cases),
        false => Vec::new(),
    };
    unproven.iter().for_each(print_message);
    Ok(match (report.bad, unproven.is_empty()) {
        (0, true) => 0,
        (0, false) => FAILED,
        _ => BAD,
    })
}

/// Fails if an option needs `--fresh`, which is not given.
fn needs_fresh(args: &SweepArgs) -> Result<(), Failure> {
    let needs = [
        (args.jobs.is_some(), "-j", "the runs are in one directory, one after another"),
        (args.keep, "--keep", "a run has no directory of its own that could be kept"),
        (args.from.is_some(), "--from", "a run has no new directory to copy the files into"),
    ];
    let missing = needs.into_iter().find(|&(is_given, ..)| is_given && !args.fresh);
    missing.map_or(Ok(()), |(_, option, why)| {
        Err(Failure::new(format!("{option} needs --fresh: without it {why}")))
    })
}

/// Fails if `-j` asks for several runs at a time and they have a target in common.
fn may_be_parallel(args: &SweepArgs) -> Result<(), Failure> {
    let target = args.jobs.filter(|&jobs| jobs > 1).and(common_target(&args.check_files));
    target.map_or(Ok(()), |target| {
        Err(Failure::new(format!(
            "invalid value for -j: expected 1, because all runs have {} in common (--check-files)",
            printable(target)
        )))
    })
}

/// Parses the names of faults.
fn fault_names(option: &str, names: &[String]) -> Result<Vec<FaultName>, Failure> {
    let word = |name: &String| {
        FaultName::by_name(name).ok_or_else(|| {
            Failure::new(format!(
                "invalid value '{}' for {option}: expected one or more of short, short=BYTES, short=N% \
                 (1 to 99), zero, signal, all, default and the names of errors such as EIO, with commas \
                 between them",
                printable(name)
            ))
        })
    };
    names.iter().map(word).collect()
}

/// Parses the name of a signal, with or without SIG. Returns its name and its number.
fn signal(word: &str) -> Result<(&'static str, i32), Failure> {
    let bare = word.strip_prefix("SIG").unwrap_or(word);
    let named = |number| {
        let name = signal_hook::low_level::signal_name(number)?;
        (name.strip_prefix("SIG") == Some(bare)).then_some((name, number))
    };
    (1..=31).find_map(named).ok_or_else(|| {
        let word = printable(word);
        Failure::new(format!(
            "invalid value '{word}' for --signal: expected a name of signal(7) such as SIGURG"
        ))
    })
}

/// Prints the cases for `--list`.
fn list(ids: &[CaseId], baseline: &Baseline, args: &SweepArgs) -> Result<u8, Failure> {
    #[derive(Serialize)]
    struct List<'a> {
        baseline: BaselineReport,
        cases: &'a [CaseId],
    }
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::list(ids, width::of_stdout()),
        ReportFormat::Json => {
            json::to_line(&List { baseline: BaselineReport::new(baseline), cases: ids })?
        }
    })
}

/// Handles SIGXFSZ, and SIGCHLD if the launcher inherited it ignored: it could not wait for
/// processes then (wait(2)).
fn handle_inherited_signals() -> Result<(), Failure> {
    let handled = shared_stats::ignore_size_limit_signal().and_then(|()| {
        if is_ignored(SIGCHLD) {
            signal_hook::flag::register(SIGCHLD, Arc::default())?;
        }
        Ok(())
    });
    handled.map_err(|error| Failure::new(format!("cannot watch for signals: {}", describe(&error))))
}

/// Refuses one file for two reports.
fn must_all_differ(args: &SweepArgs) -> Result<(), Failure> {
    let files = [("--json", &args.json), ("--junit", &args.junit), ("--html", &args.html)];
    let files = files.map(|(option, path)| path.as_deref().map(|path| (option, path)));
    let mut files: Vec<_> = files.into_iter().flatten().collect();
    while let Some(replaced) = files.pop() {
        files.iter().try_for_each(|&earlier| must_differ(earlier, replaced))?;
    }
    Ok(())
}

/// Prepares a file for the report, and removes an earlier one.
fn file(path: Option<&Path>) -> Result<Option<WholeFile>, Failure> {
    let open = |path| WholeFile::open(path).map_err(|error| cannot_write(path, &error));
    path.map(open).transpose()
}

fn write(file: &WholeFile, text: &str) -> Result<(), Failure> {
    file.write(text).map_err(|error| cannot_write(file.path(), &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {}", printable(path), describe(error)))
}

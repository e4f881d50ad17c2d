//! `cfr sweep`: runs the program once for each fault that can apply to its copies.
//!
//! A file uses only files above it in this list.

mod fault;

mod live_runs;

mod process;

mod work_dir;

mod check_files;

mod runner;

mod positions;

mod baseline;

mod case;

mod outcome;

mod pool;

mod report;

mod report_text;

mod report_junit;

use crate::cli::{ReportFormat, SweepArgs};
use crate::run::environment;
use crate::run::shared_stats;
use crate::term::failure::{Failure, describe, printable};
use crate::term::inherited::is_ignored;
use crate::term::json;
use crate::term::stdout;
use crate::term::whole_file::{WholeFile, must_differ};
use baseline::Baseline;
use case::Case;
use cfr_shared::inject::Faults;
use fault::{Fault, FaultName};
use pool::CaseOptions;
use report::{BaselineReport, CaseId, CaseReport, SweepReport};
use runner::Runner;
use serde::Serialize;
use signal_hook::consts::signal::SIGCHLD;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The exit status if a case is bad.
const BAD: u8 = 1;

/// Runs all cases and reports. Returns 0 if none is bad.
pub(crate) fn run(args: &SweepArgs) -> Result<u8, Failure> {
    live_runs::end_early()?;
    handle_inherited_signals()?;
    let hooks = environment::check_rules(&args.settings)?;
    let faults = fault_names("--faults", &args.faults)?;
    let must_pass = fault_names("--must-pass", &args.must_pass)?;
    let signal = signal(&args.signal)?;
    let is_reported = |_: &&Path| !args.list;
    if let (false, Some(json), Some(junit)) = (args.list, &args.json, &args.junit) {
        must_differ(("--json", json), ("--junit", junit))?;
    }
    let json_file = file(args.json.as_deref().filter(is_reported))?;
    let junit_file = file(args.junit.as_deref().filter(is_reported))?;
    let mut runner = Runner::new(args)?;
    let baseline = baseline::run(&mut runner, args.timeout, hooks)?;
    let cases = case::all(&baseline.used, &faults);
    if cases.is_empty() {
        return Err(Failure::new("no fault of --faults can hit a call of the program"));
    }
    if args.list {
        let ids: Vec<_> = cases
            .iter()
            .map(|case| CaseId::new(case, signal.0, args, runner.program_name()))
            .collect();
        return list(&ids, &baseline, args);
    }
    let report = run_cases(&runner, args, &baseline, &cases, &must_pass, signal)?;
    if let Some(file) = &json_file {
        write(file, &json::to_line(&report)?)?;
    }
    if let Some(file) = &junit_file {
        write(file, &report_junit::render(&report)?)?;
    }
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::render(&report),
        ReportFormat::Json => json::to_line(&report)?,
    })?;
    Ok(if report.bad > 0 { BAD } else { 0 })
}

fn run_cases(
    runner: &Runner,
    args: &SweepArgs,
    baseline: &Baseline,
    cases: &[Case],
    must_pass: &[FaultName],
    signal: (&str, i32),
) -> Result<SweepReport, Failure> {
    let must_pass = |case: &Case| must_pass.iter().any(|name| name.stands_for(&case.fault));
    let options = CaseOptions { runner, limit: baseline.limit, signal, must_pass: &must_pass };
    let begun = Instant::now();
    let rows = pool::run(cases, jobs(args), &options, |case, case_run| {
        CaseReport::new(
            CaseId::new(case, signal.0, args, runner.program_name()),
            case_run,
            baseline.limit,
            args.keep,
        )
    })?;
    Ok(SweepReport::new(args, baseline, begun.elapsed(), rows))
}

/// Parses the names of faults.
fn fault_names(option: &str, names: &[String]) -> Result<Vec<FaultName>, Failure> {
    let word = |name: &String| {
        let word = FaultName::by_name(name).filter(|word| match word {
            FaultName::One(fault @ Fault::Short(_)) => {
                Faults::parse(fault.name().as_bytes()).is_ok()
            }
            _ => true,
        });
        word.ok_or_else(|| {
            Failure::new(format!(
                "invalid value '{}' for {option}: expected names of errors such as EIO, short, short=BYTES, \
                 short=N%, zero, signal, default or all",
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

/// Returns how many cases run at a time. In one directory, only one can.
fn jobs(args: &SweepArgs) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    if args.fresh { args.jobs.unwrap_or_else(processors) } else { 1 }
}

/// Prints the cases for `--list`.
fn list(ids: &[CaseId], baseline: &Baseline, args: &SweepArgs) -> Result<u8, Failure> {
    #[derive(Serialize)]
    struct List<'a> {
        baseline: BaselineReport,
        cases: &'a [CaseId],
    }
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::list(ids),
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

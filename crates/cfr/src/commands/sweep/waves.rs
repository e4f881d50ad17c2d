//! Runs the cases in waves: those of the baseline's calls first, then those of fallbacks.

use super::baseline::{self, Baseline};
use super::case::{self, Case};
use super::check_files::common_target;
use super::fallbacks::{self, CaseHooks};
use super::fault::FaultName;
use super::live_runs;
use super::pool::{self, CaseOptions, ProgressLine};
use super::process::ProcessEnd;
use super::report::{CaseId, CaseReport, SweepReport};
use super::runner::Runner;
use crate::cli::SweepArgs;
use crate::term::failure::{Failure, print_message};
use cfr_engine::hook::Hooks;
use std::collections::VecDeque;

/// What the command line names.
pub(super) struct Names<'a> {
    pub(super) faults: Vec<FaultName>,
    pub(super) must_pass: Vec<FaultName>,
    /// The name and the number of the signal.
    pub(super) signal: (&'a str, i32),
}

/// Cases with the same faults kept.
struct Wave {
    cases: Vec<Case>,
    /// The hooks that the program calls without the faults that are tried.
    known: Hooks,
}

/// Runs these cases. Unless `--only` names them, those of the fallbacks that they lead to follow.
pub(super) fn run(
    runner: &Runner,
    args: &SweepArgs,
    baseline: &Baseline,
    cases: Vec<Case>,
    names: &Names,
) -> Result<SweepReport, Failure> {
    let must_pass = |case: &Case| case.must_pass(&names.must_pass);
    let options =
        CaseOptions { runner, limit: baseline.limit, signal: names.signal, must_pass: &must_pass };
    live_runs::report_early();
    let mut line = ProgressLine::new();
    let mut reports = Vec::new();
    let known = baseline.used.iter().map(|used| used.hook).fold(Hooks::NONE, Hooks::with);
    let mut waves = VecDeque::from([Wave { cases, known }]);
    while let Some(wave) = waves.pop_front() {
        let ended = pool::run(&wave.cases, jobs(args), &options, &mut line, |case, case_run| {
            let hooks = case_run.run.hooks;
            let id = CaseId::new(case, names.signal.0, args);
            (CaseReport::new(id, case_run, baseline.limit, args.keep), hooks)
        })?;
        let ran = wave.cases.iter().zip(&ended);
        let ran = ran.map(|(case, &(ref report, hooks))| CaseHooks {
            case,
            outcome: report.outcome,
            hooks,
        });
        if args.only.is_empty() && live_runs::interrupted().is_none() {
            for (base, new) in fallbacks::choose(wave.known, &ran.collect::<Vec<_>>()) {
                let wave = after(base, new, wave.known, runner, baseline, names);
                if live_runs::interrupted().is_some() {
                    break;
                }
                waves.extend(wave?);
            }
        }
        reports.extend(ended.into_iter().map(|(report, _)| report));
        if live_runs::interrupted().is_some() {
            break;
        }
    }
    Ok(SweepReport::new(args, baseline, line.elapsed(), reports))
}

/// Returns the cases at hooks that the program calls if the faults of `base` are kept.
fn after(
    base: &Case,
    new: Hooks,
    known: Hooks,
    runner: &Runner,
    baseline: &Baseline,
    names: &Names,
) -> Result<Option<Wave>, Failure> {
    let work_dir = runner.prepare_dir(baseline.limit)?;
    let faults = base.expression(names.signal.0);
    let (run, mut used) = baseline::record(runner, work_dir, &faults, baseline.limit)?;
    if run.ended.how != ProcessEnd::Status(0) {
        print_message(format!("no fault is tried after {}: it failed again", base.describe()));
        return Ok(None);
    }
    let known = used.iter().map(|used| used.hook).fold(known, Hooks::with);
    used.retain(|used| new.contains(used.hook));
    Ok(Some(Wave { cases: case::all(&base.to_keep(), &used, &names.faults), known }))
}

/// Returns how many cases run at a time: one if they have a directory or a target in common.
fn jobs(args: &SweepArgs) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    match common_target(&args.check_files) {
        None if args.fresh => args.jobs.unwrap_or_else(processors),
        _ => 1,
    }
}

//! The report of a sweep, which text, JSON and JUnit XML are made from.

use super::baseline::Baseline;
use super::calls::Calls;
use super::case::Case;
use super::fault::Fault;
use super::live_runs;
use super::outcome::Outcome;
use super::pool::CaseRun;
use super::positions::Position;
use super::process::ProcessEnd;
use super::runner::{last_lines, signal_name};
use super::targets_tried::{self, TargetCase, TargetsTried};
use crate::cli::SweepArgs;
use crate::term::failure::printable;
use crate::term::shell;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

#[derive(Serialize)]
pub(super) struct SweepReport {
    /// The program and its arguments.
    pub(super) program: Vec<String>,
    pub(super) baseline: BaselineReport,
    /// The time limit of a run.
    pub(super) time_limit_ns: u64,
    /// Whether `--check` or `--check-files` was given.
    pub(super) checked: bool,
    /// The signal that has interrupted the sweep, so that other cases were not run.
    pub(super) interrupted: Option<String>,
    /// The time from the start of the first case to the end of the last.
    pub(super) duration_ns: u64,
    /// The number of cases with each outcome.
    pub(super) outcomes: BTreeMap<&'static str, usize>,
    /// The number of bad cases.
    pub(super) bad: usize,
    /// The hooks with more targets than each fault was tried at.
    pub(super) targets: Vec<TargetsTried>,
    /// The cases, fault by fault.
    pub(super) cases: Vec<CaseReport>,
}

/// The run without a fault.
#[derive(Serialize)]
pub(super) struct BaselineReport {
    pub(super) duration_ns: u64,
    pub(super) hooks: Vec<HookCallCount>,
}

/// The calls of the process that made most.
#[derive(Serialize)]
pub(super) struct HookCallCount {
    pub(super) hook: &'static str,
    pub(super) calls: u64,
}

/// A case that was run.
#[derive(Serialize)]
pub(super) struct CaseReport {
    #[serde(flatten)]
    pub(super) id: CaseId,
    pub(super) outcome: Outcome,
    pub(super) bad: bool,
    pub(super) must_pass: bool,
    /// An explanation of the outcome.
    pub(super) why: String,
    /// The program's exit status; `None` if a signal or the time limit ended it.
    pub(super) status: Option<i32>,
    /// The signal that ended the program.
    pub(super) signal: Option<String>,
    /// The exit status of `--check` or `--check-failed`; `None` if it was not run, or did not exit.
    pub(super) check: Option<i32>,
    /// What `--check-files` found wrong.
    pub(super) files: Option<String>,
    /// The number of calls to which the fault applied.
    pub(super) injected: u64,
    pub(super) duration_ns: u64,
    /// The end of the program's output, followed by the check's.
    pub(super) output: String,
    /// The working directory, if it was kept.
    pub(super) directory: Option<String>,
}

/// A case as the user sees it.
#[derive(Serialize, Clone)]
pub(super) struct CaseId {
    /// The name by which `--only` chooses the case.
    pub(super) id: String,
    pub(super) fault: String,
    pub(super) hook: &'static str,
    pub(super) position: Position,
    /// The number of the call in each process, or for a target in the tree, as the fault counts; `None`
    /// for all.
    pub(super) call: Option<u64>,
    /// The path of the target, if the position is one target.
    pub(super) target: Option<String>,
    /// The number of targets, then.
    #[serde(skip)]
    pub(super) of_targets: usize,
    /// The faults that are kept before this one, in words.
    pub(super) after: Option<String>,
    /// The faults as `--inject` takes them.
    pub(super) inject: String,
    /// A command line that repeats the case.
    pub(super) reproduce: String,
    /// The case in words.
    #[serde(skip)]
    pub(super) name: String,
    #[serde(skip)]
    pub(super) tried: Fault,
}

impl CaseId {
    pub(super) fn new(case: &Case, signal: &str, args: &SweepArgs) -> CaseId {
        let tried = &case.tried;
        let inject = case.expression(signal);
        let id = case.id();
        let mut words: Vec<OsString> = vec!["cfr".into(), "sweep".into()];
        words.extend_from_slice(&args.for_again);
        words.extend(["--only".into(), id.clone().into(), "--".into()]);
        words.extend_from_slice(&args.program);
        CaseId {
            id,
            fault: tried.fault.name(),
            hook: tried.hook.name(),
            position: tried.position,
            call: match tried.calls {
                Calls::Every => None,
                Calls::One(call) | Calls::OneOfTree(call) | Calls::After { call, .. } => Some(call),
            },
            target: tried.target.as_ref().map(|target| printable(&*target.path)),
            of_targets: tried.target.as_ref().map_or(0, |target| target.of),
            after: case.after(),
            name: case.describe(),
            tried: tried.fault.clone(),
            inject,
            reproduce: shell::line(words),
        }
    }
}

impl CaseId {
    /// Returns what the case says of the targets, if its position is one.
    fn target_case(&self) -> Option<TargetCase<'_>> {
        let after = self.after.as_deref();
        let case = TargetCase { hook: self.hook, after, fault: &self.fault, of: self.of_targets };
        self.target.as_ref().map(|_| case)
    }
}

impl CaseReport {
    /// Reports a case. Its directory is removed unless it is to be kept.
    pub(super) fn new(id: CaseId, case_run: CaseRun, limit: Duration, keep: bool) -> CaseReport {
        let CaseRun { outcome, is_bad, must_pass, run } = case_run;
        let why = outcome.why(&run, limit);
        let mut output = run.ended.output;
        let (status, signal) = match run.ended.how {
            ProcessEnd::Status(status) => (Some(status), None),
            ProcessEnd::Signal(signal) => (None, Some(signal_name(signal))),
            ProcessEnd::OutOfTime => (None, None),
        };
        let check = match run.check.as_ref().map(|check| check.how) {
            Some(ProcessEnd::Status(status)) => Some(status),
            _ => None,
        };
        if let Some(check) = run.check {
            output.extend(check.output);
        }
        let directory = if keep && is_bad { run.work_dir.keep() } else { None };
        CaseReport {
            id,
            outcome,
            bad: is_bad,
            must_pass,
            why,
            status,
            signal,
            check,
            files: run.files,
            injected: run.injected,
            duration_ns: nanoseconds(run.ended.took),
            output: String::from_utf8_lossy(&output).into_owned(),
            directory: directory.map(printable),
        }
    }

    /// Returns the outcome in a word; in capitals if it is bad.
    pub(super) fn word(&self) -> String {
        let name = self.outcome.name();
        if self.bad { name.to_uppercase() } else { name.to_owned() }
    }

    /// Returns the last lines of the output, printable.
    pub(super) fn last_lines(&self) -> Vec<String> {
        last_lines(self.output.as_bytes())
    }
}

impl SweepReport {
    pub(super) fn new(
        args: &SweepArgs,
        baseline: &Baseline,
        took: Duration,
        cases: Vec<CaseReport>,
    ) -> SweepReport {
        let count = |outcome| cases.iter().filter(|row| row.outcome == outcome).count();
        SweepReport {
            program: args.program.iter().map(printable).collect(),
            baseline: BaselineReport::new(baseline),
            time_limit_ns: nanoseconds(baseline.limit),
            checked: args.check.is_some() || !args.check_files.is_empty(),
            interrupted: live_runs::interrupted().map(signal_name),
            duration_ns: nanoseconds(took),
            outcomes: Outcome::ALL.map(|outcome| (outcome.name(), count(outcome))).into(),
            bad: cases.iter().filter(|row| row.bad).count(),
            targets: match args.only.is_empty() {
                true => targets_tried::find(cases.iter().filter_map(|row| row.id.target_case())),
                false => Vec::new(),
            },
            cases,
        }
    }
}

impl BaselineReport {
    pub(super) fn new(baseline: &Baseline) -> BaselineReport {
        let hooks = baseline
            .used
            .iter()
            .map(|used| HookCallCount { hook: used.hook.name(), calls: used.calls.all.count })
            .collect();
        BaselineReport { duration_ns: nanoseconds(baseline.took), hooks }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

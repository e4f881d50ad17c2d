//! What a sweep has found: the one form that text, JSON and JUnit XML are made from.

use super::baseline::Baseline;
use super::case::Point;
use super::outcome::Outcome;
use super::pool::{Counted, Tried};
use super::positions::Position;
use super::process::How;
use super::runner::{last_lines, signal_name};
use crate::cli::SweepArgs;
use crate::term::failure::plain;
use crate::term::shell;
use cfr_shared::settings::TABLE;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// The whole.
#[derive(Serialize)]
pub(super) struct Report {
    /// The program and its arguments.
    pub(super) program: Vec<String>,
    /// Of the run without a fault.
    pub(super) baseline: Without,
    /// How long a run may take.
    pub(super) time_limit_ns: u64,
    /// Whether there is a check.
    pub(super) checked: bool,
    /// From the first run with a fault to the last one's end.
    pub(super) duration_ns: u64,
    /// How many points had each outcome.
    pub(super) outcomes: BTreeMap<&'static str, usize>,
    /// How many of them nobody wants.
    pub(super) bad: usize,
    /// Each point, fault by fault.
    pub(super) points: Vec<Row>,
}

/// The run without a fault.
#[derive(Serialize)]
pub(super) struct Without {
    pub(super) duration_ns: u64,
    pub(super) hooks: Vec<HookCalls>,
}

/// Of the process that called most.
#[derive(Serialize)]
pub(super) struct HookCalls {
    pub(super) hook: &'static str,
    pub(super) calls: u64,
}

/// One point.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) place: Spot,
    pub(super) outcome: Outcome,
    pub(super) bad: bool,
    pub(super) must_pass: bool,
    /// The outcome's reason, in words.
    pub(super) why: String,
    /// The program's exit status; `None` where a signal or the time limit ended it.
    pub(super) status: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<String>,
    /// The check's exit status; `None` where it was not run, or did not end by itself.
    pub(super) check: Option<i32>,
    /// Calls that met the fault.
    pub(super) injected: u64,
    pub(super) duration_ns: u64,
    /// The end of what the program wrote, and behind it the check.
    pub(super) output: String,
    /// Where it took place, where that was kept.
    pub(super) directory: Option<String>,
}

/// What is tried, and where.
#[derive(Serialize, Clone)]
pub(super) struct Spot {
    pub(super) fault: String,
    pub(super) hook: &'static str,
    pub(super) position: Position,
    /// Its number in each process, of the calls that the fault could hit; `None` for all.
    pub(super) call: Option<u64>,
    /// As `--inject` takes it.
    pub(super) inject: String,
    /// A command line that tries it again.
    pub(super) reproduce: String,
}

impl Counted for Row {
    fn is_bad(&self) -> bool {
        self.bad
    }
}

impl Spot {
    /// In words.
    pub(super) fn name(&self) -> String {
        let Spot { fault, position, hook, .. } = self;
        match position {
            Position::Every => format!("{fault} at every {hook}"),
            _ => format!("{fault} at the {} {hook}", position.name()),
        }
    }

    /// Of this point.
    pub(super) fn new(point: &Point, signal: &str, args: &SweepArgs, program: &OsStr) -> Spot {
        let inject = point.expression(signal);
        let mut words: Vec<OsString> = vec!["cfr".into(), "run".into()];
        for (variable, value) in &args.settings {
            let setting = TABLE.iter().find(|setting| setting.variable == *variable);
            let option = setting.and_then(|setting| setting.option).unwrap_or_default();
            words.extend([format!("--{option}").into(), value.clone()]);
        }
        words.extend(["--inject".into(), inject.clone().into(), "--".into(), program.to_owned()]);
        words.extend(args.program.iter().skip(1).cloned());
        Spot {
            fault: point.fault.name(),
            hook: point.hook.name(),
            position: point.position,
            call: point.call,
            inject,
            reproduce: shell::line(words),
        }
    }
}

impl Row {
    /// Of a run, whose directory goes away unless it is to be kept.
    pub(super) fn new(place: Spot, tried: Tried, limit: Duration, keep: bool) -> Row {
        let Tried { outcome, is_bad, must_pass, run } = tried;
        let why = outcome.why(&run, limit);
        let mut output = run.ended.output;
        let (status, signal) = match run.ended.how {
            How::Status(status) => (Some(status), None),
            How::Signal(signal) => (None, Some(signal_name(signal))),
            How::OutOfTime => (None, None),
        };
        let check = match run.check.as_ref().map(|check| check.how) {
            Some(How::Status(status)) => Some(status),
            _ => None,
        };
        if let Some(check) = run.check {
            output.extend(check.output);
        }
        let directory = if keep && is_bad { run.place.keep() } else { None };
        Row {
            place,
            outcome,
            bad: is_bad,
            must_pass,
            why,
            status,
            signal,
            check,
            injected: run.injected,
            duration_ns: nanoseconds(run.ended.took),
            output: String::from_utf8_lossy(&output).into_owned(),
            directory: directory.map(plain),
        }
    }

    /// The end of the output, harmless.
    pub(super) fn last_lines(&self) -> Vec<String> {
        last_lines(self.output.as_bytes())
    }
}

impl Report {
    /// Of all rows.
    pub(super) fn new(
        args: &SweepArgs,
        baseline: &Baseline,
        took: Duration,
        points: Vec<Row>,
    ) -> Report {
        let count = |outcome| points.iter().filter(|row| row.outcome == outcome).count();
        Report {
            program: args.program.iter().map(plain).collect(),
            baseline: Without::new(baseline),
            time_limit_ns: nanoseconds(baseline.limit),
            checked: args.check.is_some(),
            duration_ns: nanoseconds(took),
            outcomes: Outcome::ALL.map(|outcome| (outcome.name(), count(outcome))).into(),
            bad: points.iter().filter(|row| row.bad).count(),
            points,
        }
    }
}

impl Without {
    /// Of this one.
    pub(super) fn new(baseline: &Baseline) -> Without {
        let hooks = baseline.used.iter();
        let hooks = hooks
            .map(|used| HookCalls { hook: used.hook.name(), calls: used.calls.all.count })
            .collect();
        Without { duration_ns: nanoseconds(baseline.took), hooks }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

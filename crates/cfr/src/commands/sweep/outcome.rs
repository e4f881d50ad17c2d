//! The outcome of a case.

use super::process::ProcessEnd;
use super::runner::{ProgramRun, describe_end, signal_name};
use serde::Serialize;
use std::time::Duration;

/// The outcome in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// The program exited with 0, and the check passed.
    Passed,
    /// The program exited with another status.
    Failed,
    /// The program exited with 0, but the check failed.
    Wrong,
    /// The program or the check ran longer than the time limit.
    Hung,
    /// A signal other than the fault's ended the program.
    Crashed,
    /// The fault applied to no call.
    Missed,
}

/// Signals by which programs crash. A shell reports such a program with status 128 and the signal's
/// number.
const OF_CRASHES: [i32; 7] = {
    use signal_hook::consts::signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP]
};

impl Outcome {
    /// All outcomes, in the order of the summary.
    pub(super) const ALL: [Outcome; 6] = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Wrong,
        Outcome::Hung,
        Outcome::Crashed,
        Outcome::Missed,
    ];

    /// Returns the outcome of a run with a fault that sends the signal `sent`.
    pub(super) fn of(run: &ProgramRun, sent: Option<i32>) -> Outcome {
        // A call that its own signal ends is not counted as injected.
        let is_sent = |signal| sent == Some(signal);
        match run.ended.how {
            ProcessEnd::Signal(signal) if is_sent(signal) => return Outcome::Failed,
            ProcessEnd::Status(status) if is_sent(status - 128) => return Outcome::Failed,
            _ => {}
        }
        let outcome = match (run.ended.how, run.check.as_ref().map(|check| check.how)) {
            (ProcessEnd::OutOfTime, _) | (_, Some(ProcessEnd::OutOfTime)) => Outcome::Hung,
            (ProcessEnd::Signal(_), _) => Outcome::Crashed,
            (ProcessEnd::Status(0), None | Some(ProcessEnd::Status(0))) => Outcome::Passed,
            (ProcessEnd::Status(0), Some(_)) => Outcome::Wrong,
            (ProcessEnd::Status(status), _) if OF_CRASHES.contains(&(status - 128)) => {
                Outcome::Crashed
            }
            (ProcessEnd::Status(_), _) => Outcome::Failed,
        };
        match outcome {
            // The run shows nothing about the fault.
            Outcome::Passed | Outcome::Failed if run.injected == 0 => Outcome::Missed,
            outcome => outcome,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Wrong => "wrong",
            Outcome::Hung => "hung",
            Outcome::Crashed => "crashed",
            Outcome::Missed => "missed",
        }
    }

    /// Reports whether the outcome is bad. A program that reports its failure did well, unless it
    /// must pass.
    pub(super) fn is_bad(self, must_pass: bool) -> bool {
        match self {
            Outcome::Wrong | Outcome::Hung | Outcome::Crashed => true,
            Outcome::Failed => must_pass,
            Outcome::Passed | Outcome::Missed => false,
        }
    }

    /// Explains the outcome in a line.
    pub(super) fn why(self, run: &ProgramRun, limit: Duration) -> String {
        let ended = describe_end(run.ended.how, limit);
        match (self, &run.check) {
            (Outcome::Wrong, Some(check)) => {
                format!("{ended}, but --check: {}", describe_end(check.how, limit))
            }
            (Outcome::Hung, Some(check)) => {
                format!("{ended}; --check: {}", describe_end(check.how, limit))
            }
            (Outcome::Crashed, _) => match run.ended.how {
                ProcessEnd::Status(status) => {
                    format!("{ended}, i.e. {}", signal_name(status - 128))
                }
                _ => ended,
            },
            (Outcome::Missed, _) => format!("{ended}; the fault applied to no call"),
            _ => ended,
        }
    }
}

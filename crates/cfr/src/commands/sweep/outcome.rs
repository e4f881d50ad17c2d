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
    /// The program exited with 0, but a check failed.
    Wrong,
    /// The program failed, and a check after it failed too.
    Damaged,
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
    pub(super) const ALL: [Outcome; 7] = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Wrong,
        Outcome::Damaged,
        Outcome::Hung,
        Outcome::Crashed,
        Outcome::Missed,
    ];

    /// Returns the outcome of a run with a fault that sends the signal `sent`.
    pub(super) fn of(run: &ProgramRun, sent: Option<i32>) -> Outcome {
        let is_sent = |signal| sent == Some(signal);
        let ended = match run.ended.how {
            ProcessEnd::OutOfTime => return Outcome::Hung,
            ProcessEnd::Status(0) => Outcome::Passed,
            ProcessEnd::Signal(signal) if is_sent(signal) => Outcome::Failed,
            ProcessEnd::Status(status) if is_sent(status - 128) => Outcome::Failed,
            ProcessEnd::Signal(_) => return Outcome::Crashed,
            ProcessEnd::Status(status) if OF_CRASHES.contains(&(status - 128)) => {
                return Outcome::Crashed;
            }
            ProcessEnd::Status(_) => Outcome::Failed,
        };
        let check = run.check.as_ref().map_or(ProcessEnd::Status(0), |check| check.how);
        match (check, &run.files, ended) {
            (ProcessEnd::OutOfTime, ..) => Outcome::Hung,
            // The run shows nothing about the fault.
            (ProcessEnd::Status(0), None, _) if run.injected == 0 => Outcome::Missed,
            (ProcessEnd::Status(0), None, ended) => ended,
            (.., Outcome::Passed) => Outcome::Wrong,
            _ => Outcome::Damaged,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Wrong => "wrong",
            Outcome::Damaged => "damaged",
            Outcome::Hung => "hung",
            Outcome::Crashed => "crashed",
            Outcome::Missed => "missed",
        }
    }

    /// Returns how much the outcome says, for a cell of the matrix with several.
    pub(super) fn severity(self) -> u8 {
        match self {
            Outcome::Missed => 0,
            Outcome::Passed => 1,
            Outcome::Failed => 2,
            Outcome::Hung => 3,
            Outcome::Crashed => 4,
            Outcome::Damaged => 5,
            Outcome::Wrong => 6,
        }
    }

    /// Reports whether the outcome is bad. A program that reports its failure did well, unless it
    /// must pass.
    pub(super) fn is_bad(self, must_pass: bool) -> bool {
        match self {
            Outcome::Wrong | Outcome::Damaged | Outcome::Hung | Outcome::Crashed => true,
            Outcome::Failed => must_pass,
            Outcome::Passed | Outcome::Missed => false,
        }
    }

    /// Explains the outcome in a line.
    pub(super) fn why(self, run: &ProgramRun, limit: Duration) -> String {
        let ended = describe_end(run.ended.how, limit);
        let option = match run.ended.how {
            ProcessEnd::Status(0) => "--check",
            _ => "--check-failed",
        };
        match (self, &run.check) {
            (Outcome::Wrong | Outcome::Damaged, check) => match (&run.files, check) {
                (Some(violation), _) => format!("{ended}, but {violation} (--check-files)"),
                (None, Some(check)) => {
                    format!("{ended}, but {option}: {}", describe_end(check.how, limit))
                }
                (None, None) => ended,
            },
            (Outcome::Hung, Some(check)) => {
                format!("{ended}; {option}: {}", describe_end(check.how, limit))
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

//! What became of the program at a point.

use super::process::How;
use super::runner::{Run, said, signal_name};
use serde::Serialize;
use std::time::Duration;

/// One word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It succeeded, and so did the check.
    Passed,
    /// It said that it had failed.
    Failed,
    /// It said that it had succeeded, and the check says that it has not.
    Wrong,
    /// It, or the check of what it had done, took longer than it may.
    Hung,
    /// A signal ended it that was not the fault's.
    Crashed,
    /// No call met the fault.
    Missed,
}

/// Signals by which programs crash. A shell says of a program that ended by one of them 128 and its
/// number.
const OF_CRASHES: [i32; 7] = {
    use signal_hook::consts::signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP]
};

impl Outcome {
    /// Every one, in the order of the summary.
    pub(super) const ALL: [Outcome; 6] = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Wrong,
        Outcome::Hung,
        Outcome::Crashed,
        Outcome::Missed,
    ];

    /// What became of a run at a point whose fault sends this signal.
    pub(super) fn of(run: &Run, sent: Option<i32>) -> Outcome {
        // A call that its own signal ends is counted by nobody.
        let is_sent = |signal| sent == Some(signal);
        match run.ended.how {
            How::Signal(signal) if is_sent(signal) => return Outcome::Failed,
            How::Status(status) if is_sent(status - 128) => return Outcome::Failed,
            _ => {}
        }
        let outcome = match (run.ended.how, run.check.as_ref().map(|check| check.how)) {
            (How::OutOfTime, _) | (_, Some(How::OutOfTime)) => Outcome::Hung,
            (How::Signal(_), _) => Outcome::Crashed,
            (How::Status(0), None | Some(How::Status(0))) => Outcome::Passed,
            (How::Status(0), Some(_)) => Outcome::Wrong,
            (How::Status(status), _) if OF_CRASHES.contains(&(status - 128)) => Outcome::Crashed,
            (How::Status(_), _) => Outcome::Failed,
        };
        match outcome {
            // It tells of the program, and nothing of what it does with the fault.
            Outcome::Passed | Outcome::Failed if run.injected == 0 => Outcome::Missed,
            outcome => outcome,
        }
    }

    /// Its name.
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

    /// Whether nobody wants it. A program that says that it failed has done well, where it must not
    /// go on.
    pub(super) fn is_bad(self, must_pass: bool) -> bool {
        match self {
            Outcome::Wrong | Outcome::Hung | Outcome::Crashed => true,
            Outcome::Failed => must_pass,
            Outcome::Passed | Outcome::Missed => false,
        }
    }

    /// Why it is said, in a line.
    pub(super) fn why(self, run: &Run, limit: Duration) -> String {
        let ended = said(run.ended.how, limit);
        match (self, &run.check) {
            (Outcome::Wrong, Some(check)) => {
                format!("{ended}, but --check says {}", said(check.how, limit))
            }
            (Outcome::Hung, Some(check)) => {
                format!("{ended}; --check is {}", said(check.how, limit))
            }
            (Outcome::Crashed, _) => match run.ended.how {
                How::Status(status) => format!("{ended}, which is {}", signal_name(status - 128)),
                _ => ended,
            },
            (Outcome::Missed, _) => format!("{ended}; no call met the fault"),
            _ => ended,
        }
    }
}

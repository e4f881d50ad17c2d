//! Runs all cases, several at a time, and shows the progress.

use super::case::Case;
use super::live_runs;
use super::outcome::Outcome;
use super::runner::{ProgramRun, Runner};
use crate::term::failure::Failure;
use crate::term::status_line;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time between two updates of the progress line.
const INTERVAL: Duration = Duration::from_millis(500);
/// The width of the progress bar, in characters.
const CELLS: usize = 20;

/// What all cases have in common.
pub(super) struct CaseOptions<'a> {
    pub(super) runner: &'a Runner<'a>,
    /// The time limit of a run.
    pub(super) limit: Duration,
    /// The name and the number of the signal.
    pub(super) signal: (&'a str, i32),
    /// Whether the program must pass a case.
    pub(super) must_pass: &'a (dyn Fn(&Case) -> bool + Sync),
}

/// A case that was run.
pub(super) struct CaseRun {
    pub(super) outcome: Outcome,
    pub(super) is_bad: bool,
    pub(super) must_pass: bool,
    pub(super) run: ProgramRun,
}

impl CaseOptions<'_> {
    fn run(&self, case: &Case) -> Result<CaseRun, Failure> {
        let (name, number) = self.signal;
        let work_dir = self.runner.prepare_dir(self.limit)?;
        let run = self.runner.run(work_dir, &case.expression(name), &[], self.limit)?;
        let outcome = Outcome::of(&run, case.tried.fault.sends().then_some(number));
        // The program made no call after the short copy: that is the case of the short copy.
        let is_short_only = case.tried.position.is_after_progress() && run.injected == 0;
        let outcome =
            if is_short_only && outcome == Outcome::Wrong { Outcome::Missed } else { outcome };
        let must_pass = (self.must_pass)(case);
        Ok(CaseRun { outcome, is_bad: outcome.is_bad(must_pass), must_pass, run })
    }
}

/// Runs all cases, `jobs` at a time, and maps each with `ended`. Returns them in the order of the
/// cases; if a signal has interrupted the sweep, those that ended before it.
pub(super) fn run<T: Send>(
    cases: &[Case],
    jobs: usize,
    options: &CaseOptions,
    line: &mut ProgressLine,
    ended: impl Fn(&Case, CaseRun) -> T + Sync,
) -> Result<Vec<T>, Failure> {
    let left = Mutex::new(cases.iter().enumerate());
    let (sender, receiver) = mpsc::channel();
    line.expect(cases.len());
    let mut results: Vec<(usize, T)> = Vec::new();
    let mut failed = None;
    let work = |sender: &Sender<_>| {
        loop {
            // A guard in the loop's head would be held while the case runs.
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, case)) = next else { return };
            let case_run = options.run(case);
            // It was killed.
            if live_runs::interrupted().is_some() {
                return;
            }
            let result = case_run.map(|case_run| (index, case_run.is_bad, ended(case, case_run)));
            // The receiver is gone if another case has failed.
            if sender.send(result).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let work = &work;
        for _ in 0..jobs.min(cases.len()) {
            let sender = sender.clone();
            // If this fails, the other threads do the work. One is enough.
            let _ = thread::Builder::new().spawn_scoped(scope, move || work(&sender));
        }
        drop(sender);
        line.show();
        loop {
            match receiver.recv_timeout(INTERVAL) {
                Ok(Ok((index, is_bad, result))) => {
                    line.advance(is_bad);
                    results.push((index, result));
                }
                Ok(Err(failure)) => {
                    failed = Some(failure);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => line.show(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        drop(receiver);
    });
    status_line::erase();
    match failed {
        Some(failure) => Err(failure),
        None if results.len() < cases.len() && live_runs::interrupted().is_none() => {
            Err(Failure::new("cannot start a thread"))
        }
        None => {
            results.sort_by_key(|(index, _)| *index);
            Ok(results.into_iter().map(|(_, result)| result).collect())
        }
    }
}

/// The progress of the sweep.
pub(super) struct ProgressLine {
    done: usize,
    all: usize,
    bad: usize,
    begun: Instant,
}

impl ProgressLine {
    pub(super) fn new() -> ProgressLine {
        ProgressLine { done: 0, all: 0, bad: 0, begun: Instant::now() }
    }

    /// Returns the time since the sweep has begun.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Adds cases that are to be run.
    fn expect(&mut self, cases: usize) {
        self.all += cases;
    }

    fn advance(&mut self, is_bad: bool) {
        self.done += 1;
        self.bad += usize::from(is_bad);
        self.show();
    }

    fn show(&self) {
        let cells = self.done * CELLS / self.all.max(1);
        let bar: String = (0..CELLS).map(|cell| if cell < cells { '#' } else { '.' }).collect();
        let left = match u32::try_from(self.done) {
            Ok(done @ 1..) => {
                let each = self.begun.elapsed() / done;
                let seconds = each.as_secs_f64() * (self.all - self.done) as f64;
                let left = Duration::from_secs_f64(seconds).as_secs();
                format!(", {}:{:02} left", left / 60, left % 60)
            }
            _ => String::new(),
        };
        status_line::show(&format!("[{bar}] {}/{}, {} bad{left}", self.done, self.all, self.bad));
    }
}

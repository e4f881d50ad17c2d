//! All points, several at a time, and a line that says how far they are.

use super::case::Point;
use super::outcome::Outcome;
use super::runner::{Bench, Run};
use crate::run::environment;
use crate::term::failure::Failure;
use crate::term::status_line;
use std::ffi::OsString;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How often the line changes where nothing ends.
const INTERVAL: Duration = Duration::from_millis(500);
/// How many cells the bar has.
const CELLS: usize = 20;

/// How to try a point.
pub(super) struct Trial<'a> {
    pub(super) bench: &'a Bench<'a>,
    /// How long a run may take.
    pub(super) limit: Duration,
    /// The signal's name, and its number.
    pub(super) signal: (&'a str, i32),
    /// Whether the program must get by a point's fault.
    pub(super) must_pass: &'a (dyn Fn(&Point) -> bool + Sync),
}

/// A point that was tried.
pub(super) struct Tried {
    pub(super) outcome: Outcome,
    pub(super) is_bad: bool,
    pub(super) must_pass: bool,
    pub(super) run: Run,
}

impl Trial<'_> {
    fn of(&self, point: &Point) -> Result<Tried, Failure> {
        let (name, number) = self.signal;
        let place = self.bench.prepared(self.limit)?;
        let inject = OsString::from(point.expression(name));
        let run = self.bench.run(place, &[(environment::INJECT, inject)], self.limit)?;
        let outcome = Outcome::of(&run, point.fault.sends().then_some(number));
        let must_pass = (self.must_pass)(point);
        Ok(Tried { outcome, is_bad: outcome.is_bad(must_pass), must_pass, run })
    }
}

/// Tries all points, so many at a time; `ended` gets each when it is over. In the points' order.
pub(super) fn run<T: Counted + Send>(
    points: &[Point],
    jobs: usize,
    trial: &Trial,
    ended: impl Fn(&Point, Tried) -> T + Sync,
) -> Result<Vec<T>, Failure> {
    let left = Mutex::new(points.iter().enumerate());
    let (sender, receiver) = mpsc::channel();
    let mut line = Line::new(points.len());
    let mut results: Vec<(usize, T)> = Vec::new();
    let mut failed = None;
    let work = |sender: &Sender<_>| {
        loop {
            // A guard in the loop's head would be held while the point is tried.
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((place, point)) = next else { return };
            let tried = trial.of(point).map(|tried| (place, ended(point, tried)));
            // Nobody listens any more where another has failed.
            if sender.send(tried).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let work = &work;
        for _ in 0..jobs.min(points.len()) {
            let sender = sender.clone();
            // One thread is enough.
            let _ = thread::Builder::new().spawn_scoped(scope, move || work(&sender));
        }
        drop(sender);
        line.show();
        loop {
            match receiver.recv_timeout(INTERVAL) {
                Ok(Ok((place, result))) => {
                    line.advance(result.is_bad());
                    results.push((place, result));
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
        None if results.len() < points.len() => Err(Failure::new("cannot start a thread")),
        None => {
            results.sort_by_key(|(place, _)| *place);
            Ok(results.into_iter().map(|(_, result)| result).collect())
        }
    }
}

/// What the line counts.
pub(super) trait Counted {
    /// Whether nobody wants it.
    fn is_bad(&self) -> bool;
}

/// How far all is.
struct Line {
    done: usize,
    all: usize,
    bad: usize,
    begun: Instant,
}

impl Line {
    fn new(all: usize) -> Line {
        Line { done: 0, all, bad: 0, begun: Instant::now() }
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

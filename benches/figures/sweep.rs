//! How long the sweep takes that a developer waits for: all its cases, with the default faults.

use crate::exact::{Goal, at_most};
use crate::timed::Samples;
use cfr_testkit::{Run, Scratch, launcher};
use std::thread;
use std::time::Instant;

const ROUNDS: usize = 5;
/// Bytes of the file that is copied.
const SIZE: usize = 3_000_000;

/// Seconds of a default sweep of `cp a b` on two CPUs.
pub const DEFAULT_SECONDS: Goal = at_most(15.0);

/// Returns the seconds, and details.
pub fn measure() -> (f64, String) {
    let scratch = Scratch::new();
    scratch.write("a", &vec![b'a'; SIZE]);
    let mut seconds = Samples::default();
    let mut total = String::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let sweep = Run::bare(launcher()).args(["sweep", "--", "cp", "a", "b"]);
        let output = sweep.within(scratch.path()).ok();
        seconds.push(begun.elapsed().as_secs_f64());
        let is_total = |line: &&str| line.contains(" cases in ");
        total = output.stdout.lines().find(is_total).unwrap_or_default().to_owned();
    }
    let cases = total.split_once(" in ").map_or("no cases", |(cases, _)| cases);
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let minimum = seconds.quantile(0.0);
    (seconds.quantile(0.5), format!("min {minimum:.2}, {cases}, {cpus} CPUs"))
}

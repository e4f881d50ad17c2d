//! Whether logged calls delay each other: many threads, each with its own files, and one log. A
//! writer waits for the kernel's lock of the file, so the measure is threads that write such lines
//! without the library.

use crate::exact::{Driver, Goal, Way, at_most};
use crate::peer::Format;
use crate::timed::{Samples, Under, call};
use std::collections::BTreeMap;
use std::iter;
use std::thread::available_parallelism;

/// How much more a logged call costs with many threads than with one, divided by the same ratio of
/// a written line. A lock around formatting a line gives 1.5 and more, with as many threads as
/// CPUs.
pub const GROWTH: Goal = at_most(1.25);

/// The same of a line that goes to the launcher through memory, with 64 threads.
pub const PASSED_GROWTH: Goal = at_most(1.0);

/// One thread alone.
pub const ONE: u32 = 1;
/// Several threads at once.
pub const MANY: [u32; 3] = [2, 16, 64];

const ROUNDS: usize = 15;
/// For all threads together.
const CALLS: u32 = 38_400;

/// The cost of a call with so many threads, in microseconds of a busy CPU: medians.
pub struct Costs(BTreeMap<(Under, u32), f64>);

impl Costs {
    /// Measures the bare call, the written line, the text line and, if it can be built, the fmt
    /// layer's.
    pub fn measure(driver: &Driver, has_fmt_layer: bool) -> Costs {
        let ways = [
            Under::Library(Way::BARE),
            Under::Append,
            Under::Library(Way::TEXT),
            Under::PassedOn(Format::Text),
        ];
        let fmt_layer = has_fmt_layer.then_some(Under::FmtLayer(Format::Text));
        let mut costs: BTreeMap<_, Samples> = BTreeMap::new();
        for _ in 0..ROUNDS {
            for threads in iter::once(ONE).chain(MANY) {
                for way in ways.into_iter().chain(fmt_layer) {
                    let [_, wall] = call(driver, way, CALLS, Some(threads));
                    costs.entry((way, threads)).or_default().push(wall * busy(threads));
                }
            }
        }
        let costs = costs.into_iter().map(|(key, mut samples)| (key, samples.quantile(0.5)));
        Costs(costs.collect())
    }

    /// Returns the calls made in the time of one bare call.
    pub fn throughput(&self, way: Under, threads: u32) -> Option<f64> {
        Some(self.0.get(&(Under::Library(Way::BARE), threads))? / self.0.get(&(way, threads))?)
    }

    /// Returns the cost of a call with so many threads divided by the cost with one.
    pub fn growth(&self, way: Under, threads: u32) -> Option<f64> {
        Some(self.0.get(&(way, threads))? / self.0.get(&(way, ONE))?)
    }

    /// Returns the largest ratio of the growth of the text line `text` to the written line's.
    pub fn worst_growth(&self, text: Under) -> Option<f64> {
        let growths = MANY.iter().filter_map(|&threads| self.growth_against_append(text, threads));
        growths.max_by(f64::total_cmp)
    }

    /// Returns the ratio of the growth of a way to the written line's.
    pub fn growth_against_append(&self, way: Under, threads: u32) -> Option<f64> {
        Some(self.growth(way, threads)? / self.growth(Under::Append, threads)?)
    }
}

/// Returns the number of CPUs that so many threads keep busy.
fn busy(threads: u32) -> f64 {
    let cpus = available_parallelism().map_or(1, usize::from);
    f64::from(threads).min(cpus as f64)
}

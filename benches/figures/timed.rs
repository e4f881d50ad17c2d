//! Figures that differ from run to run: times. What is compared runs in turns, and only
//! differences and ratios within one run are meaningful.

use crate::exact::{Calls, Driver, Goal, Way, at_most, preload};
use crate::lttng;
use crate::peer::{self, Format};
use cfr_testkit::{Output, Run, find_program, launcher};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The CPU time that a text line adds to its call, in microseconds.
pub const TEXT_CPU: Goal = at_most(1.4);
/// The same for a text line with paths.
pub const PATHS_CPU: Goal = at_most(3.0);
/// The CPU time that a text line adds if it goes to the launcher through memory.
pub const PASSED_TEXT_CPU: Goal = at_most(0.45);
/// The same for a JSON line.
pub const PASSED_JSON_CPU: Goal = at_most(0.7);
/// The CPU time that a text line adds by write(2), divided by that of one through memory.
pub const PASSED_RATIO: Goal = 4.0..=f64::INFINITY;
/// The time that strace adds, divided by that of a text line through memory, if other programs use
/// this share of the CPUs: a line then costs more, and strace's two switches for each call do not.
pub fn passed_strace_ratio(busy: f64) -> Goal {
    (if busy < 0.1 { 50.0 } else { 25.0 })..=f64::INFINITY
}
/// The CPU time that a line adds, divided by that of the same line by tracing-subscriber's fmt
/// layer.
pub const FMT_LAYER_RATIO: Goal = at_most(0.5);
/// The time that strace adds divided by the time that a text line adds, both without paths.
pub const STRACE_RATIO: Goal = 25.0..=f64::INFINITY;
/// The same, both with paths.
pub const STRACE_WITH_PATHS_RATIO: Goal = 60.0..=f64::INFINITY;
/// The CPU time that loading adds to a process, in microseconds.
pub const LOAD_CPU: Goal = at_most(150.0);

const CALL_ROUNDS: usize = 31;
const LOAD_ROUNDS: usize = 400;
/// Calls of the driver in each round: it takes some tens of milliseconds.
const CALLS: u32 = 20_000;
const CALLS_UNDER_STRACE: u32 = 2_000;

/// Each call copies a byte, and a line is written after it.
const APPEND: Calls = Calls("append");
/// The same, with a constant line put into memory between two clocks.
const CONSTANT_TEXT: Calls = Calls("constant-text");
const CONSTANT_JSON: Calls = Calls("constant-json");

/// Measurements of one kind, in microseconds.
#[derive(Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, measured: f64) {
        self.0.push(measured);
    }

    /// Returns the value below which this share of the measurements is.
    pub fn quantile(&mut self, share: f64) -> f64 {
        self.0.sort_by(f64::total_cmp);
        let last = self.0.len().saturating_sub(1) as f64;
        self.0[(last * share).round() as usize]
    }

    /// Returns by how much the median is above that of `bare`.
    pub fn more_in_median(&mut self, bare: &mut Samples) -> f64 {
        self.quantile(0.5) - bare.quantile(0.5)
    }

    /// Returns by how much the 10th percentile is above that of `bare`.
    pub fn more_in_p10(&mut self, bare: &mut Samples) -> f64 {
        self.quantile(0.1) - bare.quantile(0.1)
    }

    /// Returns by how much the minimum is above that of `bare`.
    pub fn more_in_minimum(&mut self, bare: &mut Samples) -> f64 {
        self.quantile(0.0) - bare.quantile(0.0)
    }
}

/// How the driver runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Under {
    /// With the library, or bare.
    Library(Way),
    /// Under the launcher, which takes the lines through memory; without paths.
    PassedOn(Format),
    /// Bare, and it writes a line to a file after each call: the least that a log needs.
    Append,
    /// Bare, and it reads the clocks and puts a constant line into memory: the least that a line in
    /// memory needs.
    Constant(Format),
    /// tracing-subscriber's fmt layer.
    FmtLayer(Format),
    /// LTTng-UST, while [`crate::lttng::Lttng`] records.
    Lttng,
    /// `strace -f --seccomp-bpf -e trace=copy_file_range -o FILE`.
    Strace,
    /// `strace -f -y -T -e trace=copy_file_range -o FILE`.
    StraceWithPaths,
}

impl Under {
    /// Returns the driver's arguments.
    fn words(self, driver: &Driver, count: u32) -> [String; 4] {
        let calls = match self {
            Under::Append => APPEND,
            Under::Constant(Format::Text) => CONSTANT_TEXT,
            Under::Constant(Format::Json) => CONSTANT_JSON,
            _ => Calls::COPY,
        };
        driver.words(calls, count)
    }

    /// Returns the command that runs the driver.
    fn start(self, driver: &Driver) -> Run {
        let words = match self {
            Under::Library(way) => return Run::bare("env").args(driver.environment(way)),
            Under::PassedOn(format) => {
                let _ = std::fs::remove_file(driver.file("log"));
                let format = if format == Format::Json { "json" } else { "text" };
                let words = ["trace", "--reach", "preload", "--paths", "no", "--format", format];
                return Run::bare(launcher()).args(words).args(["-o"]).args([driver.file("log")]);
            }
            Under::Append | Under::Constant(_) => return Run::bare("env"),
            Under::FmtLayer(format) => {
                return Run::bare("env").args(peer::environment(driver, format));
            }
            Under::Lttng => return Run::bare("env").args(lttng::environment(driver)),
            Under::Strace => ["-f", "--seccomp-bpf"].as_slice(),
            Under::StraceWithPaths => &["-f", "-y", "-T"],
        };
        let run = Run::bare("strace").args(words).args(["-e", "trace=copy_file_range", "-o"]);
        run.args([driver.file("strace")])
    }
}

/// What a way adds to one call, in microseconds.
pub struct Added {
    /// CPU time of the driver's process.
    pub cpu: Above,
    /// Wall-clock time.
    pub wall: Above,
}

/// By how much measurements are above those of the bare calls.
pub struct Above {
    pub median: f64,
    pub minimum: f64,
}

/// Measures what each of these ways adds to one call.
pub fn added(driver: &Driver, ways: &[Under]) -> BTreeMap<Under, Added> {
    let mut times: BTreeMap<Under, [Samples; 2]> = BTreeMap::new();
    for _ in 0..CALL_ROUNDS {
        for &way in [Under::Library(Way::BARE)].iter().chain(ways) {
            let count = match way {
                Under::Strace | Under::StraceWithPaths => CALLS_UNDER_STRACE,
                _ => CALLS,
            };
            let [cpu, wall] = call(driver, way, count, None);
            let [cpus, walls] = times.entry(way).or_default();
            cpus.push(cpu);
            walls.push(wall);
        }
    }
    let [mut cpu, mut wall] = times.remove(&Under::Library(Way::BARE)).expect("measured");
    let above = |samples: &mut Samples, bare: &mut Samples| Above {
        median: samples.more_in_median(bare),
        minimum: samples.more_in_minimum(bare),
    };
    let added = times.into_iter().map(|(way, [mut cpus, mut walls])| {
        (way, Added { cpu: above(&mut cpus, &mut cpu), wall: above(&mut walls, &mut wall) })
    });
    added.collect()
}

/// Returns the CPU time and the wall-clock time of each of `count` calls, in microseconds.
/// `threads` threads share the calls.
pub fn call(driver: &Driver, way: Under, count: u32, threads: Option<u32>) -> [f64; 2] {
    let mut run = way.start(driver).args(way.words(driver, count));
    run = run.args(threads.map(|threads| threads.to_string()));
    time_of(run, count).expect("the driver runs")
}

/// CPU time and wall-clock time of each of the `count` calls that the driver makes in this run, in
/// microseconds. An error is the first line that was written to standard error.
pub fn time_of(run: Run, count: u32) -> Result<[f64; 2], String> {
    // It sleeps until the end, so the tracer has the other CPU.
    printed(&run.output(), count)
}

/// Returns the times that the driver has printed.
pub fn printed(output: &Output, count: u32) -> Result<[f64; 2], String> {
    let mut times = output
        .stdout
        .split_whitespace()
        .filter_map(|nanoseconds| nanoseconds.parse::<f64>().ok())
        .map(|nanoseconds| nanoseconds / f64::from(count) / 1000.0);
    match (output.status, times.next(), times.next()) {
        (Some(0), Some(cpu), Some(wall)) => Ok([cpu, wall]),
        _ => Err(output.stderr.lines().next().unwrap_or("failed without a message").to_owned()),
    }
}

/// What is loaded into a program.
pub struct Load {
    /// The row's name in the table.
    pub name: &'static str,
    environment: Vec<String>,
    /// CPU time of the whole process.
    pub cpu: Samples,
}

impl Load {
    /// The library with these settings.
    pub fn new(name: &'static str, library: &Path, way: Way) -> Load {
        Load { name, environment: preload(library, way), cpu: Samples::default() }
    }
}

/// Runs /bin/true with each of these loaded.
pub fn loads(loads: &mut [Load]) {
    for _ in 0..LOAD_ROUNDS {
        for load in &mut *loads {
            load.cpu.push(cpu_of_true(&load.environment));
        }
    }
}

/// The CPU time of /bin/true.
fn cpu_of_true(environment: &[String]) -> f64 {
    let mut run = Run::bare("/bin/true");
    for assignment in environment {
        let (name, value) = assignment.split_once('=').expect("an assignment");
        run = run.env(name, value);
    }
    cpu_of(run)
}

/// Returns the CPU time of a program, user and system, from its start to its end, in microseconds.
pub fn cpu_of(run: Run) -> f64 {
    // std starts it with posix_spawn(3).
    let (output, usage) = run.start().output_and_usage();
    assert_eq!(output.status, Some(0), "{output:?}");
    cpu_in_us(&usage)
}

/// Returns the CPU time, user and system, in microseconds.
pub fn cpu_in_us(usage: &libc::rusage) -> f64 {
    let time = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Returns the library of the package libeatmydata1 if it is installed.
pub fn eatmydata() -> Option<PathBuf> {
    let places = std::fs::read_dir("/usr/lib").ok()?;
    places
        .filter_map(|place| Some(place.ok()?.path().join("libeatmydata.so")))
        .find(|library| library.is_file())
}

/// Returns the share of the CPUs' time that is used while this process sleeps for a second.
pub fn others_cpu_share() -> f64 {
    // Ticks: of all kinds, and of the fourth and fifth, idle and waiting for a disk.
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/stat").expect("there is /proc");
        let words = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
        (ticks.iter().sum::<f64>(), ticks[3] + ticks[4])
    };
    let (all, idle) = ticks();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let (all_after, idle_after) = ticks();
    1.0 - (idle_after - idle) / (all_after - all).max(1.0)
}

/// Reports whether strace is installed.
pub fn has_strace() -> bool {
    find_program("strace").is_some()
}

//! The supervisor: its calls against those of strace, and what its filter costs programs that do not
//! copy. All that is compared runs in turns; CPU time is that of all processes, because the launcher
//! waits for the supervisor.

use crate::exact::{Calls, Driver, Goal, at_most};
use crate::timed::{Samples, cpu_in_us, cpu_of, printed};
use cfr_testkit::{Run, compile, find_program, launcher, project};
use std::fs;

const ROUNDS: usize = 9;
/// Calls of the driver in each round, so many that the start of the launcher is less than 2 % of them.
const MANY: u32 = 10_000;
/// Calls of 1 MiB.
const LARGE: u32 = 2_000;
/// Calls that copy nothing.
const QUICK: u32 = 1_000_000;

/// 4 KiB with offset pointers.
const PAGE: Calls = Calls("page");
/// 1 MiB with offset pointers.
const MEBIBYTE: Calls = Calls("mebibyte");

const WITH_LINE: &[&str] = &["CFR", "trace", "--reach", "all", "--wait-all", "-o", "LOG"];
const WITHOUT_LINE: &[&str] = &["CFR", "run", "--reach", "all", "--wait-all"];
const BY_LIBRARY: &[&str] = &["CFR", "run", "--reach", "preload", "--wait-all"];
const STRACE: &[&str] =
    &["strace", "-f", "--seccomp-bpf", "-e", "trace=copy_file_range", "-o", "LOG"];
const STRACE_WITH_PATHS: &[&str] = &[
    "strace",
    "-f",
    "--seccomp-bpf",
    "-y",
    "-T",
    "-ttt",
    "-e",
    "trace=copy_file_range",
    "-o",
    "LOG",
];
const BARE: &[&str] = &["env"];

/// Two ways to run the same calls of the static driver, and the goals of CPU and wall-clock time.
struct Comparison {
    name: &'static str,
    ours: &'static [&'static str],
    theirs: &'static [&'static str],
    calls: Calls,
    count: u32,
    goals: [Goal; 2],
}

const COMPARISONS: [Comparison; 7] = [
    Comparison {
        name: "line with paths, NULL offsets, against strace -y -T -ttt",
        ours: WITH_LINE,
        theirs: STRACE_WITH_PATHS,
        calls: Calls::COPY,
        count: MANY,
        goals: [at_most(0.6), at_most(0.6)],
    },
    Comparison {
        name: "line with paths, offsets, against strace -y -T -ttt",
        ours: WITH_LINE,
        theirs: STRACE_WITH_PATHS,
        calls: Calls::APART,
        count: MANY,
        goals: [at_most(0.65), at_most(0.65)],
    },
    Comparison {
        name: "line with paths, offsets, 4 KiB, against strace -y -T -ttt",
        ours: WITH_LINE,
        theirs: STRACE_WITH_PATHS,
        calls: PAGE,
        count: MANY,
        goals: [at_most(0.65), at_most(0.65)],
    },
    Comparison {
        name: "no line, NULL offsets, against strace",
        ours: WITHOUT_LINE,
        theirs: STRACE,
        calls: Calls::COPY,
        count: MANY,
        goals: [at_most(0.5), at_most(0.65)],
    },
    Comparison {
        name: "no line, offsets, against strace",
        ours: WITHOUT_LINE,
        theirs: STRACE,
        calls: Calls::APART,
        count: MANY,
        goals: [at_most(0.5), at_most(0.65)],
    },
    Comparison {
        name: "no line, offsets, 4 KiB, against strace",
        ours: WITHOUT_LINE,
        theirs: STRACE,
        calls: PAGE,
        count: MANY,
        goals: [at_most(0.5), at_most(0.65)],
    },
    Comparison {
        name: "no line, 1 MiB, against bare",
        ours: WITHOUT_LINE,
        theirs: BARE,
        calls: MEBIBYTE,
        count: LARGE,
        goals: [at_most(1.05), at_most(1.05)],
    },
];

/// A program that does not copy, as words of sh(1), and its goal.
const PROGRAMS: [(&str, &str, Goal); 4] = [
    ("find", "find /usr -size +1k >/dev/null", at_most(1.03)),
    ("grep", "grep -rI no-such-word /usr/include /usr/share /usr/lib/gcc; true", at_most(1.03)),
    (
        "a compiler",
        "for i in 1 2 3 4 5; do cc -O2 -D_GNU_SOURCE -c -o /dev/null c-tests/bench/calls.c; done",
        at_most(1.03),
    ),
    (
        "a shell loop that starts programs",
        "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done",
        at_most(1.15),
    ),
];

/// Notifications of a call of the library.
const NOTIFICATIONS: Goal = 0.0..=0.0;
/// Nanoseconds that the filter adds to a system call which does not copy.
const ANOTHER_CALL_NS: Goal = at_most(60.0);
/// A call of the library under the filter against the same without.
const PRELOADED: Goal = at_most(1.1);

/// A name, the figure or why there is none, details, and the goal.
pub type SupervisedFigure = (String, Result<f64, String>, String, Option<Goal>);

/// Measures every figure.
pub fn measure(driver: &Driver) -> Vec<SupervisedFigure> {
    if find_program("strace").is_none() {
        return vec![(
            "supervised".to_owned(),
            Err("strace is not installed".to_owned()),
            String::new(),
            None,
        )];
    }
    let program = compile("bench/calls.c", "bench_calls_static", &["-static"]);
    let program = program.display().to_string();
    let mut figures = Vec::new();
    for comparison in &COMPARISONS {
        figures.extend(comparison.measure(driver, &program));
    }
    figures.push(preloaded(driver));
    figures.push(notifications(driver, &program));
    figures.push(another_call(driver, &program));
    figures.extend(
        PROGRAMS.iter().map(|(name, script, goal)| program_figure(driver, name, script, goal)),
    );
    figures
}

impl Comparison {
    fn measure(&self, driver: &Driver, program: &str) -> Vec<SupervisedFigure> {
        let Comparison { name, ours, theirs, calls, count, goals } = self;
        let mut samples = [[Samples::default(), Samples::default()], Default::default()];
        for _ in 0..ROUNDS {
            for (way, [cpu, wall]) in [ours, theirs].into_iter().zip(&mut samples) {
                let words = words_of(driver, program, *calls, *count);
                let (of_all, [_, of_calls]) = run(driver, way, &words, *count);
                cpu.push(of_all);
                wall.push(of_calls);
            }
        }
        let [[our_cpu, our_wall], [their_cpu, their_wall]] = samples;
        let kinds = [("CPU", our_cpu, their_cpu), ("time", our_wall, their_wall)];
        let figures = kinds.into_iter().zip(goals).map(|((kind, ours, theirs), goal)| {
            let (ratio, detail) = ratio(ours, theirs);
            (format!("supervised, {name}: {kind}"), Ok(ratio), detail, Some(goal.clone()))
        });
        figures.collect()
    }
}

/// The library's own call under the filter, which passes it by its mark.
fn preloaded(driver: &Driver) -> SupervisedFigure {
    let mut samples = [Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        for (way, samples) in [WITHOUT_LINE, BY_LIBRARY].into_iter().zip(&mut samples) {
            let (_, [cpu, _]) = run(driver, way, &driver.words(PAGE, 10 * MANY), 10 * MANY);
            samples.push(cpu);
        }
    }
    let [under, without] = samples;
    let (ratio, detail) = ratio(under, without);
    let name = "supervised, a preloaded call of 4 KiB: CPU against the same without the filter";
    (name.to_owned(), Ok(ratio), detail, Some(PRELOADED))
}

/// How many calls of the library the supervisor receives. strace counts its answers.
fn notifications(driver: &Driver, program: &str) -> SupervisedFigure {
    const CALLS: u32 = 500;
    let count = |words: &[String]| {
        let log = driver.file("answers");
        let strace = Run::bare("strace").args(["-f", "-e", "trace=ioctl", "-o"]).args([&log]);
        strace.args(with_places(driver, WITHOUT_LINE)).args(words).ok();
        let log = fs::read_to_string(log).expect("strace has written it");
        log.matches("SECCOMP_IOCTL_NOTIF_SEND").count() as f64
    };
    // What the library asks at its start is the same in both runs.
    let of_a_call = |words: &dyn Fn(u32) -> [String; 4]| {
        (count(&words(2 * CALLS)) - count(&words(CALLS))) / f64::from(CALLS)
    };
    let preloaded = of_a_call(&|count| driver.words(PAGE, count));
    let supervised = of_a_call(&|count| words_of(driver, program, PAGE, count));
    let detail = format!("static program: {supervised}");
    let name = "supervised, a preloaded call: notifications";
    (name.to_owned(), Ok(preloaded), detail, Some(NOTIFICATIONS))
}

/// A system call that does not copy.
fn another_call(driver: &Driver, program: &str) -> SupervisedFigure {
    let mut samples = [Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        for (way, samples) in [WITHOUT_LINE, BARE].into_iter().zip(&mut samples) {
            let words = words_of(driver, program, Calls::ANOTHER_NUMBER, QUICK);
            let (_, [cpu, _]) = run(driver, way, &words, QUICK);
            samples.push(cpu * 1000.0);
        }
    }
    let [mut filtered, mut bare] = samples;
    let detail = format!("by minima {:.0}", filtered.more_in_minimum(&mut bare));
    let name = "supervised, another system call: ns of CPU added";
    (name.to_owned(), Ok(filtered.more_in_median(&mut bare)), detail, Some(ANOTHER_CALL_NS))
}

/// A program that does not copy, against bare.
fn program_figure(driver: &Driver, name: &str, script: &str, goal: &Goal) -> SupervisedFigure {
    let mut samples = [Samples::default(), Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        for (way, samples) in [WITHOUT_LINE, BY_LIBRARY, BARE].into_iter().zip(&mut samples) {
            let words = with_places(driver, way);
            let run = Run::bare(&words[0]).args(&words[1..]).args(["sh", "-c", script]);
            samples.push(cpu_of(run.within(project())));
        }
    }
    let [under, mut by_library, mut bare] = samples;
    let library = by_library.quantile(0.5) / bare.quantile(0.5);
    let (ratio, detail) = ratio(under, bare);
    let detail = format!("{detail}, the library alone {library:.2}");
    (format!("supervised, {name}: CPU against bare"), Ok(ratio), detail, Some(goal.clone()))
}

/// The driver's command line, of another build of it.
fn words_of(driver: &Driver, program: &str, calls: Calls, count: u32) -> [String; 4] {
    let [_, rest @ ..] = driver.words(calls, count);
    let [calls, count, directory] = rest;
    [program.to_owned(), calls, count, directory]
}

/// Returns the CPU time of all processes of a run for each call in microseconds, and CPU and
/// wall-clock time of a call as the driver measures them.
fn run(driver: &Driver, way: &[&str], words: &[String], count: u32) -> (f64, [f64; 2]) {
    let _ = fs::remove_file(driver.file("log"));
    let way = with_places(driver, way);
    let run = Run::bare(&way[0]).args(&way[1..]).args(words);
    let (output, usage) = run.start().output_and_usage();
    let cpu = cpu_in_us(&usage) / f64::from(count);
    (cpu, printed(&output, count).expect("the driver runs"))
}

fn with_places(driver: &Driver, words: &[&str]) -> Vec<String> {
    let place = |&word: &&str| match word {
        "CFR" => launcher().display().to_string(),
        "LOG" => driver.file("log").display().to_string(),
        word => word.to_owned(),
    };
    words.iter().map(place).collect()
}

fn ratio(mut ours: Samples, mut theirs: Samples) -> (f64, String) {
    let [median, minimum] = [0.5, 0.0].map(|share| ours.quantile(share) / theirs.quantile(share));
    let us = [&mut ours, &mut theirs].map(|samples| samples.quantile(0.5));
    (median, format!("by minima {minimum:.2}, {:.1} us : {:.1} us", us[0], us[1]))
}

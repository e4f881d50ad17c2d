//! The library beside other tools: one workload, one run, in turns. A figure is the time of a call
//! under a tool divided by the time of a bare call.

use crate::exact::{Calls, Driver, Way};
use crate::timed::{Samples, time_of};
use cfr_testkit::{Run, find_program};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};

const ROUNDS: usize = 11;
/// Calls of the driver in each round, for tools that take less than 10 us a call.
const MANY: u32 = 20_000;
/// The same for the others.
const FEW: u32 = 1_000;

/// One probe as the call begins and one as it returns, as strace has.
const BPFTRACE: &str = "tracepoint:syscalls:sys_enter_copy_file_range /pid == cpid/ \
     { @len[tid] = args->len; } \
     tracepoint:syscalls:sys_exit_copy_file_range /pid == cpid/ \
     { printf(\"copy_file_range(%d) = %d\\n\", @len[tid], args->ret); delete(@len[tid]); }";

/// As root: perf and bpftrace need tracefs, which is mounted for them alone.
const WITH_TRACEFS: &str = "mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; exec \"$@\"";

/// How the driver runs.
enum Tool {
    /// With the library, or bare.
    Library(Way),
    /// Under a program, which is given the driver's command line at its end.
    Before(&'static [&'static str]),
    /// The same, and the program needs tracefs.
    BeforeWithTracefs(&'static [&'static str]),
    /// Under bpftrace, which takes a command line as one word.
    Bpftrace,
}

/// One row: a name, the tool, calls in each round.
struct Row {
    name: &'static str,
    tool: Tool,
    calls: u32,
    /// Why the tool logs no call, if it cannot.
    sees_nothing: Option<&'static str>,
}

impl Row {
    const fn new(name: &'static str, tool: Tool, calls: u32) -> Row {
        Row { name, tool, calls, sees_nothing: None }
    }
}

const ROWS: [Row; 9] = [
    Row {
        sees_nothing: Some("CFR_LOG=off"),
        ..Row::new("libcfr, CFR_LOG=off", Tool::Library(Way::OFF), MANY)
    },
    Row::new("libcfr, text log with paths", Tool::Library(crate::WITH_PATHS), MANY),
    Row::new(
        "libcfr, JSON log with paths",
        Tool::Library(Way(Some(&["CFR_LOG_FORMAT=json"]))),
        MANY,
    ),
    Row::new(
        "strace -f --seccomp-bpf -e trace=copy_file_range",
        Tool::Before(&[
            "strace",
            "-f",
            "--seccomp-bpf",
            "-e",
            "trace=copy_file_range",
            "-o",
            "LOG",
        ]),
        FEW,
    ),
    Row::new(
        "strace -f -y -T -e trace=copy_file_range",
        Tool::Before(&["strace", "-f", "-y", "-T", "-e", "trace=copy_file_range", "-o", "LOG"]),
        FEW,
    ),
    Row::new(
        "ltrace -f -e copy_file_range",
        Tool::Before(&["ltrace", "-f", "-e", "copy_file_range", "-o", "LOG"]),
        FEW,
    ),
    Row::new(
        "perf trace -e copy_file_range",
        Tool::BeforeWithTracefs(&["perf", "trace", "-e", "copy_file_range", "-o", "LOG"]),
        FEW,
    ),
    Row::new("bpftrace, tracepoints, printf", Tool::Bpftrace, FEW),
    Row {
        sees_nothing: Some("libfiu has no failure point for copy_file_range"),
        ..Row::new("fiu-run -x", Tool::Before(&["fiu-run", "-x", "-f", ""]), MANY)
    },
];

/// A name, the ratio or why there is none, and details.
pub type ToolFigure = (String, Result<f64, String>, String);

/// Every row, compared with the bare calls.
pub fn measure(driver: &Driver) -> Vec<ToolFigure> {
    let mut bare = Samples::default();
    let mut rows = ROWS.map(|row| (row, Ok(Samples::default()), 1.0));
    for _ in 0..ROUNDS {
        let time = time_of(Tool::Library(Way::BARE).run(driver, MANY), MANY);
        bare.push(time.expect("the driver runs")[1]);
        for (row, samples, logged) in &mut rows {
            let Ok(measured) = samples else { continue };
            match row.time(driver) {
                Ok((time, share)) => {
                    measured.push(time);
                    *logged = share.min(*logged);
                }
                Err(reason) => *samples = Err(reason),
            }
        }
    }
    let figures = rows.into_iter().map(|(row, samples, logged)| {
        let name = format!("comparison, {}: time of a call against bare", row.name);
        let mut detail = String::new();
        let ratio = samples.map(|mut samples| {
            let by_minima = samples.quantile(0.0) / bare.quantile(0.0);
            let added = samples.more_in_median(&mut bare);
            detail = format!("by minima {by_minima:.2}, {added:.1} us added, ");
            detail += &row.sees_nothing.map_or_else(
                || format!("{:.0} % of the calls logged", logged * 100.0),
                str::to_owned,
            );
            samples.quantile(0.5) / bare.quantile(0.5)
        });
        (name, ratio, detail)
    });
    figures.collect()
}

impl Row {
    /// Microseconds per call, and the share of the calls that the tool logged.
    fn time(&self, driver: &Driver) -> Result<(f64, f64), String> {
        for program in self.tool.programs() {
            find_program(program).ok_or(format!("{program} is not installed"))?;
        }
        let log = driver.file("log");
        let _ = fs::remove_file(&log);
        let [_, wall] = time_of(self.tool.run(driver, self.calls), self.calls)?;
        if self.sees_nothing.is_some() {
            return Ok((wall, 1.0));
        }
        let log = File::open(&log).map_err(|error| format!("no log: {error}"))?;
        let lines = BufReader::new(log).split(b'\n').map_while(Result::ok);
        let calls = lines.filter(|line| line.windows(15).any(|word| word == b"copy_file_range"));
        match calls.count() {
            0 => Err("ran, but logged no call".to_owned()),
            count => Ok((wall, count as f64 / f64::from(self.calls))),
        }
    }
}

impl Tool {
    /// The programs that must be installed.
    fn programs(&self) -> Vec<&'static str> {
        match self {
            Tool::Library(_) => vec![],
            Tool::Before(words) => vec![words[0]],
            Tool::BeforeWithTracefs(words) => vec![words[0], "unshare"],
            Tool::Bpftrace => vec!["bpftrace", "unshare"],
        }
    }

    fn run(&self, driver: &Driver, calls: u32) -> Run {
        let log = driver.file("log").display().to_string();
        let command = driver.words(Calls::COPY, calls);
        let with_log = |words: &[&str]| {
            let words = words.iter().map(|&word| if word == "LOG" { &log } else { word });
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        match self {
            Tool::Library(way) => Run::bare("env").args(driver.environment(*way)).args(command),
            Tool::Before(words) => {
                let words = with_log(words);
                Run::bare(&words[0]).args(&words[1..]).args(command)
            }
            Tool::BeforeWithTracefs(words) => with_tracefs().args(with_log(words)).args(command),
            Tool::Bpftrace => {
                let words = ["bpftrace", "-e", BPFTRACE, "-o", "LOG", "-c", &command.join(" ")];
                with_tracefs().args(with_log(&words))
            }
        }
    }
}

/// Runs what follows in a mount namespace of its own; without the right to make one, as it is.
fn with_tracefs() -> Run {
    Run::bare("unshare").args(["-m", "sh", "-c", WITH_TRACEFS, "sh"])
}

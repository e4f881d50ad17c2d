//! `cfr sweep`: the program once for each fault that its copies may meet, and what became of it.
//!
//! A file uses only what stands above it in this list.

mod fault;

mod cleanup;

mod process;

mod work_dir;

mod runner;

mod positions;

mod baseline;

mod case;

mod outcome;

mod pool;

mod report;

mod text;

mod junit;

use crate::cli::{ReportFormat, SweepArgs};
use crate::run::environment;
use crate::run::shared_stats;
use crate::term::failure::{Failure, plain, told};
use crate::term::inherited::is_ignored;
use crate::term::json;
use crate::term::stdout;
use crate::term::whole_file::WholeFile;
use baseline::Baseline;
use case::Point;
use cfr_shared::inject::Faults;
use fault::{Fault, Word};
use pool::Trial;
use report::{Report, Row, Spot, Without};
use runner::Bench;
use serde::Serialize;
use signal_hook::consts::signal::SIGCHLD;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Some point is bad.
const BAD: u8 = 1;

/// Tries all points and reports: 0 where none is bad.
pub(crate) fn run(args: &SweepArgs) -> Result<u8, Failure> {
    cleanup::guard()?;
    survive()?;
    let hooks = environment::check_rules(&args.settings)?;
    let faults = words("--faults", &args.faults)?;
    let must_pass = words("--must-pass", &args.must_pass)?;
    let signal = signal(&args.signal)?;
    let is_reported = |_: &&Path| !args.list;
    let json_file = file(args.json.as_deref().filter(is_reported))?;
    let junit_file = file(args.junit.as_deref().filter(is_reported))?;
    let mut bench = Bench::new(args)?;
    let baseline = baseline::run(&mut bench, args.timeout, hooks)?;
    let points = case::all(&baseline.used, &faults);
    if points.is_empty() {
        return Err(Failure::new("none of --faults can hit one of its calls"));
    }
    if args.list {
        let spots: Vec<_> =
            points.iter().map(|point| Spot::new(point, signal.0, args, bench.named())).collect();
        return list(&spots, &baseline, args);
    }
    let report = tried(&bench, args, &baseline, &points, &must_pass, signal)?;
    if let Some(file) = &json_file {
        write(file, &json::written(&report)?)?;
    }
    if let Some(file) = &junit_file {
        write(file, &junit::written(&report)?)?;
    }
    stdout::write(&match args.format {
        ReportFormat::Text => text::written(&report),
        ReportFormat::Json => json::written(&report)?,
    })?;
    Ok(if report.bad > 0 { BAD } else { 0 })
}

fn tried(
    bench: &Bench,
    args: &SweepArgs,
    baseline: &Baseline,
    points: &[Point],
    must_pass: &[Word],
    signal: (&str, i32),
) -> Result<Report, Failure> {
    let must_pass = |point: &Point| must_pass.iter().any(|word| word.means(&point.fault));
    let trial = Trial { bench, limit: baseline.limit, signal, must_pass: &must_pass };
    let begun = Instant::now();
    let rows = pool::run(points, jobs(args), &trial, |point, tried| {
        Row::new(Spot::new(point, signal.0, args, bench.named()), tried, baseline.limit, args.keep)
    })?;
    Ok(Report::new(args, baseline, begun.elapsed(), rows))
}

/// The faults of these names.
fn words(option: &str, names: &[String]) -> Result<Vec<Word>, Failure> {
    let word = |name: &String| {
        let word = Word::by_name(name).filter(|word| match word {
            Word::One(fault @ Fault::Short(_)) => Faults::parse(fault.name().as_bytes()).is_ok(),
            _ => true,
        });
        word.ok_or_else(|| {
            Failure::new(format!(
                "{option}: '{}' is no fault; legal: names of errors as EIO, short, short=BYTES or N%, zero, signal, \
                 default or all, with commas between",
                plain(name)
            ))
        })
    };
    names.iter().map(word).collect()
}

/// The signal of that name, with SIG before it or without: its name and its number.
fn signal(word: &str) -> Result<(&'static str, i32), Failure> {
    let bare = word.strip_prefix("SIG").unwrap_or(word);
    let named = |number| {
        let name = signal_hook::low_level::signal_name(number)?;
        (name.strip_prefix("SIG") == Some(bare)).then_some((name, number))
    };
    (1..=31).find_map(named).ok_or_else(|| {
        let word = plain(word);
        Failure::new(format!(
            "--signal: '{word}' is no signal; legal: names as in signal(7), SIGURG"
        ))
    })
}

/// In one directory one after the other.
fn jobs(args: &SweepArgs) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    if args.fresh { args.jobs.unwrap_or_else(processors) } else { 1 }
}

/// `--list`.
fn list(spots: &[Spot], baseline: &Baseline, args: &SweepArgs) -> Result<u8, Failure> {
    #[derive(Serialize)]
    struct List<'a> {
        baseline: Without,
        points: &'a [Spot],
    }
    stdout::write(&match args.format {
        ReportFormat::Text => text::listed(spots),
        ReportFormat::Json => {
            json::written(&List { baseline: Without::new(baseline), points: spots })?
        }
    })
}

/// What was ignored when the launcher was started must not keep it from waiting.
fn survive() -> Result<(), Failure> {
    let survived = shared_stats::survive_size_limit().and_then(|()| {
        if is_ignored(SIGCHLD) {
            signal_hook::flag::register(SIGCHLD, Arc::default())?;
        }
        Ok(())
    });
    survived.map_err(|error| Failure::new(format!("cannot watch for signals: {}", told(&error))))
}

/// A file for the report; an earlier one is gone from here on.
fn file(path: Option<&Path>) -> Result<Option<WholeFile>, Failure> {
    let open = |path| WholeFile::open(path).map_err(|error| cannot_write(path, &error));
    path.map(open).transpose()
}

fn write(file: &WholeFile, text: &str) -> Result<(), Failure> {
    file.write(text).map_err(|error| cannot_write(file.path(), &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {}", plain(path), told(error)))
}

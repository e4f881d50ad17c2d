//! The report as text: under each heading one line for each fact, in columns.

use super::shown_name::{known, name, path};
use super::summaries::{FirstRun, Summaries};
use super::summary::{LogSummary, MethodSpeed};
use super::sums::SlowCall;
use super::table::{Top, TopRow};
use super::tally::Tally;
use super::targets::{MethodBytes, NeverCopied, Target};
use crate::html::number::counted;
use crate::term::fit::{self, Last, Row};
use cfr_shared::format::{Bytes, Time};

/// Returns the report for a terminal with these columns; `None` for any width.
pub(super) fn render(summary: &LogSummary, columns: Option<usize>) -> String {
    let mut sections = vec![("log", log(summary))];
    if summary.summaries.totals.count > 0 {
        sections.insert(0, ("summaries", summaries(&summary.summaries)));
        if summary.is_of_summaries() {
            return joined(&sections, columns);
        }
    }
    if summary.all.calls == 0 {
        let mut grid = Grid::default();
        without_result(&mut grid, summary);
        sections.insert(0, ("no calls", grid));
        return joined(&sections, columns);
    }
    sections.insert(0, ("calls", calls(summary)));
    sections.insert(1, ("time of a call", latency(summary)));
    sections.push(("by method", methods(&summary.methods)));
    let hooks = tallies(&summary.hooks, "hooks", |row| {
        Last::Text(match &row.request {
            Some(request) => format!("{} {}", name(&row.hook), name(request)),
            None => name(&row.hook),
        })
    });
    sections.push(("by hook", hooks));
    let programs =
        tallies(&summary.programs, "programs", |row| Last::Text(known(row.comm.as_deref())));
    sections.push(("by program", programs));
    if !summary.failures.is_empty() {
        sections.push(("errors", errors(summary)));
    }
    if let Some(never) = summary.never_copied.as_ref().filter(|never| never.count > 0) {
        sections.push(("never copied: every call was refused", never_copied(never)));
    }
    sections.push(("slowest calls", slowest(&summary.slowest)));
    let heading = format!("target, by {}, and how its bytes came", summary.by);
    sections.push((&heading, targets(&summary.targets)));
    let heading = format!("source -> target, by {}", summary.by);
    let pairs = tallies(&summary.pairs, "pairs", |row| {
        from_to(row.source.as_deref(), row.target.as_deref())
    });
    sections.push((&heading, pairs));
    let mut text = joined(&sections, columns);
    if summary.pairs.distinct.is_none() {
        let off = summary.pairs.off_by_at_most;
        let off = match summary.by {
            "bytes" => Bytes(off).to_string(),
            "time" => duration(off),
            what => format!("{off} {what}"),
        };
        let note = format!(
            "  There are too many pairs for one row each: a row with + may miss up to {off}."
        );
        fit::write_text(&mut text, &note, columns);
    }
    text
}

/// Lines of cells, and a last column for each.
#[derive(Default)]
struct Grid {
    lines: Vec<(Vec<String>, Last)>,
    /// Whether the cells are numbers, aligned to the right.
    numbers: bool,
}

impl Grid {
    /// Creates a table of numbers under these headings.
    fn numbers<const N: usize>(head: [&str; N]) -> Grid {
        Grid { lines: vec![(head.map(str::to_owned).to_vec(), Last::None)], numbers: true }
    }

    /// Adds a label and its value.
    fn fact(&mut self, label: &str, value: impl ToString) {
        self.lines.push((vec![label.to_owned()], Last::Text(value.to_string())));
    }

    fn write(&self, text: &mut String, columns: Option<usize>) {
        let count = self.lines.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0);
        let width = |at: usize| {
            let cells = self.lines.iter().filter_map(|(cells, _)| cells.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..count).map(width).collect();
        let head = |cells: &[String]| {
            cells.iter().zip(&widths).fold("  ".to_owned(), |head, (cell, &width)| {
                match self.numbers {
                    true => format!("{head}{cell:>width$}  "),
                    false => format!("{head}{cell:width$}  "),
                }
            })
        };
        let rows =
            self.lines.iter().map(|(cells, last)| Row { head: head(cells), last: last.clone() });
        fit::write(text, &rows.collect::<Vec<_>>(), "", columns);
    }
}

fn joined(sections: &[(&str, Grid)], columns: Option<usize>) -> String {
    let mut text = String::new();
    for (heading, grid) in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(heading);
        text.push('\n');
        grid.write(&mut text, columns);
    }
    text
}

fn calls(summary: &LogSummary) -> Grid {
    let mut grid = Grid::default();
    grid.fact("calls", summary.all.calls);
    grid.fact("bytes", Bytes(summary.all.bytes));
    grid.fact("copies", in_time(summary.all.copies, summary.all.copy_ns));
    grid.fact("errors", in_time(summary.all.errors, summary.counts.errors_ns));
    grid.fact("returned 0", in_time(summary.counts.zero, summary.counts.zero_ns));
    for (label, count) in [
        ("differed (dedupe)", summary.counts.differ),
        ("faults injected", summary.counts.injected),
        ("delayed by faults", summary.counts.delayed),
    ] {
        if count > 0 {
            grid.fact(label, count);
        }
    }
    for (label, calls, bytes) in [
        ("shared", summary.counts.shared, summary.counts.shared_bytes),
        ("not shared", summary.counts.not_shared, summary.counts.not_shared_bytes),
    ] {
        if calls > 0 {
            grid.fact(label, format!("{} in {}", Bytes(bytes), counted(calls, "call")));
        }
    }
    without_result(&mut grid, summary);
    grid.fact("processes", summary.processes);
    grid.fact("first call", summary.first.as_deref().unwrap_or_default());
    grid.fact("last call's end", summary.last.as_deref().unwrap_or_default());
    grid.fact("from first to last", duration(summary.span_us.saturating_mul(1_000)));
    grid.fact("within calls", duration(summary.all.time_ns));
    for (label, speed) in [
        ("speed within calls", summary.bytes_per_second.in_calls),
        ("speed overall", summary.bytes_per_second.overall),
    ] {
        if let Some(speed) = speed {
            grid.fact(label, per_second(speed));
        }
    }
    grid
}

/// Adds the calls that are in no other sum.
fn without_result(grid: &mut Grid, summary: &LogSummary) {
    for (label, count) in
        [("let through", summary.counts.let_through), ("unfinished", summary.counts.unfinished)]
    {
        if count > 0 {
            grid.fact(label, count);
        }
    }
}

fn log(summary: &LogSummary) -> Grid {
    let mut grid = Grid::default();
    grid.fact("messages", summary.messages);
    if let Some(first) = &summary.empty.first {
        grid.fact("empty logs", format!("{}, the first is {first}", summary.empty.count));
    }
    if summary.left_out > 0 {
        grid.fact("lines left out", summary.left_out);
    }
    grid.fact("lines lost", summary.lost);
    let foreign = &summary.foreign;
    grid.fact(
        "lines not of a log",
        match &foreign.first {
            Some(position) => {
                format!("{}, the first at {}:{}", foreign.count, position.log, position.line)
            }
            None => foreign.count.to_string(),
        },
    );
    grid
}

fn latency(summary: &LogSummary) -> Grid {
    let mut grid = Grid::default();
    if let Some(latency) = &summary.latency_ns {
        for (label, time) in [
            ("50 % up to", latency.p50),
            ("90 %", latency.p90),
            ("99 %", latency.p99),
            ("99.9 %", latency.p99_9),
            ("the slowest", latency.max),
        ] {
            grid.fact(label, duration(time));
        }
    }
    grid
}

/// Returns a count, and the time in these calls if there were any.
fn in_time(count: u64, time_ns: u64) -> String {
    if count == 0 { "0".to_owned() } else { format!("{count}, in {}", duration(time_ns)) }
}

/// Returns a row for each method. Shared blocks take no time for a byte, so they have no speed.
fn methods(methods: &Top<MethodSpeed>) -> Grid {
    let mut grid = Grid::numbers(["calls", "copies", "bytes", "errors", "time", "speed"]);
    for TopRow { key: MethodSpeed { method, bytes_per_second }, tally, .. } in &methods.rows {
        let cells = vec![
            tally.calls.to_string(),
            tally.copies.to_string(),
            Bytes(tally.bytes).to_string(),
            tally.errors.to_string(),
            duration(tally.time_ns),
            bytes_per_second.map_or_else(|| "-".to_owned(), per_second),
        ];
        grid.lines.push((cells, Last::Text(name(method))));
    }
    grid
}

/// Returns the rows of a table under the names of its columns, and a row for all others.
fn tallies<K>(top: &Top<K>, what: &str, shown: impl Fn(&K) -> Last) -> Grid {
    let mut grid = Grid::numbers(["calls", "bytes", "errors", "time"]);
    let mut line = |tally: &Tally, mark: &str, last: Last| {
        let cells = [
            tally.calls.to_string(),
            Bytes(tally.bytes).to_string(),
            tally.errors.to_string(),
            duration(tally.time_ns),
        ];
        grid.lines.push((cells.map(|cell| cell + mark).to_vec(), last));
    };
    for row in &top.rows {
        line(&row.tally, if row.exact { "" } else { "+" }, shown(&row.key));
    }
    if top.others.calls > 0 {
        let others = match top.distinct {
            Some(distinct) => format!("({} other {what})", distinct.saturating_sub(top.rows.len())),
            None => format!("(other {what})"),
        };
        line(&top.others, "", Last::Text(others));
    }
    grid
}

/// Returns a row for each target with the methods by which its bytes came.
fn targets(top: &Top<Target>) -> Grid {
    tallies(top, "targets", |row| {
        let by = match &row.methods[..] {
            [] => "-".to_owned(),
            [only] => name(&only.method),
            several => {
                let part =
                    |one: &MethodBytes| format!("{} {}", name(&one.method), Bytes(one.bytes));
                several.iter().map(part).collect::<Vec<_>>().join(", ")
            }
        };
        let names = vec![path(row.target.as_deref())];
        Last::Names { names, width: 0, tail: format!(" ({by})") }
    })
}

fn never_copied(never: &NeverCopied) -> Grid {
    let mut grid = Grid::numbers(["refusals"]);
    for row in &never.rows {
        let target = Last::names([path(row.target.as_deref())]);
        grid.lines.push((vec![row.errors.to_string()], target));
    }
    let others = never.count.saturating_sub(never.rows.len() as u64);
    if others > 0 {
        let others = format!("({others} other targets)");
        grid.lines.push((vec![String::new()], Last::Text(others)));
    }
    grid
}

fn summaries(Summaries { totals, never_copied }: &Summaries) -> Grid {
    let mut grid = Grid::default();
    let of = totals.first.as_ref().map(|first| name(&first.program)).unwrap_or_default();
    grid.fact(
        "summaries",
        match totals.count {
            1 => format!("1, of {of}"),
            count => format!("{count}, the first of {of}"),
        },
    );
    if let Some(run) = totals.first.as_ref().and_then(FirstRun::described) {
        grid.fact(if totals.count == 1 { "run" } else { "first run" }, run);
    }
    grid.fact("calls", totals.calls);
    grid.fact("bytes", Bytes(totals.bytes));
    grid.fact("errors", totals.errors);
    grid.fact("within calls", duration(totals.time_ns));
    if totals.lost > 0 {
        grid.fact("lines lost", totals.lost);
    }
    let mut otherwise = match totals.written_otherwise {
        Some(bytes) => format!("{} by write(2) and its like", Bytes(bytes)),
        None => "unknown".to_owned(),
    };
    if totals.written_otherwise > Some(0) && totals.errors > 0 {
        otherwise.push_str(&format!(", after {}", counted(totals.errors, "refusal")));
    }
    if totals.written_otherwise.is_some() && totals.unknown > 0 {
        otherwise.push_str(&format!("; unknown in {} of {}", totals.unknown, totals.count));
    }
    grid.fact("written otherwise", otherwise);
    for row in &never_copied.rows {
        let (source, target) = (row.key.source.as_deref(), row.key.target.as_deref());
        let refusals = counted(row.tally.errors, "refusal");
        let cells = vec!["never copied".to_owned(), format!("{refusals}:")];
        grid.lines.push((cells, from_to(source, target)));
    }
    grid
}

fn errors(summary: &LogSummary) -> Grid {
    let mut grid = Grid::default();
    for failure in &summary.failures {
        grid.lines.push((vec![name(&failure.error), failure.calls.to_string()], Last::None));
        for broken in &failure.rules {
            let rule = format!("  {}", name(&broken.rule));
            let why = broken.why.as_deref().map(name).unwrap_or_default();
            grid.lines.push((vec![rule, broken.calls.to_string()], Last::Text(why)));
        }
    }
    grid
}

fn slowest(calls: &[SlowCall]) -> Grid {
    let mut grid =
        Grid::numbers(["duration", "begun", "pid", "program", "method", "len", "result"]);
    for call in calls {
        let result = match &call.error {
            Some(error) => name(error),
            None => Bytes(call.bytes).to_string(),
        };
        let cells = vec![
            duration(call.duration_ns),
            super::moment::rfc3339(call.time),
            call.pid.to_string(),
            known(call.comm.as_deref()),
            name(&call.method),
            call.len.map_or_else(|| "-".to_owned(), |len| Bytes(len).to_string()),
            result,
        ];
        grid.lines.push((cells, from_to(call.source.as_deref(), call.target.as_deref())));
    }
    grid
}

fn from_to(source: Option<&str>, target: Option<&str>) -> Last {
    Last::names([path(source), path(target)])
}

fn per_second(bytes: u64) -> String {
    format!("{}/s", Bytes(bytes))
}

fn duration(ns: u64) -> String {
    Time(ns).to_string()
}

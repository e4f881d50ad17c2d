//! The report as a page for a browser.

use super::charts;
use super::path_pair::PathPair;
use super::shown_name::{known, name, path};
use super::summaries::{FirstRun, Summaries};
use super::summary::{Failures, LogSummary};
use super::sums::SlowCall;
use super::table::{Top, TopRow};
use super::tally::Tally;
use super::targets::{MethodBytes, NeverCopied};
use crate::html::chart::Chart;
use crate::html::number::{counted, grouped, share};
use crate::html::page::{self, Figure};
use crate::html::table::{Cell, Head, Table, heads};
use crate::term::failure::Failure;
use askama::Template;
use cfr_shared::format::{Bytes, Time};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    summary: &'a LogSummary,
    figures: Vec<Figure>,
    notices: Vec<String>,
    timeline: Option<Chart>,
    /// The methods that the timeline has, with their styles.
    series: Vec<&'static str>,
    distributions: Vec<Chart>,
    percentiles: Vec<(&'static str, String)>,
    /// What the charts show, as numbers.
    slots: Table,
    bins: Vec<Table>,
    sections: Vec<Section>,
}

/// A table under its heading.
struct Section {
    title: &'static str,
    table: Table,
}

/// Renders the report of logs with these names.
pub(super) fn render(summary: &LogSummary, logs: &[String]) -> Result<String, Failure> {
    let has_calls = summary.all.calls > 0;
    page::render(&Page {
        title: format!("Copies in {}", logs.join(", ")),
        summary,
        figures: figures(summary),
        notices: notices(summary),
        series: charts::series(summary),
        percentiles: percentiles(summary),
        distributions: if has_calls { charts::distributions(summary) } else { Vec::new() },
        slots: charts::slot_table(summary),
        bins: charts::bin_tables(summary),
        timeline: charts::timeline(summary),
        sections: sections(summary),
    })
}

fn figures(summary: &LogSummary) -> Vec<Figure> {
    let mut figures = if summary.is_of_summaries() {
        figures_of_summaries(&summary.summaries)
    } else {
        figures_of_calls(summary)
    };
    let totals = &summary.summaries.totals;
    if totals.count > 0 {
        let shown = totals.written_otherwise.map(|bytes| Bytes(bytes).to_string());
        let after = match totals.errors {
            0 => String::new(),
            errors => format!("after {}", counted(errors, "refusal")),
        };
        let shown = shown.unwrap_or_else(|| "unknown".to_owned());
        figures.push(Figure::new("written otherwise", shown, after));
    }
    figures
}

fn figures_of_summaries(Summaries { totals, .. }: &Summaries) -> Vec<Figure> {
    let of = totals.first.as_ref().map(|first| name(&first.program)).unwrap_or_default();
    let of = if totals.count == 1 { format!("of {of}") } else { format!("the first of {of}") };
    vec![
        Figure::new("summaries", grouped(totals.count), of),
        Figure::new("copied", Bytes(totals.bytes).to_string(), counted(totals.bytes, "byte")),
        Figure::new("calls", grouped(totals.calls), String::new()),
        Figure::new("errors", grouped(totals.errors), String::new()),
        Figure::new("within calls", Time(totals.time_ns).to_string(), String::new()),
    ]
}

fn figures_of_calls(summary: &LogSummary) -> Vec<Figure> {
    let all = &summary.all;
    let processes = match summary.processes {
        1 => "1 process".to_owned(),
        count => format!("{} processes", grouped(count)),
    };
    let zero = match summary.counts.zero {
        0 => String::new(),
        count => format!("{} returned 0", counted(count, "call")),
    };
    let speed = |speed: Option<u64>| speed.map(|speed| format!("{}/s", Bytes(speed)));
    let in_calls = speed(summary.bytes_per_second.in_calls);
    let overall = speed(summary.bytes_per_second.overall);
    vec![
        Figure::new("copied", Bytes(all.bytes).to_string(), counted(all.bytes, "byte")),
        Figure::new("calls", grouped(all.calls), processes),
        Figure::new("errors", grouped(all.errors), zero),
        Figure::new(
            "from first to last",
            Time(summary.span_us.saturating_mul(1_000)).to_string(),
            overall.unwrap_or_default(),
        ),
        Figure::new("within calls", Time(all.time_ns).to_string(), in_calls.unwrap_or_default()),
    ]
}

/// Returns what a reader must know before the sums are trusted.
fn notices(summary: &LogSummary) -> Vec<String> {
    let mut notices = Vec::new();
    if summary.is_of_summaries() {
        notices.push("A summary has no single calls: only its sums are shown.".to_owned());
    } else if summary.all.calls == 0 {
        notices.push("The log has no calls.".to_owned());
    }
    if let Some(first) = &summary.empty.first {
        let logs = counted(summary.empty.count, "log");
        notices.push(format!("Empty: {logs}, the first is {first}."));
    }
    if summary.left_out > 0 {
        let lines = counted(summary.left_out, "line");
        notices.push(format!("By --path, --comm or --since, {lines} of the log are left out."));
    }
    if summary.lost > 0 {
        let lines = counted(summary.lost, "line");
        notices.push(format!("{lines} of the log were lost: the sums are too low."));
    }
    let foreign = &summary.foreign;
    if let Some(first) = &foreign.first {
        let lines = counted(foreign.count, "line");
        let first = format!("{}:{}", first.log, first.line);
        notices.push(format!("Not log lines: {lines}, the first at {first}."));
    }
    for (count, what) in [
        (summary.counts.injected, "had a fault injected"),
        (summary.counts.delayed, "were delayed by a fault"),
        (summary.counts.let_through, "were let through, with unknown results"),
        (summary.counts.unfinished, "did not return"),
        (summary.counts.differ, "found a difference in place of a duplicate"),
        (summary.counts.not_shared, "did not share the blocks"),
    ] {
        if count > 0 {
            notices.push(format!("Of the calls, {} {what}.", grouped(count)));
        }
    }
    let totals = &summary.summaries.totals;
    if let Some(run) = totals.first.as_ref().and_then(FirstRun::described) {
        let which = if totals.count == 1 { "The run" } else { "The first run" };
        notices.push(format!("{which} of the summaries: {run}"));
    }
    if totals.unknown > 0 {
        let (unknown, count) = (grouped(totals.unknown), grouped(totals.count));
        notices.push(format!(
            "What was written otherwise is unknown in {unknown} of {count} summaries."
        ));
    }
    if totals.lost > 0 {
        let lines = counted(totals.lost, "line");
        notices.push(format!("The summaries tell of {lines} of logs that were lost."));
    }
    if summary.pairs.distinct.is_none() {
        let most = grouped(summary.pairs.off_by_at_most);
        let unit = if summary.by == "time" { "ns" } else { summary.by };
        notices.push(format!(
            "There are too many pairs of paths for one row each: a row with + may miss up to {most} {unit}."
        ));
    }
    notices
}

fn percentiles(summary: &LogSummary) -> Vec<(&'static str, String)> {
    let Some(latency) = &summary.latency_ns else { return Vec::new() };
    [
        ("50 % up to", latency.p50),
        ("90 %", latency.p90),
        ("99 %", latency.p99),
        ("99.9 %", latency.p99_9),
        ("slowest", latency.max),
    ]
    .map(|(name, time)| (name, Time(time).to_string()))
    .into()
}

fn sections(summary: &LogSummary) -> Vec<Section> {
    let mut sections = Vec::new();
    let refused = &summary.summaries.never_copied;
    if !refused.rows.is_empty() {
        sections.push(refused_pairs(refused));
    }
    if summary.all.calls > 0 {
        sections.extend(sections_of_calls(summary));
    }
    sections
}

fn sections_of_calls(summary: &LogSummary) -> Vec<Section> {
    let all = summary.all;
    let mut sections = vec![Section {
        title: "Methods",
        table: Table {
            id: "methods",
            caption: "How the bytes were copied".to_owned(),
            heads: with_sums(&["method", "share of bytes"]),
            rows: summary
                .methods
                .rows
                .iter()
                .map(|row| {
                    let mut cells = vec![Cell::Name(name(&row.key.method))];
                    cells.push(Cell::Share(share(row.tally.bytes, all.bytes)));
                    cells.extend(sums(&row.tally, row.exact));
                    cells
                })
                .collect(),
            others: None,
            is_data: false,
        },
    }];
    if !summary.failures.is_empty() {
        sections.push(errors(&summary.failures));
    }
    let by = summary.by;
    sections.push(Section {
        title: "Files",
        table: tallies(
            ("pairs", "pair"),
            format!("By source and target, most {by} first"),
            &["source", "target"],
            &summary.pairs,
            |key| {
                let paths = [&key.source, &key.target];
                paths.map(|one| Cell::Code(path(one.as_deref()))).into()
            },
        ),
    });
    sections.push(Section {
        title: "Targets",
        table: tallies(
            ("targets", "target"),
            format!("By target, and how its bytes came; most {by} first"),
            &["target", "methods"],
            &summary.targets,
            |key| {
                let part = |MethodBytes { method, bytes }: &MethodBytes| match key.methods.len() {
                    1 => name(method),
                    _ => format!("{} {}", name(method), Bytes(*bytes)),
                };
                let methods: Vec<_> = key.methods.iter().map(part).collect();
                vec![Cell::Code(path(key.target.as_deref())), Cell::Text(methods.join(", "))]
            },
        ),
    });
    if let Some(never) = summary.never_copied.as_ref().filter(|never| never.count > 0) {
        sections.push(never_copied(never));
    }
    sections.push(slowest(summary));
    sections.push(Section {
        title: "Programs",
        table: tallies(
            ("programs", "program"),
            format!("By program, most {by} first"),
            &["program"],
            &summary.programs,
            |key| vec![Cell::Name(known(key.comm.as_deref()))],
        ),
    });
    sections.push(Section {
        title: "Hooks",
        table: tallies(
            ("hooks", "hook"),
            "By hook and request, most calls first".to_owned(),
            &["hook", "request"],
            &summary.hooks,
            |key| {
                let request = key.request.as_deref().map(name).unwrap_or_default();
                vec![Cell::Name(name(&key.hook)), Cell::Text(request)]
            },
        ),
    });
    sections
}

/// Returns the heads of columns for what is summed up, and for the sums.
fn with_sums(keys: &[&'static str]) -> Vec<Head> {
    let mut all: Vec<_> = keys.iter().map(|text| Head { text, number: false }).collect();
    all.extend(heads(["bytes", "calls", "errors", "time"].map(|text| (text, true))));
    all
}

/// Returns the cells of sums. Those of a row that is not exact have a plus sign.
fn sums(tally: &Tally, exact: bool) -> [Cell; 4] {
    let mark = if exact { "" } else { "+" };
    let number = |text: String, value| Cell::Number(format!("{text}{mark}"), value);
    [
        number(Bytes(tally.bytes).to_string(), tally.bytes),
        number(grouped(tally.calls), tally.calls),
        number(grouped(tally.errors), tally.errors),
        number(Time(tally.time_ns).to_string(), tally.time_ns),
    ]
}

/// Returns a table with a row for each key.
fn tallies<K>(
    (id, what): (&'static str, &str),
    caption: String,
    keys: &[&'static str],
    top: &Top<K>,
    key: impl Fn(&K) -> Vec<Cell>,
) -> Table {
    let rows = top.rows.iter().map(|row| {
        let mut cells = key(&row.key);
        cells.extend(sums(&row.tally, row.exact));
        cells
    });
    let rows: Vec<_> = rows.collect();
    let others = (top.others.calls > 0).then(|| {
        let shown = match top.distinct {
            Some(distinct) => {
                let count = distinct.saturating_sub(top.rows.len());
                format!("{} not shown", counted(count as u64, &format!("other {what}")))
            }
            None => format!("other {what}s"),
        };
        let mut cells = vec![Cell::Name(shown)];
        cells.extend(keys.iter().skip(1).map(|_| Cell::Text(String::new())));
        cells.extend(sums(&top.others, true));
        cells
    });
    Table { id, caption, heads: with_sums(keys), rows, others, is_data: true }
}

/// Returns the files that summaries name: each row has refusals only.
fn refused_pairs(pairs: &Top<PathPair>) -> Section {
    let row = |row: &TopRow<PathPair>| {
        let paths = [&row.key.source, &row.key.target];
        let [source, target] = paths.map(|one| Cell::Code(path(one.as_deref())));
        vec![source, target, Cell::Number(grouped(row.tally.errors), row.tally.errors)]
    };
    Section {
        title: "Never copied, by the summaries",
        table: Table {
            id: "refused-pairs",
            caption: "Files of which every copy in a run was refused".to_owned(),
            heads: heads([("source", false), ("target", false), ("refusals", true)]),
            rows: pairs.rows.iter().map(row).collect(),
            others: None,
            is_data: true,
        },
    }
}

fn never_copied(never: &NeverCopied) -> Section {
    let row = |target: &Option<Box<str>>, errors: u64| {
        vec![Cell::Code(path(target.as_deref())), Cell::Number(grouped(errors), errors)]
    };
    let others = never.count.saturating_sub(never.rows.len() as u64);
    Section {
        title: "Never copied",
        table: Table {
            id: "never-copied",
            caption: "Targets of which every copy was refused".to_owned(),
            heads: heads([("target", false), ("refusals", true)]),
            rows: never.rows.iter().map(|one| row(&one.target, one.errors)).collect(),
            others: (others > 0).then(|| {
                let shown = format!("{} not shown", counted(others, "other target"));
                vec![Cell::Name(shown), Cell::Text(String::new())]
            }),
            is_data: true,
        },
    }
}

fn errors(failures: &[Failures]) -> Section {
    let mut rows = Vec::new();
    let mut row = |error: &str, rule: &str, why: &str, calls: u64| {
        rows.push(vec![
            Cell::Name(name(error)),
            Cell::Number(grouped(calls), calls),
            Cell::Text(name(rule)),
            Cell::Text(name(why)),
        ]);
    };
    for failure in failures {
        let by_rules = failure.rules.iter().fold(0_u64, |sum, rule| sum.saturating_add(rule.calls));
        let others = failure.calls.saturating_sub(by_rules);
        if others > 0 {
            row(&failure.error, "", "", others);
        }
        for rule in &failure.rules {
            row(&failure.error, &rule.rule, rule.why.as_deref().unwrap_or_default(), rule.calls);
        }
    }
    Section {
        title: "Errors",
        table: Table {
            id: "errors",
            caption: "Calls that failed, and the rule that they broke".to_owned(),
            heads: heads([("error", false), ("calls", true), ("rule", false), ("why", false)]),
            rows,
            others: None,
            is_data: true,
        },
    }
}

fn slowest(summary: &LogSummary) -> Section {
    let first = summary.distributions.first_us;
    let row = |call: &SlowCall| {
        let result = match &call.error {
            Some(error) => Cell::Number(name(error), 0),
            None => Cell::Number(Bytes(call.bytes).to_string(), call.bytes),
        };
        let after = call.time.saturating_sub(first);
        vec![
            Cell::Number(Time(call.duration_ns).to_string(), call.duration_ns),
            Cell::Number(format!("+{}", Time(after.saturating_mul(1_000))), after),
            Cell::Text(known(call.comm.as_deref())),
            Cell::Number(call.pid.to_string(), call.pid.into()),
            Cell::Text(name(&call.method)),
            call.len.map_or(Cell::Number("-".to_owned(), 0), |len| {
                Cell::Number(Bytes(len).to_string(), len)
            }),
            result,
            Cell::Code(format!(
                "{} -> {}",
                path(call.source.as_deref()),
                path(call.target.as_deref())
            )),
        ]
    };
    let rows: Vec<_> = summary.slowest.iter().map(row).collect();
    Section {
        title: "Slowest calls",
        table: Table {
            id: "slowest",
            caption: "The calls that took longest; begun is the time after the first call"
                .to_owned(),
            heads: heads([
                ("duration", true),
                ("begun", true),
                ("program", false),
                ("pid", true),
                ("method", false),
                ("length", true),
                ("result", true),
                ("source -> target", false),
            ]),
            rows,
            others: None,
            is_data: true,
        },
    }
}

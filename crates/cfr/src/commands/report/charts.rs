//! The charts of a page: time, durations and sizes, and the same as numbers.

use super::summary::LogSummary;
use super::timeline::{SERIES, Slot};
use crate::html::chart::{Chart, Column, Tick, Unit};
use crate::html::number::{counted, grouped, round_bytes, round_time};
use crate::html::table::{Cell, Table, heads};
use cfr_shared::format::{Bytes, Time};

/// The steps of a scale of durations, which continues with ten times these.
const STEPS: [u64; 3] = [1, 2, 5];

/// The gap between two columns, as a part of their width.
const GAP: f64 = 0.12;

/// The columns that a histogram has room for if it has fewer, so that they are not bars.
const MIN_COLUMNS: usize = 8;

/// The most labels of an axis that has room for all.
const MAX_LABELS: usize = 5;

/// Returns the methods that the timeline has.
pub(super) fn series(summary: &LogSummary) -> Vec<&'static str> {
    let moved = |index: usize| {
        let mut slots = summary.distributions.timeline.slots();
        slots.any(|(_, slot)| slot.bytes.get(index).is_some_and(|&bytes| bytes > 0))
    };
    SERIES
        .into_iter()
        .enumerate()
        .filter(|(index, _)| moved(*index))
        .map(|(_, name)| name)
        .collect()
}

/// Returns the chart of the bytes over time; `None` if no time passed.
pub(super) fn timeline(summary: &LogSummary) -> Option<Chart> {
    let span = summary.span_us;
    if span == 0 {
        return None;
    }
    let first = summary.distributions.first_us;
    let columns = slots(summary).map(|slot| {
        let part = |time_us: u64| (time_us - first) as f64 / span as f64;
        let sizes = slot.sums.bytes.iter().map(|&bytes| bytes as f64);
        Column {
            from: part(slot.begin_us),
            to: part(slot.end_us),
            parts: SERIES.into_iter().zip(sizes).collect(),
            marked: slot.sums.errors > 0,
            label: format!(
                "+{}: {}, {}, {}",
                Time((slot.begin_us - first).saturating_mul(1_000)),
                Bytes(slot.sums.all_bytes()),
                counted(slot.sums.calls, "call"),
                counted(slot.sums.errors, "error"),
            ),
        }
    });
    let columns: Vec<_> = columns.collect();
    let description = format!(
        "Bytes over {} by method. Triangles below mark calls that failed. The numbers are in the table \
         below.",
        Time(span.saturating_mul(1_000))
    );
    let title = format!("Bytes copied or shared in each {}", slot_width(summary));
    Some(Chart::new(title, description, Unit::Bytes, &columns, time_labels(span)))
}

/// A slot of the timeline, without what is before the first call and after the last.
struct ShownSlot<'a> {
    begin_us: u64,
    end_us: u64,
    sums: &'a Slot,
}

fn slots(summary: &LogSummary) -> impl Iterator<Item = ShownSlot<'_>> {
    let first = summary.distributions.first_us;
    let last = first.saturating_add(summary.span_us);
    let width = summary.distributions.timeline.width_us();
    summary.distributions.timeline.slots().map(move |(begin, slot)| {
        let begin_us = begin.clamp(first, last);
        ShownSlot {
            begin_us,
            end_us: begin.saturating_add(width).clamp(begin_us, last),
            sums: slot,
        }
    })
}

/// Returns labels at round times.
fn time_labels(span_us: u64) -> Vec<Tick> {
    let round = scale().find(|&step| span_us / step <= MAX_LABELS as u64).unwrap_or(span_us);
    let label = |index: u64| {
        let time = round.saturating_mul(index);
        let text = if index == 0 { "0".to_owned() } else { round_time(time.saturating_mul(1_000)) };
        Tick::new(time as f64 / span_us as f64, text, index % 2 == 1)
    };
    (0..=span_us / round).map(label).collect()
}

/// Returns 1, 2, 5, 10, 20, ...
fn scale() -> impl Iterator<Item = u64> {
    let powers = (0..).map_while(|power| 10_u64.checked_pow(power));
    powers.flat_map(|power| STEPS.into_iter().filter_map(move |step| power.checked_mul(step)))
}

/// Returns the charts of durations and sizes.
pub(super) fn distributions(summary: &LogSummary) -> Vec<Chart> {
    let sizes: Vec<_> = summary.distributions.sizes.bins().collect();
    let mut charts = vec![durations(summary)];
    if !sizes.is_empty() {
        let calls: Vec<_> = sizes.iter().map(|(least, bin)| (*least, bin.calls)).collect();
        let bytes: Vec<_> = sizes.iter().map(|(least, bin)| (*least, bin.bytes)).collect();
        charts.push(by_size("Calls by bytes copied", Unit::Count, &calls));
        charts.push(by_size("Bytes by bytes of their call", Unit::Bytes, &bytes));
    }
    charts
}

/// Returns the numbers of calls for a scale of durations: each with its least duration.
fn durations_of(summary: &LogSummary) -> Vec<(u64, u64)> {
    let mut bins: Vec<(u64, u64)> = Vec::new();
    let mut recorded = summary.distributions.durations.iter_recorded().peekable();
    let mut bounds = scale().peekable();
    while let (Some(least), Some(_)) = (bounds.next(), recorded.peek()) {
        let mut calls = 0;
        while let Some(more) = recorded
            .next_if(|value| bounds.peek().is_none_or(|&bound| value.value_iterated_to() < bound))
        {
            calls += more.count_since_last_iteration();
        }
        if calls > 0 || !bins.is_empty() {
            bins.push((least, calls));
        }
    }
    bins
}

fn durations(summary: &LogSummary) -> Chart {
    let label =
        |least: u64, calls| format!("from {}: {}", round_time(least), counted(calls, "call"));
    let is_major = |least: u64| least.to_string().starts_with('1');
    let bins = durations_of(summary);
    histogram("Calls by duration", Unit::Count, &bins, label, |least| {
        (round_time(least), is_major(least))
    })
}

fn by_size(title: &str, unit: Unit, bins: &[(u64, u64)]) -> Chart {
    let label = |least, value| match unit {
        Unit::Count => format!("{}: {}", size_range(least), counted(value, "call")),
        Unit::Bytes => format!("{}: {}", size_range(least), Bytes(value)),
    };
    let is_major = |least: u64| least != 0 && least.trailing_zeros().is_multiple_of(5);
    histogram(title, unit, bins, label, |least| (round_bytes(least), is_major(least)))
}

/// Returns a chart with columns of one width. `tick` returns the label of the begin of a column, and
/// whether it has one in a long chart.
fn histogram(
    title: &str,
    unit: Unit,
    bins: &[(u64, u64)],
    label: impl Fn(u64, u64) -> String,
    tick: impl Fn(u64) -> (String, bool),
) -> Chart {
    let count = bins.len().max(MIN_COLUMNS) as f64;
    let columns = bins.iter().enumerate().map(|(index, &(least, value))| Column {
        from: (index as f64 + GAP / 2.0) / count,
        to: (index as f64 + 1.0 - GAP / 2.0) / count,
        parts: vec![("plain", value as f64)],
        marked: false,
        label: label(least, value),
    });
    let columns: Vec<_> = columns.collect();
    let ticks = bins.iter().enumerate().filter_map(|(index, &(least, _))| {
        let (text, is_major) = tick(least);
        let is_shown = is_major || bins.len() <= MAX_LABELS;
        is_shown.then(|| Tick::new(index as f64 / count, text, false))
    });
    let highest = bins.iter().max_by_key(|(_, value)| *value);
    let highest = highest.map(|&(least, value)| label(least, value)).unwrap_or_default();
    let description = format!("{title}. The most: {highest}. The numbers are in the table below.");
    Chart::new(title.to_owned(), description, unit, &columns, ticks.collect())
}

/// Returns what the timeline shows, as a table.
pub(super) fn slot_table(summary: &LogSummary) -> Table {
    let first = summary.distributions.first_us;
    let timeline = slots(summary).map(|slot| {
        let begun = slot.begin_us - first;
        let bytes = slot.sums.all_bytes();
        let methods = SERIES.into_iter().zip(&slot.sums.bytes).filter(|(_, bytes)| **bytes > 0);
        let methods: Vec<_> =
            methods.map(|(name, &bytes)| format!("{name} {}", Bytes(bytes))).collect();
        vec![
            Cell::Number(format!("+{}", Time(begun.saturating_mul(1_000))), begun),
            Cell::Number(Bytes(bytes).to_string(), bytes),
            Cell::Number(grouped(slot.sums.calls), slot.sums.calls),
            Cell::Number(grouped(slot.sums.errors), slot.sums.errors),
            Cell::Text(methods.join(", ")),
        ]
    });
    Table {
        id: "slots",
        caption: format!("Bytes copied or shared in each {}", slot_width(summary)),
        heads: heads([
            ("from", true),
            ("bytes", true),
            ("calls begun", true),
            ("errors", true),
            ("methods", false),
        ]),
        rows: timeline.collect(),
        others: None,
        is_data: false,
    }
}

fn slot_width(summary: &LogSummary) -> String {
    round_time(summary.distributions.timeline.width_us().saturating_mul(1_000))
}

/// Returns what the other charts show, as tables.
pub(super) fn bin_tables(summary: &LogSummary) -> Vec<Table> {
    let durations = durations_of(summary).into_iter().map(|(least, calls)| {
        vec![Cell::Number(round_time(least), least), Cell::Number(grouped(calls), calls)]
    });
    let sizes = summary.distributions.sizes.bins().map(|(least, bin)| {
        vec![
            Cell::Number(size_range(least), least),
            Cell::Number(grouped(bin.calls), bin.calls),
            Cell::Number(Bytes(bin.bytes).to_string(), bin.bytes),
        ]
    });
    vec![
        Table {
            id: "durations",
            caption: "Calls by duration".to_owned(),
            heads: heads([("from", true), ("calls", true)]),
            rows: durations.collect(),
            others: None,
            is_data: false,
        },
        Table {
            id: "bytes",
            caption: "Calls that succeeded, by the bytes that they copied".to_owned(),
            heads: heads([("size", true), ("calls", true), ("bytes", true)]),
            rows: sizes.collect(),
            others: None,
            is_data: false,
        },
    ]
}

fn size_range(least: u64) -> String {
    match least {
        0 => "0 B".to_owned(),
        1 => "1 B".to_owned(),
        least => format!("{} to {}", round_bytes(least), round_bytes(least.saturating_mul(2))),
    }
}

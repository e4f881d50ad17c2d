//! The report for human eyes: under each heading a line a fact, in columns.

use super::fact::{Fact, Finding, Value};
use super::pairs::Pair;
use super::report::Report;
use crate::term::failure::plain;

/// The whole report. Paths that could not be probed are not in it: they were said on standard error.
pub(super) fn written(report: &Report) -> String {
    let mut sections = vec![
        ("kernel".to_owned(), rows(&report.kernel)),
        ("C library".to_owned(), rows(&report.c_library)),
    ];
    for place in &report.places {
        sections.push((plain(&place.path), rows(&place.facts)));
    }
    // In one grid, so that the columns stand below each other from heading to heading.
    let all = || sections.iter().flat_map(|(_, rows)| rows);
    let labels = widest(all().map(|row| &row.label));
    // One long answer without a note must not push all notes away.
    let values = widest(all().filter(|row| row.note.is_some()).map(|row| &row.value));
    let mut text = String::new();
    for (heading, rows) in &sections {
        section(&mut text, heading);
        for Row { label, value, note } in rows {
            let note = note.as_deref().unwrap_or_default();
            line(&mut text, &[(label, labels), (value, values), (note, 0)]);
        }
    }
    if !report.pairs.is_empty() {
        section(&mut text, "from one filesystem to another");
        grid(&mut text, &report.pairs);
    }
    text
}

fn section(text: &mut String, heading: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(heading);
    text.push('\n');
}

/// Cells, each with the width of its column.
fn line(text: &mut String, cells: &[(&str, usize)]) {
    let cells: Vec<_> = cells.iter().map(|(cell, width)| format!("{cell:width$}")).collect();
    text.push_str(format!("  {}", cells.join("  ")).trim_end());
    text.push('\n');
}

fn widest<'a>(cells: impl Iterator<Item = &'a String>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// A line a pair, below the names of the columns.
fn grid(text: &mut String, pairs: &[Pair]) {
    let names = pairs.iter().take(1).map(|pair| {
        let labels = pair.facts.iter().map(|fact| fact.label.to_owned());
        ["from".to_owned(), "to".to_owned()].into_iter().chain(labels).collect()
    });
    let lines = pairs.iter().map(|pair| {
        let answers = pair.facts.iter().map(|fact| match &fact.finding.note {
            Some(note) => format!("{} ({})", value(&fact.finding), plain(note)),
            None => value(&fact.finding),
        });
        [plain(&pair.from), plain(&pair.to)].into_iter().chain(answers).collect()
    });
    let lines: Vec<Vec<String>> = names.chain(lines).collect();
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<_> =
        (0..columns).map(|at| widest(lines.iter().filter_map(|line| line.get(at)))).collect();
    for cells in &lines {
        let cells: Vec<_> = cells.iter().map(String::as_str).zip(widths.iter().copied()).collect();
        line(text, &cells);
    }
}

struct Row {
    label: String,
    value: String,
    note: Option<String>,
}

fn rows(facts: &[Fact]) -> Vec<Row> {
    let row = |fact: &Fact| Row {
        label: fact.label.to_owned(),
        value: value(&fact.finding),
        note: fact.finding.note.as_deref().map(plain),
    };
    facts.iter().map(row).collect()
}

/// The answer, and the error's name behind it.
fn value(finding: &Finding) -> String {
    let answer = match &finding.value {
        Value::Yes => "yes".to_owned(),
        Value::No => "no".to_owned(),
        Value::Unknown => "?".to_owned(),
        Value::Bytes(count) => count.to_string(),
        Value::AtLeast(count) => format!(">= {count}"),
        Value::Name(name) => plain(name),
    };
    match finding.errno.map(|errno| (errno.0, errno.name())) {
        Some((_, Some(name))) => format!("{answer} {name}"),
        Some((number, None)) => format!("{answer} {number}"),
        None => answer,
    }
}

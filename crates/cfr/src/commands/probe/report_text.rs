//! The report as text: under each heading one line for each fact, in columns.

use super::fact::{Answer, Fact, Finding};
use super::pairs::FilesystemPair;
use super::report::ProbeReport;
use crate::term::failure::printable;

/// Returns the report as text, without the paths that could not be probed: standard error has
/// those.
pub(super) fn render(report: &ProbeReport) -> String {
    let mut sections = vec![
        ("kernel".to_owned(), rows(&report.kernel)),
        ("C library".to_owned(), rows(&report.c_library)),
    ];
    for path in &report.probed {
        sections.push((printable(&path.path), rows(&path.facts)));
    }
    // All sections have the same column widths.
    let all = || sections.iter().flat_map(|(_, rows)| rows);
    let labels = widest(all().map(|row| &row.label));
    // A long answer without a note does not widen the column.
    let values = widest(all().filter(|row| row.note.is_some()).map(|row| &row.value));
    let mut text = String::new();
    for (heading, rows) in &sections {
        section(&mut text, heading);
        for FactRow { label, value, note } in rows {
            let note = note.as_deref().unwrap_or_default();
            line(&mut text, &[(label, labels), (value, values), (note, 0)]);
        }
    }
    if !report.pairs.is_empty() {
        section(&mut text, "across filesystems");
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

/// Adds a line of cells, each with the width of its column.
fn line(text: &mut String, cells: &[(&str, usize)]) {
    let cells: Vec<_> = cells.iter().map(|(cell, width)| format!("{cell:width$}")).collect();
    text.push_str(format!("  {}", cells.join("  ")).trim_end());
    text.push('\n');
}

fn widest<'a>(cells: impl Iterator<Item = &'a String>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// Adds a line for each pair, under the names of the columns.
fn grid(text: &mut String, pairs: &[FilesystemPair]) {
    let names = pairs.iter().take(1).map(|pair| {
        let labels = pair.facts.iter().map(|fact| fact.label.to_owned());
        ["from".to_owned(), "to".to_owned()].into_iter().chain(labels).collect()
    });
    let lines = pairs.iter().map(|pair| {
        let answers = pair.facts.iter().map(|fact| match &fact.finding.note {
            Some(note) => format!("{} ({})", value(&fact.finding), printable(note)),
            None => value(&fact.finding),
        });
        [printable(&pair.from), printable(&pair.to)].into_iter().chain(answers).collect()
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

struct FactRow {
    label: String,
    value: String,
    note: Option<String>,
}

fn rows(facts: &[Fact]) -> Vec<FactRow> {
    let row = |fact: &Fact| FactRow {
        label: fact.label.to_owned(),
        value: value(&fact.finding),
        note: fact.finding.note.as_deref().map(printable),
    };
    facts.iter().map(row).collect()
}

/// Returns the answer, followed by the name of the error.
fn value(finding: &Finding) -> String {
    let answer = match &finding.value {
        Answer::Yes => "yes".to_owned(),
        Answer::No => "no".to_owned(),
        Answer::Unknown => "?".to_owned(),
        Answer::Bytes(count) => count.to_string(),
        Answer::AtLeast(count) => format!(">= {count}"),
        Answer::Name(name) => printable(name),
    };
    match finding.errno.map(|errno| (errno.0, errno.name())) {
        Some((_, Some(name))) => format!("{answer} {name}"),
        Some((number, None)) => format!("{answer} {number}"),
        None => answer,
    }
}

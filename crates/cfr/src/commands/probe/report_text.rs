//! The report as text: under each heading one line for each fact, in columns.

use super::fact::{Answer, Fact, Finding};
use super::pairs::FilesystemPair;
use super::report::ProbeReport;
use crate::term::failure::printable;
use crate::term::fit::{self, Last, Row};

/// Returns the report as text, without the paths that could not be probed: standard error has
/// those. `columns` are those of the terminal; `None` for any width.
pub(super) fn render(report: &ProbeReport, columns: Option<usize>) -> String {
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
        section(&mut text, &fit::cut(heading, columns.unwrap_or(usize::MAX)));
        let row = |FactRow { label, value, note }: &FactRow| match note {
            Some(note) => Row {
                head: format!("  {label:labels$}  {value:values$}  "),
                last: Last::Text(note.clone()),
            },
            None => Row { head: format!("  {label:labels$}  "), last: Last::Text(value.clone()) },
        };
        fit::write(&mut text, &rows.iter().map(row).collect::<Vec<_>>(), "", columns);
    }
    if !report.pairs.is_empty() {
        section(&mut text, "across filesystems");
        grid(&mut text, &report.pairs, columns);
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

fn widest<'a>(cells: impl Iterator<Item = &'a String>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// Adds a line for each pair, under the names of the columns.
fn grid(text: &mut String, pairs: &[FilesystemPair], columns: Option<usize>) {
    // Two names are in a line.
    let room = columns.map_or(usize::MAX, |columns| columns / 4);
    let path = |path| fit::cut(&printable(path), room).into_owned();

    let names = pairs.iter().take(1).map(|pair| {
        let labels = pair.facts.iter().map(|fact| fact.label.to_owned());
        ["from".to_owned(), "to".to_owned()].into_iter().chain(labels).collect()
    });
    let lines = pairs.iter().map(|pair| {
        let answers = pair.facts.iter().map(|fact| match &fact.finding.note {
            Some(note) => format!("{} ({})", value(&fact.finding), printable(note)),
            None => value(&fact.finding),
        });
        [path(&pair.from), path(&pair.to)].into_iter().chain(answers).collect()
    });
    let lines: Vec<Vec<String>> = names.chain(lines).collect();
    let count = lines.first().map_or(0, Vec::len);
    let widths: Vec<_> =
        (0..count).map(|at| widest(lines.iter().filter_map(|line| line.get(at)))).collect();
    let row = |cells: &Vec<String>| Row {
        head: cells
            .iter()
            .zip(&widths)
            .fold("  ".to_owned(), |head, (cell, &width)| format!("{head}{cell:width$}  ")),
        last: Last::None,
    };
    fit::write(text, &lines.iter().map(row).collect::<Vec<_>>(), "", columns);
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

//! The report as text: a matrix, and details of the bad cases.

use super::matrix::{Column, Matrix};
use super::outcome::Outcome;
use super::report::{CaseId, CaseReport, SweepReport};
use super::runner::seconds;
use crate::term::fit::{self, Last, Row};
use std::fmt::Write;
use std::time::Duration;

/// The spaces between two columns.
const GAP: usize = 2;

/// Returns the report for a terminal with these columns; `None` for any width. Command lines, faults and
/// what the program wrote are left whole: they are to be pasted.
pub(super) fn render(report: &SweepReport, columns: Option<usize>) -> String {
    let mut text = String::new();
    for rows in report.cases.chunk_by(|one, next| one.id.after == next.id.after) {
        if let Some(after) = rows.first().and_then(|row| row.id.after.as_ref()) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "after {after}:");
        }
        text.push_str(&matrix(rows, columns));
        text.push('\n');
    }
    fit::write_text(&mut text, &summary(report), columns);
    for row in report.cases.iter().filter(|row| row.bad) {
        bad(&mut text, row, columns);
    }
    text
}

/// Returns the list of cases for `--list`.
pub(super) fn list(ids: &[CaseId], columns: Option<usize>) -> String {
    let mut text = String::new();
    let width = ids.iter().map(|id| id.id.len()).max().unwrap_or(0) + GAP;
    let row = |CaseId { id, inject, .. }: &CaseId| Row {
        head: format!("{id:<width$}"),
        last: Last::Text(inject.clone()),
    };
    fit::write(&mut text, &ids.iter().map(row).collect::<Vec<_>>(), "", columns);
    text
}

/// Formats a row for each fault and a column for each position.
fn matrix(cases: &[CaseReport], columns: Option<usize>) -> String {
    let matrix = Matrix::new(cases);
    let headings = matrix.columns.iter().map(|(_, position)| position.heading().into_owned());
    let mut lines = vec![std::iter::once(String::new()).chain(headings).collect::<Vec<_>>()];
    for row in &matrix.rows {
        let word = |cell: &Vec<usize>| {
            matrix.worst(cell).map_or_else(|| "-".to_owned(), |(_, case)| case.word())
        };
        let words = row.cells.iter().map(word);
        lines.push(std::iter::once(row.fault.to_owned()).chain(words).collect());
    }
    // Columns that do not fit are below, again with the names of the faults.
    let mut text = String::new();
    let mut first = 0;
    while first < matrix.columns.len() {
        let last = last_fitting(&lines, first, columns);
        let part = |line: &Vec<String>| {
            let words = line.get(first + 1..=last + 1).unwrap_or_default();
            line.iter().take(1).chain(words).cloned().collect()
        };
        let part: Vec<_> = lines.iter().map(part).collect();
        if first > 0 {
            text.push('\n');
        }
        text.push_str(&laid_out(matrix.columns.get(first..=last).unwrap_or_default(), &part));
        first = last + 1;
    }
    text
}

/// Returns the widths of the columns.
fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        widths.resize(line.len(), 0);
        for (width, word) in widths.iter_mut().zip(line) {
            *width = (*width).max(word.chars().count());
        }
    }
    widths
}

/// Returns the last column that fits beside the names of the faults if column `first` is the first.
fn last_fitting(lines: &[Vec<String>], first: usize, columns: Option<usize>) -> usize {
    let widths = widths(lines);
    let (labels, widths) = widths.split_first().map_or((0, &[][..]), |(one, rest)| (*one, rest));
    let mut taken = labels;
    let fits = |width: &&usize| {
        taken += GAP + **width;
        columns.is_none_or(|columns| taken <= columns)
    };
    let fitting = widths.get(first..).unwrap_or_default().iter().take_while(fits).count();
    first + fitting.saturating_sub(1)
}

/// Formats columns, each as wide as its widest word, under the names of the hooks.
fn laid_out(columns: &[Column], lines: &[Vec<String>]) -> String {
    let mut widths = widths(lines);
    let mut head = " ".repeat(widths.first().map_or(0, |width| width + GAP));
    // A hook's name spans all of its columns. The last one is widened if the name needs more.
    let mut rest = columns.iter().zip(widths.iter_mut().skip(1)).peekable();
    let mut taken = 0;
    while let Some(((hook, _), width)) = rest.next() {
        taken += *width + GAP;
        if rest.peek().is_some_and(|((next, _), _)| next == hook) {
            continue;
        }
        let missing = (hook.chars().count() + GAP).saturating_sub(taken);
        *width += missing;
        // Writing into a String cannot fail.
        let _ = write!(head, "{hook:<width$}", width = taken + missing);
        taken = 0;
    }
    let mut text = format!("{}\n", head.trim_end());
    for line in lines {
        let mut padded = String::new();
        for (word, width) in line.iter().zip(&widths) {
            let _ = write!(padded, "{word:<width$}", width = width + GAP);
        }
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}

fn summary(report: &SweepReport) -> String {
    let took = seconds(Duration::from_nanos(report.duration_ns));
    let counted = Outcome::ALL.into_iter().filter_map(|outcome| {
        let count = report.outcomes.get(outcome.name()).copied().filter(|&count| count > 0)?;
        Some(format!("{count} {}", outcome.name()))
    });
    let counted: Vec<_> = counted.collect();
    let (cases, plural) = (report.cases.len(), if report.cases.len() == 1 { "" } else { "s" });
    let mut text = format!("{cases} case{plural} in {took}: {}", counted.join(", "));
    // Writing into a String cannot fail.
    let _ = match report.bad {
        0 => writeln!(text, "; none is bad"),
        bad => writeln!(text, "; {bad} bad, in capitals"),
    };
    if let Some(signal) = &report.interrupted {
        let _ = writeln!(text, "Interrupted by {signal}: the other cases were not run.");
    }
    for targets in &report.targets {
        let _ = writeln!(text, "{targets}.");
    }
    if !report.checked {
        text.push_str("Without --check or --check-files, a wrong copy counts as passed.\n");
    }
    text
}

fn bad(text: &mut String, row: &CaseReport, columns: Option<usize>) {
    let CaseReport { id, outcome, .. } = row;
    text.push('\n');
    let head = format!("{} {}: {}", outcome.name().to_uppercase(), id.name, row.why);
    fit::write_text(text, &head, columns);
    // Writing into a String cannot fail.
    let _ = writeln!(text, "    {}\n    faults: {}", id.reproduce, id.inject);
    if let Some(directory) = &row.directory {
        let _ = writeln!(text, "    kept: {directory}");
    }
    for line in row.last_lines() {
        let _ = writeln!(text, "    | {line}");
    }
}

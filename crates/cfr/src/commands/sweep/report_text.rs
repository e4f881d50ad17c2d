//! The report as text: a matrix, and details of the bad cases.

use super::matrix::{Column, Matrix};
use super::outcome::Outcome;
use super::report::{CaseId, CaseReport, SweepReport};
use super::runner::seconds;
use std::fmt::Write;
use std::time::Duration;

/// The spaces between two columns.
const GAP: usize = 2;

pub(super) fn render(report: &SweepReport) -> String {
    let mut text = String::new();
    for rows in report.cases.chunk_by(|one, next| one.id.after == next.id.after) {
        if let Some(after) = rows.first().and_then(|row| row.id.after.as_ref()) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "after {after}:");
        }
        text.push_str(&matrix(rows));
        text.push('\n');
    }
    text.push_str(&summary(report));
    for row in report.cases.iter().filter(|row| row.bad) {
        text.push_str(&bad(row));
    }
    text
}

/// Returns the list of cases for `--list`.
pub(super) fn list(ids: &[CaseId]) -> String {
    let mut text = String::new();
    let width = ids.iter().map(|id| id.id.len()).max().unwrap_or(0) + GAP;
    for CaseId { id, inject, .. } in ids {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{id:<width$}{inject}");
    }
    text
}

/// Formats a row for each fault and a column for each position.
fn matrix(cases: &[CaseReport]) -> String {
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
    laid_out(&matrix.columns, &lines)
}

/// Formats columns, each as wide as its widest word, under the names of the hooks.
fn laid_out(columns: &[Column], lines: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        widths.resize(line.len(), 0);
        for (width, word) in widths.iter_mut().zip(line) {
            *width = (*width).max(word.chars().count());
        }
    }
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
    if !report.checked {
        text.push_str("Without --check or --check-files, a wrong copy counts as passed.\n");
    }
    text
}

fn bad(row: &CaseReport) -> String {
    let CaseReport { id, outcome, .. } = row;
    let mut text = format!(
        "\n{} {}: {}\n    {}\n    faults: {}\n",
        outcome.name().to_uppercase(),
        id.name,
        row.why,
        id.reproduce,
        id.inject
    );
    if let Some(directory) = &row.directory {
        let _ = writeln!(text, "    kept: {directory}");
    }
    for line in row.last_lines() {
        let _ = writeln!(text, "    | {line}");
    }
    text
}

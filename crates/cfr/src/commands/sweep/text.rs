//! The matrix for human eyes, and what is behind its bad points.

use super::outcome::Outcome;
use super::positions::Position;
use super::report::{Report, Row, Spot};
use super::runner::seconds;
use std::fmt::Write;
use std::time::Duration;

/// A column: a hook, and which of its calls.
type Column = (&'static str, Position);

/// Between two columns.
const GAP: usize = 2;

/// All of it.
pub(super) fn written(report: &Report) -> String {
    let mut text = String::new();
    let spots: Vec<_> = report.points.iter().map(|row| &row.place).collect();
    let word = |row: &Row| {
        if row.bad { row.outcome.name().to_uppercase() } else { row.outcome.name().to_owned() }
    };
    text.push_str(&matrix(&spots, |place| report.points.get(place).map(word)));
    text.push('\n');
    text.push_str(&summary(report));
    for row in report.points.iter().filter(|row| row.bad) {
        text.push_str(&bad(row));
    }
    text
}

/// The points alone.
pub(super) fn listed(spots: &[Spot]) -> String {
    let mut text = String::new();
    for spot in spots {
        text.push_str(&spot.inject);
        text.push('\n');
    }
    text
}

/// A row a fault, a column a call; the word of each point by its place.
fn matrix(spots: &[&Spot], word: impl Fn(usize) -> Option<String>) -> String {
    let mut hooks: Vec<&str> = Vec::new();
    let mut columns: Vec<Column> = Vec::new();
    let mut faults: Vec<&str> = Vec::new();
    for spot in spots {
        if !hooks.contains(&spot.hook) {
            hooks.push(spot.hook);
        }
        if !columns.contains(&(spot.hook, spot.position)) {
            columns.push((spot.hook, spot.position));
        }
        if !faults.contains(&spot.fault.as_str()) {
            faults.push(&spot.fault);
        }
    }
    columns
        .sort_by_key(|(hook, position)| (hooks.iter().position(|other| other == hook), *position));
    let positions = columns.iter().map(|(_, position)| position.name().to_owned());
    let mut lines = vec![std::iter::once(String::new()).chain(positions).collect::<Vec<_>>()];
    for fault in faults {
        let mut line = vec![fault.to_owned()];
        for &(hook, position) in &columns {
            let place = spots.iter().position(|spot| {
                (spot.fault.as_str(), spot.hook, spot.position) == (fault, hook, position)
            });
            line.push(place.and_then(&word).unwrap_or_else(|| "-".to_owned()));
        }
        lines.push(line);
    }
    laid_out(&columns, &lines)
}

/// In columns, each as wide as its widest word, below the names of the hooks.
fn laid_out(columns: &[Column], lines: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        widths.resize(line.len(), 0);
        for (width, word) in widths.iter_mut().zip(line) {
            *width = (*width).max(word.chars().count());
        }
    }
    let mut head = " ".repeat(widths.first().map_or(0, |width| width + GAP));
    // A hook's name stands over all of its columns, and the last makes room for it.
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

fn summary(report: &Report) -> String {
    let took = seconds(Duration::from_nanos(report.duration_ns));
    let counted = Outcome::ALL.into_iter().filter_map(|outcome| {
        let count = report.outcomes.get(outcome.name()).copied().filter(|&count| count > 0)?;
        Some(format!("{count} {}", outcome.name()))
    });
    let counted: Vec<_> = counted.collect();
    let mut text = format!("{} points in {took}: {}", report.points.len(), counted.join(", "));
    // Writing into a String cannot fail.
    let _ = match report.bad {
        0 => writeln!(text, "; none is bad"),
        bad => writeln!(text, "; {bad} bad, in capitals"),
    };
    if !report.checked {
        text.push_str("No --check: a copy that is wrong passes for one that is right.\n");
    }
    text
}

fn bad(row: &Row) -> String {
    let Row { place, outcome, .. } = row;
    let mut text = format!(
        "\n{} {}: {}\n    {}\n",
        outcome.name().to_uppercase(),
        place.name(),
        row.why,
        place.reproduce
    );
    if let Some(directory) = &row.directory {
        let _ = writeln!(text, "    kept: {directory}");
    }
    for line in row.last_lines() {
        let _ = writeln!(text, "    | {line}");
    }
    text
}

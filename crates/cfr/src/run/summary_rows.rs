//! The table of a summary, as rows that can be fitted to a terminal.

use crate::term::fit::{self, Last, Row};

/// The indentation of the heading of a section. Its rows have more.
const HEADING: usize = 2;

/// Adds the table of a summary to a text, fitted to the columns of a terminal. Each of its lines has
/// `prefix` before it.
pub(crate) fn write(text: &mut String, table: &str, prefix: &str, columns: Option<usize>) {
    let lines: Vec<_> =
        table.lines().map(|line| line.strip_prefix(prefix).unwrap_or(line)).collect();
    let is_row = |line: &str| line.len() - line.trim_start().len() > HEADING;
    for section in lines.chunk_by(|_, next| is_row(next)) {
        let files = section.first().and_then(|heading| heading.strip_suffix(FILES)).map(str::len);
        let rows: Vec<_> = section.iter().map(|line| row(line, files)).collect();
        fit::write(text, &rows, prefix, columns);
    }
}

/// The last column of a heading if the rows below it end with the names of files.
const FILES: &str = "files";

/// Returns a line as a row. `files` is where the names begin.
fn row(line: &str, files: Option<usize>) -> Row {
    let refused = || line.find("never copied, ").and_then(|_| Some(line.find(": ")? + 2));
    let indent = line.len() - line.trim_start().len();
    let is_text = line.contains(", cfr ") || line.starts_with("summary of ");
    let is_otherwise = line.trim_start().starts_with("otherwise ");
    let (at, is_names) = match files.or_else(refused) {
        Some(at) => (at, true),
        None if is_text => (indent, false),
        None if is_otherwise => (line.rfind("  ").map_or(indent, |at| at + 2), false),
        None => (line.len(), false),
    };
    let (head, last) = line.split_at_checked(at).unwrap_or((line, ""));
    let last = match (last.split_once(" -> "), is_names) {
        (Some((source, target)), true) => Last::names([source.to_owned(), target.to_owned()]),
        (None, _) if last.is_empty() => Last::None,
        _ => Last::Text(last.to_owned()),
    };
    Row { head: head.to_owned(), last }
}

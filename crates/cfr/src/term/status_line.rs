//! One line of progress on standard error: only on a terminal, and erased at the end.

use crate::term::fit::{columns_of, cut_names, least_of, width_of};
use crate::term::width;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Moves the cursor to the start of the line and clears the line.
const CLEAR: &[u8] = b"\r\x1b[K";

/// Whether a line is shown. It is global because the thread that ends the process erases the line
/// too.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Reports whether standard error is a terminal.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Shows a line in place of the last one. Names in it must be printable. The cursor stays at the
/// start of the line, so that the output of other programs overwrites it.
pub(crate) fn show(line: &str) {
    let Some(columns) = columns() else { return };
    let bytes = [CLEAR, begin(line, columns).as_bytes(), b"\r"].concat();
    SHOWN.store(io::stderr().write_all(&bytes).is_ok(), Ordering::Relaxed);
}

/// Shows the parts of a line, and then the names of a source and a target, which are cut in front. If
/// there is no room for all, the last parts are left out before the name of the source is.
pub(crate) fn show_with_names(parts: &[String], names: &[String; 2]) {
    let Some(columns) = columns() else { return };
    let room = |used: &[String]| columns.saturating_sub(columns_of(&used.concat()) + BEFORE.len());
    let mut fitting = (1..=parts.len()).rev().filter_map(|count| parts.get(..count));
    let used = fitting.find(|used| least_of(names) <= room(used));
    let (used, names) = match used {
        Some(used) => (used, &names[..]),
        None => (parts.get(..1).unwrap_or_default(), &names[1..]),
    };
    show(&format!("{}{BEFORE}{}", used.concat(), cut_names(names, room(used))));
}

/// What is before the names.
const BEFORE: &str = ": ";

/// Returns the columns that a line may have. One that wraps could not be erased; some terminals wrap at
/// the last column.
fn columns() -> Option<usize> {
    width::of_stderr().map(|columns| columns - 1)
}

/// Returns the part of a line that fits into `columns`.
fn begin(line: &str, columns: usize) -> &str {
    let mut room = columns;
    let end = line.char_indices().find(|(_, character)| {
        let width = width_of(*character);
        let fits = width <= room;
        room = room.saturating_sub(width);
        !fits
    });
    end.and_then(|(at, _)| line.get(..at)).unwrap_or(line)
}

pub(crate) fn erase() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        let _ = io::stderr().write_all(CLEAR);
    }
}

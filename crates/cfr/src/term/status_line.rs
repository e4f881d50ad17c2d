//! One line of progress on standard error: only on a terminal, and erased at the end.

use rustix::termios::tcgetwinsize;
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
    let mut stderr = io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    // Some terminals do not know their width, and report 0.
    let columns = tcgetwinsize(&stderr).map_or(0, |size| usize::from(size.ws_col));
    let columns = if columns == 0 { 80 } else { columns };
    // A line that wraps could not be erased; some terminals wrap at the last column.
    let bytes = [CLEAR, begin(line, columns.saturating_sub(1)).as_bytes(), b"\r"].concat();
    SHOWN.store(stderr.write_all(&bytes).is_ok(), Ordering::Relaxed);
}

/// Returns the part of a line that fits into `columns`. A character outside ASCII may need two.
fn begin(line: &str, columns: usize) -> &str {
    let mut room = columns;
    let end = line.char_indices().find(|(_, character)| {
        let width = if character.is_ascii() { 1 } else { 2 };
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

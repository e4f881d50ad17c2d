//! One line that says how far things are, for whoever watches: on a terminal only, and gone when
//! all is done.

use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// To the line's begin, and the rest of it cleared.
const CLEAR: &[u8] = b"\r\x1b[K";

/// Whether a line stands there. Not in a value: the thread that ends the process erases it too.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether there is a terminal to show a line on.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Shows this line in place of the last. Names in it must be harmless. The cursor stays at its begin: what
/// somebody else writes there goes over it.
pub(crate) fn show(line: &str) {
    let mut stderr = io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    // Some terminals do not know how wide they are, and say 0.
    let columns = tcgetwinsize(&stderr).map_or(0, |size| usize::from(size.ws_col));
    let columns = if columns == 0 { 80 } else { columns };
    // A line that wraps could not be erased; the last column may wrap too.
    let bytes = [CLEAR, begin(line, columns.saturating_sub(1)).as_bytes(), b"\r"].concat();
    SHOWN.store(stderr.write_all(&bytes).is_ok(), Ordering::Relaxed);
}

/// As much of it as fits into so many columns. What is not ASCII may take two.
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

/// Takes the line away.
pub(crate) fn erase() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        let _ = io::stderr().write_all(CLEAR);
    }
}

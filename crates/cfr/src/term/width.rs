//! The width of a terminal.

use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Stderr, Stdout};
use std::os::fd::AsFd;

/// The width if a terminal does not know its own, and reports 0.
const USUAL: usize = 80;
/// Narrower terminals are treated as if they were this wide.
const LEAST: usize = 20;

/// Returns the columns of standard output; `None` if it is not a terminal.
pub(crate) fn of_stdout() -> Option<usize> {
    of::<Stdout>(io::stdout())
}

/// Returns the columns of standard error; `None` if it is not a terminal.
pub(crate) fn of_stderr() -> Option<usize> {
    of::<Stderr>(io::stderr())
}

fn of<T: AsFd + IsTerminal>(stream: T) -> Option<usize> {
    let columns = || tcgetwinsize(&stream).map_or(0, |size| usize::from(size.ws_col));
    stream.is_terminal().then(columns).map(|columns| match columns {
        0 => USUAL,
        columns => columns.max(LEAST),
    })
}

//! Messages of the launcher, and its own exit statuses.

use cfr_sys::errno::Errno;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};

/// The exit status if the launcher failed, as of env(1) and timeout(1).
pub(crate) const FAILED: u8 = 125;
/// The exit status if the program was found and cannot be executed.
pub(crate) const CANNOT_EXECUTE: u8 = 126;
/// The exit status if the program was not found.
pub(crate) const NOT_FOUND: u8 = 127;

/// An error of the launcher, with the exit status for it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    message: String,
}

impl Failure {
    /// Creates an error with status 125.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure::with_status(FAILED, message)
    }

    pub(crate) fn with_status(status: u8, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into() }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Prints the message to standard error.
    pub(crate) fn print(&self) {
        print_message(&self.message);
    }
}

/// Prints a message to standard error; does nothing if that is closed.
pub(crate) fn print_message(message: impl Display) {
    // One write: the program may write there too.
    let _ = io::stderr().write_all(format!("cfr: {message}\n").as_bytes());
}

/// Reports whether the character could control a terminal or end a line.
pub(crate) fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}')
}

/// Makes a name or path printable: characters that could control a terminal or end a line are
/// escaped.
pub(crate) fn printable(name: impl AsRef<OsStr>) -> String {
    let mut shown = String::new();
    for character in name.as_ref().to_string_lossy().chars() {
        if is_control(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Describes an error of the system: message and name.
pub(crate) fn describe(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| Errno(number).to_string())
}

/// Lists the values that are expected: `a, b or c`.
pub(crate) fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<_> = values.into_iter().collect();
    match values.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

//! What the launcher says, and the statuses of its own.

use cfr_sys::errno::Errno;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};

/// The launcher failed: env(1)'s and timeout(1)'s status.
pub(crate) const FAILED: u8 = 125;
/// The program was found and cannot be executed.
pub(crate) const CANNOT_EXECUTE: u8 = 126;
/// The program was not found.
pub(crate) const NOT_FOUND: u8 = 127;

/// Why no program ran, and the status that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    /// To exit with.
    pub(crate) status: u8,
    message: String,
}

impl Failure {
    /// The launcher failed.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure::with_status(FAILED, message)
    }

    /// With a status of its own.
    pub(crate) fn with_status(status: u8, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into() }
    }

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Says it.
    pub(crate) fn say(&self) {
        say(&self.message);
    }
}

/// One line on standard error; where that is closed, nobody wants to hear it.
pub(crate) fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "cfr: {message}");
}

/// Whether a terminal or a reader of lines may obey the character.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}')
}

/// A name or path as a message may show it: nothing in it can forge a line or command a terminal.
pub(crate) fn plain(name: impl AsRef<OsStr>) -> String {
    let mut shown = String::new();
    for character in name.as_ref().to_string_lossy().chars() {
        if is_harmful(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// An error of the system in our words: message and name.
pub(crate) fn told(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| Errno(number).to_string())
}

//! Values that cannot be used.

use super::{PATH_MAX, Setting};
use crate::format::printable;
use crate::inject::{ParseError, ParseErrorKind};
use cfr_engine::dialect::Dialect;
use core::fmt;

/// A value that cannot be used, shown as a sentence: `invalid value 'jsn' for CFR_LOG_FORMAT:
/// expected text or json`.
#[derive(Clone, Copy, Debug)]
pub struct SettingError<'a> {
    pub setting: &'static Setting,
    /// The setting's name as the user spelled it: the variable, or `--format`.
    pub name: &'a str,
    /// The value, or the part of it that is wrong.
    pub value: &'a [u8],
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    /// The setting does not have this value.
    Unexpected,
    /// It does not fit into `PATH_MAX` bytes.
    TooLong,
    /// This dialect does not have the flag, although another one has it.
    NotInDialect(&'static Dialect),
    /// A fault cannot be used, as in [`ParseError`].
    Fault {
        /// The fault's number, from 1.
        fault: usize,
        /// The column within the fault, from 1.
        column: usize,
        /// What is wrong there.
        kind: ParseErrorKind,
    },
}

impl From<ParseError<'_>> for Reason {
    fn from(error: ParseError<'_>) -> Self {
        Reason::Fault { fault: error.fault, column: error.column, kind: error.kind }
    }
}

/// Returns the error of the setting with this variable.
pub(super) fn of<'a>(
    variable: &str,
    value: &'a [u8],
    reason: Reason,
) -> Result<(), SettingError<'a>> {
    Setting::by_variable(variable.as_bytes())
        .map_or(Ok(()), |setting| Err(setting.error(value, reason)))
}

impl fmt::Display for SettingError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SettingError { setting, name, value, reason } = *self;
        write!(f, "invalid value '{}' for {name}", printable(value))?;
        match reason {
            Reason::Unexpected => write!(f, ": expected {}", setting.values),
            Reason::TooLong => write!(f, ": too long (at most {} bytes)", PATH_MAX - 1),
            Reason::NotInDialect(dialect) => {
                let name = dialect.name;
                write!(f, ": the dialect {name} does not have this flag; expected 0")?;
                let names = || dialect.modes.iter().filter_map(|mode| mode.name());
                let last = names().count();
                names().zip(1..).try_for_each(|(name, number)| {
                    write!(f, "{}{name}", if number == last { " or " } else { ", " })
                })
            }
            Reason::Fault { fault, column, kind } => {
                write!(f, " {}", ParseError { fault, column, word: value, kind })
            }
        }
    }
}

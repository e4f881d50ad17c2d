//! Messages for mistakes on the command line: what a newcomer's slip was meant to be (a program in
//! place of a command, options of strace(1), a value that is a word of its own), and the values that an
//! option takes.

use super::args::{PROGRAM, summary_values};
use crate::program::locate;
use crate::term::failure::{Failure, printable};
use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;
use std::ffi::{OsStr, OsString};

/// Returns a better message for an error of the command line; `None` if there is none.
pub(super) fn better(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if let Some(command) = context(ContextKind::InvalidSubcommand) {
        locate::find(OsStr::new(command)).ok()?;
        let line = words.get(1..)?.iter().map(printable).collect::<Vec<_>>().join(" ");
        return Some(format!("unknown command {command}; to run a program: cfr trace {line}"));
    }
    if let Some(expected) = expected(error) {
        // "--jobs <N>" is the option and its value.
        let option = context(ContextKind::InvalidArg)?.split(' ').next()?;
        let value = printable(context(ContextKind::InvalidValue)?);
        return Some(format!("invalid value '{value}' for {option}: {expected}"));
    }
    match context(ContextKind::InvalidArg)? {
        "-f" => Some("unknown option -f: all processes are traced anyway".to_owned()),
        "-p" => Some("unknown option -p: cfr cannot watch a program that already runs".to_owned()),
        "-e" => Some("unknown option -e: see --inject and --hooks".to_owned()),
        _ => None,
    }
}

/// Returns what an option takes, if it was given another value.
fn expected(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::ValueValidation, _) => error.source().map(ToString::to_string),
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(values))) => {
            let (last, before) = values.split_last()?;
            Some(format!("expected {} or {last}", before.join(", ")))
        }
        _ => None,
    }
}

/// Refuses two values of `--summary`, and one that is a word of its own: it would be the program, and
/// yes(1) writes until the disk is full.
pub(super) fn check(words: &[OsString], matches: &ArgMatches) -> Result<(), Failure> {
    if summary_values(matches).nth(1).is_some() {
        return Err(Failure::new("--summary is given twice, with two values"));
    }
    let program = matches.try_get_raw(PROGRAM).ok().flatten();
    let before = words.len().checked_sub(program.map_or(0, Iterator::count) + 1);
    let Some([option, value, rest @ ..]) = before.and_then(|at| words.get(at..)) else {
        return Ok(());
    };
    let is_word = |word: &OsString| ["yes", "no"].iter().any(|known| word == known);
    let is_program = |word: &OsString| locate::find(word).is_ok();
    let is_value = match option.to_str() {
        Some("-c") => is_word(value),
        // A name that is no program, before one that is.
        Some("--summary") => {
            is_word(value) || !is_program(value) && rest.first().is_some_and(is_program)
        }
        _ => false,
    };
    if !is_value {
        return Ok(());
    }
    let (option, value) = (printable(option), printable(value));
    Err(Failure::new(format!(
        "{option} {value}: the value must follow an equals sign: {option}={value}; to run the program \
         {value}: {option} -- {value}"
    )))
}

//! Arguments that several commands have.

use super::settings_help;
use crate::run::environment::{INJECT, SUMMARY, Variables};
use crate::run::reach::Reach;
use cfr_shared::settings::{Setting, TABLE};
use clap::builder::{OsStringValueParser, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

pub(super) const PROGRAM: &str = "PROGRAM";
pub(super) const FORMAT: &str = "format";
pub(super) const PROFILE: &str = "profile";
pub(super) const JSON: &str = "json";

pub(super) fn format(matches: &ArgMatches) -> ReportFormat {
    match matches.get_one::<String>(FORMAT) {
        Some(name) if name == JSON => ReportFormat::Json,
        _ => ReportFormat::Text,
    }
}

pub(super) fn report_format() -> Arg {
    Arg::new(FORMAT)
        .long("format")
        .value_name("VALUE")
        .value_parser(["text", JSON])
        .default_value("text")
        .hide_default_value(true)
        .hide_possible_values(true)
        .help("Write the report as text or as JSON [text, json; default: text]")
}

/// Returns the settings that the command line sets, as variables for the program.
pub(super) fn settings(matches: &ArgMatches) -> Variables {
    TABLE
        .iter()
        .filter(|setting| setting.option.is_some())
        .filter_map(|setting| {
            // A command has only some of the settings. Only --inject is several values at once.
            let values: Vec<_> = matches
                .try_get_many::<OsString>(setting.variable)
                .ok()
                .flatten()?
                .map(OsString::as_os_str)
                .collect();
            let value = match setting.variable {
                SUMMARY => summary_values(matches).next().map_or(YES.into(), OsStr::to_owned),
                _ => values.join(OsStr::new(";")),
            };
            Some((setting.variable, value))
        })
        .collect()
}

/// The value of `-c` and of `--summary` without one.
const YES: &str = "yes";

/// Returns the values of `--summary`, but not that of `-c`: it may stand beside one.
pub(super) fn summary_values(matches: &ArgMatches) -> impl Iterator<Item = &OsStr> {
    let values = matches.try_get_many::<OsString>(SUMMARY).ok().flatten().into_iter().flatten();
    values.map(OsString::as_os_str).filter(|value| *value != YES)
}

pub(super) fn command_line() -> Arg {
    Arg::new(PROGRAM)
        .help("The program and its arguments")
        .value_name("PROGRAM")
        .required(true)
        .num_args(1..)
        .trailing_var_arg(true)
        .value_hint(ValueHint::CommandWithArguments)
        .value_parser(OsStringValueParser::new())
}

/// Returns the option of a setting; `None` if only the launcher sets it.
pub(super) fn option(setting: &'static Setting, default: &str) -> Option<Arg> {
    let long = setting.option?;
    let help = settings_help::of(setting);
    let Setting { variable, values, .. } = setting;
    let text = format!("{} [{values}; default: {default}] [env: {variable}]", help.text);
    let option = Arg::new(setting.variable)
        .long(long)
        .value_name(if long == "output" { "FILE" } else { "VALUE" })
        .value_parser(OsStringValueParser::new())
        .help(text);
    // The word after a plain -c is the program, not a value.
    let option = match setting.variable {
        SUMMARY => option
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(YES)
            .action(ArgAction::Append),
        INJECT => option.action(ArgAction::Append),
        _ => option.allow_hyphen_values(true),
    };
    Some(match help.short {
        Some(short) => option.short(short),
        None => option,
    })
}

/// Parses a number in this range.
pub(super) fn number<N>(word: &str, range: RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    let number = word.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("expected a number from {} to {}", range.start(), range.end()))
}

/// The option `--profile`.
pub(super) fn profile_option() -> Arg {
    Arg::new(PROFILE)
        .long(PROFILE)
        .value_name("NAME")
        .action(ArgAction::Append)
        .value_parser(OsStringValueParser::new())
        .help("Make copies behave as in another environment, see cfr profiles; repeatable")
}

/// Returns the profiles that are named.
pub(super) fn profiles(matches: &ArgMatches) -> Vec<OsString> {
    matches.get_many(PROFILE).into_iter().flatten().cloned().collect()
}

const REACH: &str = "reach";

/// The option `--reach`.
pub(super) fn reach_option() -> Arg {
    Arg::new(REACH)
        .long(REACH)
        .value_name("REACH")
        .value_parser(PossibleValuesParser::new(Reach::ALL.map(|(name, _)| name)))
        .default_value("auto")
        .hide_possible_values(true)
        .help("Watch through the library alone (preload), or also by a seccomp supervisor (all)")
}

/// Returns how far to watch.
pub(super) fn reach(matches: &ArgMatches) -> Reach {
    let name = matches.get_one::<String>(REACH).map(String::as_str);
    let found = Reach::ALL.into_iter().find(|(known, _)| Some(*known) == name);
    found.map(|(_, reach)| reach).unwrap_or_default()
}

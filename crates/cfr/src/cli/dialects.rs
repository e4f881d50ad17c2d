//! Arguments of `cfr dialects`.

use super::args::{ReportFormat, format, report_format};
use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;

#[derive(Debug)]
pub(crate) struct DialectsArgs {
    pub(crate) format: ReportFormat,
    /// The dialect or call to print; `None` for all.
    pub(crate) name: Option<OsString>,
}

pub(super) const NAME: &str = "NAME";

pub(super) fn read(matches: &ArgMatches) -> DialectsArgs {
    DialectsArgs { format: format(matches), name: matches.get_one(NAME).cloned() }
}

pub(super) fn command() -> Command {
    Command::new("dialects")
        .about("Print the rules of the dialects, in order, with their sources")
        .after_help(
            "\
If a call breaks several rules, the first one decides the result. To hold a program to a dialect,
use cfr trace --dialect NAME or CFR_DIALECT=NAME.

Examples:
  cfr dialects linux                 print the rules of current Linux
  cfr dialects FICLONE               print what explains the errors of a reflink
  cfr dialects --format json | jq -r '.[].name'",
        )
        .arg(report_format())
        .arg(
            Arg::new(NAME)
                .help("The dialect, or FICLONE, FICLONERANGE, FIDEDUPERANGE or sendfile [default: all]")
                .value_name("NAME")
                .value_parser(OsStringValueParser::new()),
        )
}

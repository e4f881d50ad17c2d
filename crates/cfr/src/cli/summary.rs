//! Arguments of `cfr summary`.

use super::args::{ReportFormat, format, number, report_format};
use clap::{Arg, ArgMatches, Command};

#[derive(Debug)]
pub(crate) struct SummaryArgs {
    pub(crate) format: ReportFormat,
    /// The launcher, or a process below it.
    pub(crate) pid: u32,
}

const PID: &str = "PID";

pub(super) fn read(matches: &ArgMatches) -> SummaryArgs {
    SummaryArgs { format: format(matches), pid: matches.get_one(PID).copied().unwrap_or(0) }
}

pub(super) fn command() -> Command {
    Command::new("summary")
        .about("Print the summary of a program that cfr runs now, so far")
        .after_help(
            "\
The launcher must keep a summary: cfr trace or cfr run with --summary (-c), --expect or --results.
The program is not disturbed.

Examples:
  cfr run --summary=/dev/null -- ./daemon &      a program that runs for days
  cfr summary $!                                 what it has copied so far
  cfr summary $(pidof rsync)                     by a process that runs below cfr
  watch cfr summary 1234                         every two seconds
  cfr summary --format json 1234 | jq .in_flight

Exit status: 0; 125 if there is no summary of PID.",
        )
        .arg(report_format())
        .arg(
            Arg::new(PID)
                .help("The process of cfr, or any process that runs below it")
                .value_name("PID")
                .required(true)
                .value_parser(|word: &str| number(word, 1..=i32::MAX.unsigned_abs())),
        )
}

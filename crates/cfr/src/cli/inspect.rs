//! Arguments of `cfr inspect`.

use super::args::{PROGRAM, ReportFormat, format, report_format};
use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;

#[derive(Debug)]
pub(crate) struct InspectArgs {
    pub(crate) format: ReportFormat,
    pub(crate) program: OsString,
}

pub(super) fn read(matches: &ArgMatches) -> InspectArgs {
    InspectArgs {
        format: format(matches),
        program: matches.get_one(PROGRAM).cloned().unwrap_or_default(),
    }
}

pub(super) fn command() -> Command {
    Command::new("inspect")
        .about("Report by which calls PROGRAM can copy, and what sees them")
        .after_help(
            "\
cfr inspect reads the files of PROGRAM and of the libraries that it needs, and executes nothing. If
PROGRAM is a script, its interpreter is inspected. copy_file_range and sendfile count if they are
imported, syscall if SYS_copy_file_range is passed to it, ioctl if a reflink or dedupe request is.

The last column says what sees a call: the preload, only the supervisor (--reach), or either.

Examples:
  cfr inspect cp                     what sees the copies of cp?
  cfr inspect ./deploy.py            inspects the script's interpreter
  LD_LIBRARY_PATH=build cfr inspect build/tool
  cfr inspect --format json node | jq -r .verdict

Exit status: 0 whatever the answer is; 125 if a file is damaged or cannot be read; 126 if PROGRAM
cannot be executed; 127 if it is not found.",
        )
        .arg(report_format())
        .arg(
            Arg::new(PROGRAM)
                .help("A program on the PATH, or the path of one")
                .value_name("PROGRAM")
                .required(true)
                .value_parser(OsStringValueParser::new()),
        )
}

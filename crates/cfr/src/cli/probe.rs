//! Arguments of `cfr probe`.

use super::args::{ReportFormat, format, report_format};
use clap::builder::PathBufValueParser;
use clap::{Arg, ArgMatches, Command};
use std::path::PathBuf;

#[derive(Debug)]
pub(crate) struct ProbeArgs {
    pub(crate) format: ReportFormat,
    /// The paths to probe, at least one.
    pub(crate) paths: Vec<PathBuf>,
}

const PATH: &str = "PATH";

pub(super) fn read(matches: &ArgMatches) -> ProbeArgs {
    ProbeArgs {
        format: format(matches),
        paths: matches.get_many(PATH).into_iter().flatten().cloned().collect(),
    }
}

pub(super) fn command() -> Command {
    Command::new("probe")
        .about("Test what the kernel and the filesystems of these paths can do")
        .after_help(
            "\
cfr probe tries each operation on unnamed temporary files. It changes no existing file and leaves
nothing behind.

Examples:
  cfr probe                          test the filesystem of the working directory
  cfr probe /home /mnt/usb           test two filesystems, and copies from each to the other
  cfr probe --format json . | jq '.paths[0].reflink.value'

Exit status: 0; 1 if a PATH could not be probed; 125 if cfr failed.",
        )
        .arg(report_format())
        .arg(
            Arg::new(PATH)
                .help("A directory, or a file in it [default: .]")
                .value_name("PATH")
                .num_args(0..)
                .default_value(".")
                .hide_default_value(true)
                .value_parser(PathBufValueParser::new()),
        )
}

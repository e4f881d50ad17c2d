//! Arguments of `cfr report`.

use super::args::{ReportFormat, format, number, report_format};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug)]
pub(crate) struct ReportArgs {
    pub(crate) format: ReportFormat,
    /// The number of slowest calls, programs and pairs of paths to report.
    pub(crate) top: Option<usize>,
    /// The order of the programs and pairs.
    pub(crate) order: Order,
    /// The file for a Chrome trace; `-` is standard output, without the report.
    pub(crate) chrome: Option<PathBuf>,
    /// The file for a page; `-` is standard output, without the report.
    pub(crate) html: Option<PathBuf>,
    /// A pattern of the source's or the target's path; `None` for all.
    pub(crate) path: Option<OsString>,
    /// A pattern of the program's name; `None` for all.
    pub(crate) comm: Option<OsString>,
    /// The time of the first line, in microseconds since 1970; `None` for all.
    pub(crate) since_us: Option<u64>,
    /// The logs and summaries, at least one; `-` is standard input.
    pub(crate) logs: Vec<PathBuf>,
}

/// The number by which the rows of a report are sorted, largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Bytes copied or shared.
    Bytes,
    Calls,
    /// Nanoseconds in calls.
    Time,
    /// Calls that failed.
    Errors,
}

impl Order {
    const ALL: [(&'static str, Order); 4] = [
        ("bytes", Order::Bytes),
        ("calls", Order::Calls),
        ("time", Order::Time),
        ("errors", Order::Errors),
    ];

    /// Returns its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        Order::ALL.into_iter().find(|(_, order)| *order == self).map_or("", |(name, _)| name)
    }
}

const TOP: &str = "top";
const ORDER: &str = "by";
const CHROME: &str = "chrome";
const HTML: &str = "html";
const PATH: &str = "path";
const COMM: &str = "comm";
const SINCE: &str = "since";
const LOG: &str = "LOG";

pub(super) fn read(matches: &ArgMatches) -> ReportArgs {
    let name = matches.get_one::<String>(ORDER);
    let order = Order::ALL.into_iter().find(|(word, _)| name.is_some_and(|name| name == word));
    ReportArgs {
        format: format(matches),
        top: matches.get_one(TOP).copied(),
        order: order.map_or(Order::Bytes, |(_, order)| order),
        chrome: matches.get_one(CHROME).cloned(),
        html: matches.get_one(HTML).cloned(),
        path: matches.get_one(PATH).cloned(),
        comm: matches.get_one(COMM).cloned(),
        since_us: matches.get_one(SINCE).copied(),
        logs: matches.get_many(LOG).into_iter().flatten().cloned().collect(),
    }
}

pub(super) fn command() -> Command {
    Command::new("report")
        .about("Summarize logs: totals, methods, errors, latency, slowest calls, paths")
        .after_help(
            "\
Memory use does not depend on the size of the log.

Examples:
  cfr trace -o log.json --format json -- make && cfr report log.json
  cfr report --path '*.db' --since 2h log.json.gz
  cfr report --by errors --top 20 log.json         the files that cannot be copied
  cfr report --format json log.json | jq .latency_ns.p99
  cfr report summary.json                          what was written by other calls than copies
  cfr report --html report.html log.json           a page: charts, and tables to search and sort
  cfr report --chrome trace.json log.json          for ui.perfetto.dev or chrome://tracing

Exit status: 0; 125 if a LOG cannot be read, or has lines but none of a log.",
        )
        .arg(report_format())
        .arg(
            Arg::new(TOP)
                .long(TOP)
                .value_name("N")
                .value_parser(|word: &str| number(word, 1..=1000_usize))
                .help(
                    "Report N slowest calls, programs and pairs of paths [1 to 1000; default: 10, \
                     in a page 500]",
                ),
        )
        .arg(
            Arg::new(ORDER)
                .long(ORDER)
                .value_name("VALUE")
                .value_parser(Order::ALL.map(|(name, _)| name))
                .default_value("bytes")
                .hide_default_value(true)
                .hide_possible_values(true)
                .help("Sort programs and pairs of paths by this [bytes, calls, time, errors; default: bytes]"),
        )
        .args([
            Arg::new(PATH)
                .long(PATH)
                .value_name("GLOB")
                .value_parser(OsStringValueParser::new())
                .help("Report only calls whose source or target has this name, or, with a slash, path"),
            Arg::new(COMM)
                .long(COMM)
                .value_name("GLOB")
                .value_parser(OsStringValueParser::new())
                .help("Report only calls of threads with this name"),
            Arg::new(SINCE).long(SINCE).value_name("TIME").value_parser(since).help(
                "Report only lines from TIME on: 2026-11-30T09:00:00Z, or as long ago as 90s, 10m, 2h",
            ),
        ])
        .arg(
            Arg::new(CHROME)
                .long(CHROME)
                .value_name("FILE")
                .value_parser(PathBufValueParser::new())
                .help(
                    "Also write a trace for ui.perfetto.dev and chrome://tracing to FILE; \
                     - is standard output, without the report",
                ),
        )
        .arg(
            Arg::new(HTML)
                .long(HTML)
                .value_name("FILE")
                .value_parser(PathBufValueParser::new())
                .help(
                    "Also write a page for a browser to FILE: charts, and tables to search and sort; \
                     - is standard output, without the report",
                ),
        )
        .arg(
            Arg::new(LOG)
                .help(
                    "A log, or a summary written with --format json, also compressed by gzip or zstd; \
                     - is standard input",
                )
                .value_name("LOG")
                .required(true)
                .num_args(1..)
                .value_parser(PathBufValueParser::new()),
        )
}

/// Parses a time in UTC, or a duration before now. Returns microseconds since 1970.
fn since(word: &str) -> Result<u64, String> {
    let time = humantime::parse_rfc3339_weak(word).ok().or_else(|| {
        let ago = humantime::parse_duration(word).ok()?;
        SystemTime::now().checked_sub(ago)
    });
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .ok_or_else(|| "expected 2026-11-30T09:00:00Z or a time ago such as 90s or 2h".to_owned())
}

//! `cfr report`.

use super::words::{Format, format, report_format};
use clap::builder::PathBufValueParser;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::PathBuf;

/// What is in these logs?
#[derive(Debug)]
pub(crate) struct Report {
    /// How to say it.
    pub(crate) format: Format,
    /// How many calls and pairs of paths to name.
    pub(crate) top: usize,
    /// In which order the pairs stand.
    pub(crate) order: Order,
    /// Where to write a trace for viewers; `-` is standard output, in place of the report.
    pub(crate) chrome: Option<PathBuf>,
    /// The logs, one at least; `-` is standard input.
    pub(crate) logs: Vec<PathBuf>,
}

/// What makes one row of a report go before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Bytes copied or shared.
    Bytes,
    /// How many calls.
    Calls,
    /// Nanoseconds within calls.
    Time,
    /// How many calls failed.
    Errors,
}

impl Order {
    const ALL: [(&'static str, Order); 4] = [
        ("bytes", Order::Bytes),
        ("calls", Order::Calls),
        ("time", Order::Time),
        ("errors", Order::Errors),
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        Order::ALL.into_iter().find(|(_, order)| *order == self).map_or("", |(name, _)| name)
    }
}

const TOP: &str = "top";
const ORDER: &str = "by";
const CHROME: &str = "chrome";
const LOG: &str = "LOG";

pub(super) fn report(matches: &ArgMatches) -> Report {
    let order = matches.get_one::<String>(ORDER);
    let order = Order::ALL.into_iter().find(|(name, _)| order.is_some_and(|order| order == name));
    Report {
        format: format(matches),
        top: matches.get_one::<u16>(TOP).map_or(0, |&top| usize::from(top)),
        order: order.map_or(Order::Bytes, |(_, order)| order),
        chrome: matches.get_one(CHROME).cloned(),
        logs: matches.get_many(LOG).into_iter().flatten().cloned().collect(),
    }
}

pub(super) fn command() -> Command {
    Command::new("report")
        .about("Add up JSON logs: totals, methods, errors, latency, the slowest calls, paths")
        .after_help(
            "\
Examples:
  cfr trace -o log.json --format json -- make && cfr report log.json
  cfr report --by errors --top 20 log.json         which files cannot be copied?
  cfr report --format json log.json | jq .latency_ns.p99
  cfr report --chrome trace.json log.json          for ui.perfetto.dev, chrome://tracing

A log of any size takes the same memory. The exit status is 125 where a LOG cannot be read.",
        )
        .arg(report_format())
        .arg(
            Arg::new(TOP)
                .long(TOP)
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=1000))
                .default_value("10")
                .hide_default_value(true)
                .help(
                    "How many calls, programs and pairs of paths to name [1 to 1000; default: 10]",
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
                .help("Which programs and pairs go first [bytes, calls, time, errors; default: bytes]"),
        )
        .arg(
            Arg::new(CHROME)
                .long(CHROME)
                .value_name("FILE")
                .value_parser(PathBufValueParser::new())
                .help(
                    "Write a trace for ui.perfetto.dev and chrome://tracing to this file too; \
                     - is standard output, without the report",
                ),
        )
        .arg(
            Arg::new(LOG)
                .help("A log that was written with --format json; - is standard input")
                .value_name("LOG")
                .required(true)
                .num_args(1..)
                .value_parser(PathBufValueParser::new()),
        )
}

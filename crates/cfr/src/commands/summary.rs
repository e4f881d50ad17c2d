//! `cfr summary`: prints the summary of a program that runs now.

use crate::cli::{self, ReportFormat, SummaryArgs};
use crate::run::live_stats::LiveStats;
use crate::run::summary::{self, RunInfo};
use crate::run::summary_rows;
use crate::term::failure::{Failure, printable};
use crate::term::fit::{self, Last, Row};
use crate::term::json;
use crate::term::stdout;
use crate::term::width;
use cfr_engine::call::{Call, Request};
use cfr_engine::hook::Hook;
use cfr_shared::format::{Bytes, Format, Time};
use cfr_shared::stats::{InFlight, PathEnd};
use serde::Serialize;
use std::iter;
use std::path::Path;

pub(crate) fn run(args: &SummaryArgs) -> Result<u8, Failure> {
    let live = LiveStats::find(args.pid)?;
    let command = cli::program_of(&live.words).unwrap_or_default();
    let info = RunInfo::so_far(&live.stats, live.now_ns, &command);
    let program = command.first().map_or(Path::new("?"), Path::new);
    let rendered = |format| summary::render(&live.stats, program, &info, format, "");
    let calls = live.in_flight.iter().map(|call| CallNow::new(call, live.now_ns)).collect();
    stdout::write(&match args.format {
        ReportFormat::Text => {
            let (mut text, columns) = (String::new(), width::of_stdout());
            summary_rows::write(&mut text, &rendered(Format::Text), "", columns);
            fit::write(&mut text, &rows(calls), "", columns);
            text
        }
        ReportFormat::Json => {
            let around = Around { launcher: live.launcher, in_flight: calls };
            json::joined(&rendered(Format::Json), &json::to_line(&around)?)
        }
    })
}

/// What the summary of a program that runs has besides its counts.
#[derive(Serialize)]
struct Around {
    /// The launcher's process.
    launcher: u32,
    in_flight: Vec<CallNow>,
}

/// A call that has not returned.
#[derive(Serialize)]
struct CallNow {
    pid: i32,
    hook: &'static str,
    call: &'static str,
    /// The bytes that were asked for; `None` for the whole file.
    len: Option<u64>,
    age_ns: u64,
    path_in: Option<String>,
    path_out: Option<String>,
}

impl CallNow {
    fn new(call: &InFlight, now_ns: u64) -> CallNow {
        let Call { request, len, .. } = call.call();
        let (path_in, path_out) = call.paths();
        CallNow {
            pid: call.pid(),
            hook: call.hook().map_or("", Hook::name),
            call: request.name().unwrap_or(request.call()),
            len: (request != Request::Clone).then_some(len as u64),
            age_ns: now_ns.saturating_sub(call.begun_ns()),
            path_in: known(&path_in),
            path_out: known(&path_out),
        }
    }
}

/// Returns a path in the form of the log; `None` if it is not known.
fn known(path: &PathEnd) -> Option<String> {
    Some(json::name(path.bytes())).filter(|path| !path.is_empty())
}

/// Returns the last section of the table.
fn rows(calls: Vec<CallNow>) -> Vec<Row> {
    if calls.is_empty() {
        let none = Last::Text("none; the program still runs".to_owned());
        return vec![Row { head: format!("  {:<20}", "in flight"), last: none }];
    }
    let mut heading = format!("  {:<16}{:>17}  {:<15}", "in flight", "asked for", "hook");
    heading.push_str(&format!("{:>10}{:>9}  ", "age", "process"));
    let heading = Row { head: heading, last: Last::Text("files".to_owned()) };
    let row = |CallNow { pid, hook, call, len, age_ns, path_in, path_out }| {
        let asked = len.map_or_else(|| "all".to_owned(), |len| Bytes(len).to_string());
        let age = Time(age_ns);
        let files = [path_in, path_out].map(|path: Option<String>| {
            path.map_or("?".to_owned(), |path| printable(path.replace('\0', "\\x")))
        });
        Row {
            head: format!("    {call:<15}{asked:>16}  {hook:<15}{age:>10}{pid:>9}  "),
            last: Last::names(files),
        }
    };
    iter::once(heading).chain(calls.into_iter().map(row)).collect()
}

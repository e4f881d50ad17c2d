//! `cfr report`: summarizes JSON logs, in the same memory whatever their length.
//!
//! A file uses only files above it in this list.

mod moment;

mod tally;

mod table;

mod timeline;

mod sizes;

mod shown_name;

mod path_pair;

mod targets;

mod filter;

mod summaries;

mod sums;

mod summary;

mod report_text;

mod charts;

mod page;

mod events;

mod trace_file;

use crate::cli::{ReportArgs, ReportFormat};
use crate::html::earlier;
use crate::log::entry::LogEntry;
use crate::log::reader::LogReader;
use crate::log::summary_entry;
use crate::log::text_line;
use crate::term::cleanup;
use crate::term::failure::{Failure, describe, printable};
use crate::term::json;
use crate::term::status_line;
use crate::term::stdout;
use crate::term::whole_file::{WholeFile, must_differ};
use crate::term::width;
use filter::Filter;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use summary::LogSummary;
use sums::Sums;
use trace_file::TraceFile;

/// The slowest calls, programs and pairs of a report and of a page, if the user does not say how
/// many. A page can be searched.
const TOP: usize = 10;
const TOP_OF_PAGE: usize = 500;

/// Reads the logs and writes the report, the trace, the page, or several of them.
pub(crate) fn run(args: &ReportArgs) -> Result<u8, Failure> {
    cleanup::before(|_| {
        let nothing_left = trace_file::give_up();
        status_line::erase();
        Some(nothing_left)
    })?;
    let top = args.top.unwrap_or(TOP);
    let top_of_page = args.top.unwrap_or(TOP_OF_PAGE);
    let page_file = page_file(args)?;
    let read = read(args, if args.html.is_some() { top_of_page } else { top });
    status_line::erase();
    let mut summary = read?;
    if args.html.is_some() {
        let page = page::render(&summary, &log_names(args))?;
        match &page_file {
            Some(file) => {
                file.write(&page).map_err(|error| cannot_write(file.path(), &error))?;
            }
            None => return stdout::write(&page),
        }
    }
    if args.chrome.as_deref().is_some_and(is_stdout) {
        return Ok(0);
    }
    summary.shorten(top);
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::render(&summary, width::of_stdout()),
        ReportFormat::Json => json::to_line(&summary)?,
    })
}

/// Prepares the file of the page; `None` if there is none, or if it is standard output.
fn page_file(args: &ReportArgs) -> Result<Option<WholeFile>, Failure> {
    let Some(path) = args.html.as_deref() else { return Ok(None) };
    if let Some(trace) = &args.chrome {
        must_differ(("--chrome", trace), ("--html", path))?;
    }
    if is_stdout(path) {
        return Ok(None);
    }
    for log in &args.logs {
        let log = if log == Path::new("-") { Path::new("/dev/stdin") } else { log };
        must_differ(("LOG", log), ("--html", path))?;
    }
    // `--html *.json` would name a log that is to be read.
    earlier::check(path)?;
    WholeFile::open(path).map(Some).map_err(|error| cannot_write(path, &error))
}

fn log_names(args: &ReportArgs) -> Vec<String> {
    let name = |log: &PathBuf| match log.as_os_str().as_bytes() {
        b"-" => "standard input".to_owned(),
        _ => printable(log),
    };
    args.logs.iter().map(name).collect()
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {}", printable(path), describe(error)))
}

/// What a file is that has no line of a log.
enum Foreign {
    SummaryTable,
    Other,
}

impl Foreign {
    fn of(line: &[u8]) -> Foreign {
        if summary_entry::is_table(line) { Foreign::SummaryTable } else { Foreign::Other }
    }

    fn refuse(&self, name: &str) -> Failure {
        Failure::new(match self {
            Foreign::SummaryTable => {
                format!("{name} is a summary as a table; write it with --format json")
            }
            Foreign::Other => format!(
                "{name} has no line of a log and no summary; \
                 expected a log, or a summary written with --format json"
            ),
        })
    }
}

/// Summarizes all logs with the first `top` rows, and writes the trace.
fn read(args: &ReportArgs, top: usize) -> Result<LogSummary, Failure> {
    let mut sums = Sums::new(top, args.order)?;
    let filter = Filter::new(args);
    let mut trace =
        args.chrome.as_deref().map(|path| TraceFile::create(path, &args.logs)).transpose()?;
    for path in &args.logs {
        let mut log = LogReader::open(path)?;
        // The first line that is neither blank nor of a log.
        let (mut is_log, mut foreign) = (false, None);
        while let Some(line) = log.next()? {
            match LogEntry::read(line).or_else(|| text_line::read(line)) {
                Some(entry) => {
                    is_log = true;
                    if !filter.accepts(&entry) {
                        sums.left_out += 1;
                        continue;
                    }
                    sums.add(&entry);
                    if let Some(written) = &mut trace
                        && !written.add(&entry)?
                    {
                        // A page needs the rest of the log.
                        if args.html.is_none() {
                            return Ok(LogSummary::new(sums, top, args.order));
                        }
                        trace = None;
                    }
                }
                // The library blanks the place of a line that it could write only in part.
                None if line.iter().all(|&byte| byte == b' ') => {}
                None => match text_line::lost(line) {
                    Some(lost) => sums.add_lost(lost),
                    None => {
                        foreign = foreign.or_else(|| Some(Foreign::of(line)));
                        sums.add_foreign(&log.name, log.number);
                    }
                },
            }
        }
        match foreign {
            _ if is_log => {}
            Some(foreign) => return Err(foreign.refuse(&log.name)),
            None => sums.add_empty(&log.name),
        }
    }
    if let Some(trace) = trace {
        trace.finish()?;
    }
    Ok(LogSummary::new(sums, top, args.order))
}

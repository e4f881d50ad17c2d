//! `cfr report`: summarizes JSON logs, in the same memory whatever their length.
//!
//! A file uses only files above it in this list.

mod moment;

mod tally;

mod table;

mod sums;

mod summary;

mod report_text;

mod events;

mod trace_file;

use crate::cli::{ReportArgs, ReportFormat};
use crate::log::entry::{self, LogEntry};
use crate::log::reader::LogReader;
use crate::term::cleanup;
use crate::term::failure::Failure;
use crate::term::json;
use crate::term::status_line;
use crate::term::stdout;
use std::path::Path;
use summary::LogSummary;
use sums::Sums;
use trace_file::TraceFile;

/// Reads the logs and writes the report, the trace, or both.
pub(crate) fn run(args: &ReportArgs) -> Result<u8, Failure> {
    cleanup::before(|| {
        let nothing_left = trace_file::give_up();
        status_line::erase();
        nothing_left
    })?;
    let sums = read(args);
    status_line::erase();
    let sums = sums?;
    if args.chrome.as_deref() == Some(Path::new("-")) {
        return Ok(0);
    }
    let summary = LogSummary::new(sums, args.top, args.order);
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::render(&summary),
        ReportFormat::Json => json::to_line(&summary)?,
    })
}

/// Adds up all logs, and writes the trace.
fn read(args: &ReportArgs) -> Result<Sums, Failure> {
    let mut sums = Sums::new(args.top, args.order)?;
    let mut trace =
        args.chrome.as_deref().map(|path| TraceFile::create(path, &args.logs)).transpose()?;
    for path in &args.logs {
        let mut log = LogReader::open(path)?;
        let mut is_log = false;
        while let Some(line) = log.next()? {
            match LogEntry::read(line) {
                Some(entry) => {
                    is_log = true;
                    sums.add(&entry);
                    if let Some(trace) = &mut trace
                        && !trace.add(&entry)?
                    {
                        return Ok(sums);
                    }
                }
                None if !is_log && entry::is_text(line) => {
                    let name = &log.name;
                    return Err(Failure::new(format!(
                        "{name} is a text log; record it with --format json"
                    )));
                }
                // The library blanks the place of a line that it could write only in part.
                None if line.iter().all(|&byte| byte == b' ') => {}
                None => sums.add_foreign(&log.name, log.number),
            }
        }
    }
    if let Some(trace) = trace {
        trace.finish()?;
    }
    Ok(sums)
}

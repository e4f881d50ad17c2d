//! `cfr report`: what JSON logs come to, in the same memory however long they are.
//!
//! A file uses only what stands above it in this list.

mod moment;

pub(crate) mod entry;

pub(crate) mod log;

mod tally;

mod table;

mod sums;

mod summary;

mod text;

mod events;

mod trace_file;

use crate::cli::{Format, Report};
use crate::term::cleanup;
use crate::term::failure::Failure;
use crate::term::json;
use crate::term::status_line;
use crate::term::stdout;
use entry::Entry;
use log::Log;
use std::path::Path;
use summary::Summary;
use sums::Sums;
use trace_file::TraceFile;

/// Reads the logs and writes the report, the trace, or both.
pub(crate) fn run(request: &Report) -> Result<u8, Failure> {
    cleanup::before(|| {
        let nothing_left = trace_file::give_up();
        status_line::erase();
        nothing_left
    })?;
    let sums = read(request);
    status_line::erase();
    let sums = sums?;
    if request.chrome.as_deref() == Some(Path::new("-")) {
        return Ok(0);
    }
    let summary = Summary::new(sums, request.top, request.order);
    stdout::write(&match request.format {
        Format::Text => text::written(&summary),
        Format::Json => json::written(&summary)?,
    })
}

/// Adds all logs up, and writes the trace.
fn read(request: &Report) -> Result<Sums, Failure> {
    let mut sums = Sums::new(request.top, request.order)?;
    let trace = request.chrome.as_deref();
    let mut trace = trace.map(|path| TraceFile::create(path, &request.logs)).transpose()?;
    for path in &request.logs {
        let mut log = Log::open(path)?;
        let mut is_log = false;
        while let Some(line) = log.next()? {
            match Entry::read(line) {
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
                None => sums.add_foreign(&log.name, log.number),
            }
        }
    }
    if let Some(trace) = trace {
        trace.finish()?;
    }
    Ok(sums)
}

//! `cfr probe`: what the kernel and the filesystems of some paths can do, found out by trying.
//!
//! A file uses only what stands above it in this list.

mod fact;

mod temporary;

mod mount;

mod c_library;

mod kernel;

mod trials;

mod largest;

mod filesystem;

mod pairs;

mod report;

mod report_text;

mod report_json;

use crate::cli::{ProbeArgs, ReportFormat};
use crate::term::failure::{Failure, plain, say};
use crate::term::status_line;
use crate::term::stdout;
use report::Report;

/// Some path could not be probed.
const INCOMPLETE: u8 = 1;

/// Probes all paths and writes the report: 0, or 1 where a path could not be probed.
pub(crate) fn run(args: ProbeArgs) -> Result<u8, Failure> {
    temporary::guard()?;
    let (mut places, mut refused) = (Vec::new(), Vec::new());
    for path in args.paths {
        match filesystem::probe(&path) {
            Ok(place) => places.push(place),
            Err(refusal) => {
                status_line::erase();
                say(format!("{}: {}", plain(&path), refusal.message));
                refused.push((path, refusal));
            }
        }
    }
    let pairs = pairs::probe(&places);
    status_line::erase();
    let (kernel, c_library) = (kernel::facts(), c_library::facts());
    let report = Report { kernel, c_library, places, pairs, refused };
    let text = match args.format {
        ReportFormat::Text => report_text::written(&report),
        ReportFormat::Json => report_json::written(&report)?,
    };
    stdout::write(&text)?;
    Ok(if report.refused.is_empty() { 0 } else { INCOMPLETE })
}

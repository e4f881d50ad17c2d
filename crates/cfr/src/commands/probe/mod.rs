//! `cfr probe`: tests what the kernel and the filesystems of some paths can do.
//!
//! A file uses only files above it in this list.

mod fact;

mod temporary;

mod mount;

mod c_library;

mod kept_answers;

mod kernel;

mod trials;

mod largest;

mod filesystem;

mod pairs;

mod report;

mod report_text;

mod report_json;

use crate::cli::{ProbeArgs, ReportFormat};
use crate::term::failure::{Failure, print_message, printable};
use crate::term::status_line;
use crate::term::stdout;
use crate::term::width;
use report::ProbeReport;

/// The exit status if a path could not be probed.
const INCOMPLETE: u8 = 1;

/// Probes all paths and writes the report. Returns 0, or 1 if a path could not be probed.
pub(crate) fn run(args: ProbeArgs) -> Result<u8, Failure> {
    temporary::guard()?;
    let (mut probed, mut refused) = (Vec::new(), Vec::new());
    for path in args.paths {
        match filesystem::probe(&path) {
            Ok(path) => probed.push(path),
            Err(refusal) => {
                status_line::erase();
                print_message(format!("{}: {}", printable(&path), refusal.message));
                refused.push((path, refusal));
            }
        }
    }
    let pairs = pairs::probe(&probed);
    status_line::erase();
    let (kernel, c_library) = (kernel::facts(), c_library::facts());
    let report = ProbeReport { kernel, c_library, probed, pairs, refused };
    let text = match args.format {
        ReportFormat::Text => report_text::render(&report, width::of_stdout()),
        ReportFormat::Json => report_json::render(&report)?,
    };
    stdout::write(&text)?;
    Ok(if report.refused.is_empty() { 0 } else { INCOMPLETE })
}

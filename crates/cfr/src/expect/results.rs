//! `--results FILE`: one JSON object, on one line. Its keys are documented in cfr-expect(7) and do
//! not change.

use super::check::Verdict;
use super::{EXPECTATION_FAILED, RunResult};
use crate::run::child::ChildExit;
use crate::run::summary;
use crate::term::failure::{Failure, describe, printable};
use crate::term::json;
use crate::term::whole_file::WholeFile;
use cfr_shared::format::Format;
use cfr_shared::stats::Counter;
use serde::Serialize;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// The file, which is written when the program has ended.
pub(super) struct ResultsFile {
    file: WholeFile,
    /// The program and its arguments.
    command: Vec<String>,
}

impl ResultsFile {
    /// Checks that the file can be written, and removes an earlier one.
    pub(super) fn open(path: &Path, command: &[OsString]) -> Result<ResultsFile, Failure> {
        let file = WholeFile::open(path).map_err(|error| cannot_write(path, &error))?;
        let command = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Ok(ResultsFile { file, command })
    }

    /// Writes the results of a program that has ended.
    pub(super) fn write(
        &self,
        held: bool,
        expectations: Vec<Verdict>,
        ended: &ChildExit,
        result: &RunResult,
    ) -> Result<(), Failure> {
        let results = Results {
            held,
            cfr_status: match result.error {
                Some(error) => error.status,
                None if held || ended.is_interrupted() => ended.status,
                None => EXPECTATION_FAILED,
            },
            status: ended.exit.code(),
            signal: ended.exit.signal(),
            failure: result.error.map(Failure::message),
            unseen: result.blind_spot.as_ref().map(|blind_spot| blind_spot.why.as_str()),
            command: &self.command,
            faults: faults(result),
            expectations,
        };
        self.write_text(&results.to_json(Some(result))?)
    }

    /// Writes the results of a program that was not run.
    pub(super) fn write_not_run(
        &self,
        failure: &Failure,
        expectations: Vec<Verdict>,
    ) -> Result<(), Failure> {
        let results = Results {
            held: false,
            cfr_status: failure.status,
            status: None,
            signal: None,
            failure: Some(failure.message()),
            unseen: None,
            command: &self.command,
            faults: Vec::new(),
            expectations,
        };
        self.write_text(&results.to_json(None)?)
    }

    fn write_text(&self, text: &str) -> Result<(), Failure> {
        self.file.write(text).map_err(|error| cannot_write(self.file.path(), &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write the results to {}: {}", printable(path), describe(error)))
}

/// The content of the file that does not come from the counters.
#[derive(Serialize)]
struct Results<'a> {
    held: bool,
    /// The launcher's exit status.
    cfr_status: u8,
    /// The program's exit status; `None` if it did not exit.
    status: Option<i32>,
    /// The signal that ended the program.
    signal: Option<i32>,
    /// The error of the launcher.
    failure: Option<&'a str>,
    /// The reason why some calls could not be seen.
    unseen: Option<&'a str>,
    command: &'a [String],
    /// The faults that were injected, in their order.
    faults: Vec<FaultResult<'a>>,
    expectations: Vec<Verdict>,
}

/// A fault, and the calls that it was about.
#[derive(Serialize)]
struct FaultResult<'a> {
    fault: &'a str,
    /// The calls that met its conditions but `when` and `prob`.
    met: u64,
    /// The calls that met all of its conditions.
    hit: u64,
    /// Those of them whose result a fault before it decided.
    preempted: u64,
    /// The calls that it changed, delayed or sent a signal.
    applied: u64,
}

fn faults<'a>(result: &'a RunResult) -> Vec<FaultResult<'a>> {
    let Some(counts) = result.stats.faults() else { return Vec::new() };
    let row = |(index, fault): (usize, &'a String)| FaultResult {
        fault,
        met: counts.met(index),
        hit: counts.hit(index),
        preempted: counts.preempted(index),
        applied: counts.applied(index),
    };
    result.checked.faults.iter().enumerate().map(row).collect()
}

/// The counts that are used most.
#[derive(Serialize)]
struct MainCounts {
    programs: u64,
    calls: u64,
    bytes: u64,
}

impl Results<'_> {
    /// Returns the JSON object, with the counts of this program.
    fn to_json(&self, about: Option<&RunResult>) -> Result<String, Failure> {
        let counted = about.map_or(MainCounts { programs: 0, calls: 0, bytes: 0 }, |result| {
            let (stats, programs) = (result.stats, result.stats.get(Counter::Programs));
            MainCounts { programs, calls: stats.finished(), bytes: stats.bytes() }
        });
        let summary = about.map(|result| {
            summary::render(result.stats, result.program, result.info, Format::Json, "")
        });
        // The summary is an object with the one key `summary`.
        let summary = summary.as_deref().unwrap_or("{\"summary\":null}");
        let mut object = String::new();
        for part in [&json::to_line(self)?, &json::to_line(&counted)?, summary] {
            let inside = part.trim_end().strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            object.push(if object.is_empty() { '{' } else { ',' });
            object.push_str(inside.unwrap_or_default());
        }
        object.push_str("}\n");
        Ok(object)
    }
}

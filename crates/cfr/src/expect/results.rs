//! The results file: one JSON object, on one line. Its keys are documented in cfr(1) and do not
//! change.

use super::check::Verdict;
use crate::run::summary;
use crate::term::failure::Failure;
use crate::term::json;
use cfr_shared::stats::{Counter, Stats};
use serde::Serialize;
use std::path::Path;

/// The content of the results file that does not come from the counters.
#[derive(Serialize)]
pub(super) struct Results<'a> {
    pub(super) held: bool,
    /// The launcher's exit status.
    pub(super) cfr_status: u8,
    /// The program's exit status; `None` if it did not exit.
    pub(super) status: Option<i32>,
    /// The signal that ended the program.
    pub(super) signal: Option<i32>,
    /// The error of the launcher.
    pub(super) failure: Option<&'a str>,
    /// The reason why some calls could not be seen.
    pub(super) unseen: Option<&'a str>,
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    pub(super) expectations: Vec<Verdict>,
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
    pub(super) fn to_json(&self, about: Option<(&Stats, &Path)>) -> Result<String, Failure> {
        let counted = about.map_or(MainCounts { programs: 0, calls: 0, bytes: 0 }, |(stats, _)| {
            let programs = stats.get(Counter::Programs);
            MainCounts { programs, calls: stats.finished(), bytes: stats.bytes() }
        });
        let summary = about.map(|(stats, program)| summary::object(stats, program));
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

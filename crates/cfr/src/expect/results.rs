//! What the witness file says: one JSON object, on one line. Its keys do not change: cfr(1) lists them.

use super::check::Verdict;
use crate::run::summary;
use crate::term::failure::Failure;
use crate::term::json;
use cfr_shared::stats::{Counter, Stats};
use serde::Serialize;
use std::path::Path;

/// All but what the accounts say.
#[derive(Serialize)]
pub(super) struct Testimony<'a> {
    /// Whether every expectation held.
    pub(super) held: bool,
    /// The launcher's own status.
    pub(super) cfr_status: u8,
    /// The program's; none where it did not exit.
    pub(super) status: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<i32>,
    /// Why the launcher failed.
    pub(super) failure: Option<&'a str>,
    /// Why not every call could be seen.
    pub(super) unseen: Option<&'a str>,
    /// The command line of the program.
    pub(super) command: Vec<String>,
    /// What came of each expectation.
    pub(super) expectations: Vec<Verdict>,
}

/// What the accounts say, in the words that are asked for most.
#[derive(Serialize)]
struct Counted {
    programs: u64,
    calls: u64,
    bytes: u64,
}

impl Testimony<'_> {
    /// The object, with what these accounts of this program say.
    pub(super) fn written(&self, about: Option<(&Stats, &Path)>) -> Result<String, Failure> {
        let counted = about.map_or(Counted { programs: 0, calls: 0, bytes: 0 }, |(accounts, _)| {
            let programs = accounts.get(Counter::Programs);
            Counted { programs, calls: accounts.finished(), bytes: accounts.bytes() }
        });
        let summary = about.map(|(accounts, program)| summary::object(accounts, program));
        // One key, `summary`, and its object.
        let summary = summary.as_deref().unwrap_or("{\"summary\":null}");
        let mut object = String::new();
        for part in [&json::written(self)?, &json::written(&counted)?, summary] {
            let inside = part.trim_end().strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            object.push(if object.is_empty() { '{' } else { ',' });
            object.push_str(inside.unwrap_or_default());
        }
        object.push_str("}\n");
        Ok(object)
    }
}

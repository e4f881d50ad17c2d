//! Sums over the summaries among the lines of the logs. They are apart from the sums over calls: a log
//! and a summary may be of the same run.

use super::path_pair::PathPair;
use super::shown_name::name;
use super::table::{Table, Top};
use super::tally::Tally;
use crate::cli::Order;
use crate::log::summary_entry::LoggedSummary;
use cfr_shared::format::Time;
use serde::Serialize;

/// The most pairs of paths that have a row of their own.
const MAX_PAIRS: usize = 1_000;

/// The sums, while the logs are read.
pub(super) struct SummariesSums {
    totals: Totals,
    never_copied: Table<PathPair>,
}

/// What a report shows of summaries.
#[derive(Serialize)]
pub(super) struct Summaries {
    #[serde(flatten)]
    pub(super) totals: Totals,
    /// The pairs of files of which every copy was refused in a run.
    pub(super) never_copied: Top<PathPair>,
}

#[derive(Default, Serialize)]
pub(super) struct Totals {
    pub(super) count: u64,
    /// The first one.
    pub(super) first: Option<FirstRun>,
    pub(super) calls: u64,
    pub(super) bytes: u64,
    pub(super) errors: u64,
    pub(super) time_ns: u64,
    /// Lines of the programs' logs that were lost.
    pub(super) lost: u64,
    /// The bytes that were written by other calls than copies, as far as they are known; `None` if
    /// no summary knows them.
    pub(super) written_otherwise: Option<u64>,
    /// The summaries that do not know them.
    pub(super) unknown: u64,
}

/// When, where and what was run. Only the program is known of a process without the launcher.
#[derive(Serialize)]
pub(super) struct FirstRun {
    pub(super) program: String,
    pub(super) start: Option<String>,
    pub(super) wall_ns: Option<u64>,
    pub(super) host: Option<String>,
    pub(super) command: Option<Vec<String>>,
    pub(super) version: Option<String>,
}

impl FirstRun {
    /// Returns a line for readers; `None` if it is not known.
    pub(super) fn described(&self) -> Option<String> {
        let (start, host) = (self.start.as_deref()?, self.host.as_deref()?);
        let wall = Time(self.wall_ns?);
        let version = self.version.as_deref()?;
        let command = self.command.as_deref()?.iter().map(|word| name(word));
        let command = command.collect::<Vec<_>>().join(" ");
        Some(format!("{}, {wall} on {}, cfr {}: {command}", name(start), name(host), name(version)))
    }
}

impl SummariesSums {
    pub(super) fn new() -> SummariesSums {
        SummariesSums {
            totals: Totals::default(),
            never_copied: Table::new(MAX_PAIRS, Order::Errors),
        }
    }

    pub(super) fn add(&mut self, summary: &LoggedSummary) {
        let totals = &mut self.totals;
        totals.count += 1;
        totals.first.get_or_insert_with(|| FirstRun {
            program: summary.program.clone(),
            start: summary.start.clone(),
            wall_ns: summary.wall_ns,
            host: summary.host.clone(),
            command: summary.command.clone(),
            version: summary.version.clone(),
        });
        for (sum, more) in [
            (&mut totals.calls, summary.calls),
            (&mut totals.bytes, summary.bytes),
            (&mut totals.errors, summary.refused),
            (&mut totals.time_ns, summary.duration_ns),
            (&mut totals.lost, summary.lines_lost),
        ] {
            *sum = sum.saturating_add(more);
        }
        match summary.written_otherwise {
            Some(bytes) => {
                let known = totals.written_otherwise.unwrap_or(0);
                totals.written_otherwise = Some(known.saturating_add(bytes));
            }
            None => totals.unknown += 1,
        }
        for pair in &summary.never_copied {
            let boxed = |path: &Option<String>| path.as_deref().map(Box::from);
            let key = PathPair::new(boxed(&pair.path_in), boxed(&pair.path_out));
            let tally = Tally { calls: pair.errors, errors: pair.errors, ..Tally::default() };
            self.never_copied.add(key, tally);
        }
    }

    /// Returns the sums, with the first `top` pairs.
    pub(super) fn finish(self, top: usize) -> Summaries {
        Summaries { totals: self.totals, never_copied: self.never_copied.top(top) }
    }
}

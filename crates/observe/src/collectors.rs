//! Counters that this process adds its calls to: those of the launcher, for the whole tree of
//! processes, and its own, for the summary that it writes when it ends.

use cfr_shared::record::{Record, Whole};
use cfr_shared::settings::SummaryTarget;
use cfr_shared::stats::{Collect, Counter, FileIds, InFlightGuard, Stats};
use cfr_sys as sys;

/// The counters of a process. Each is there if it is wanted.
#[derive(Clone, Copy)]
pub struct Collectors {
    /// The launcher's, in a memory file that all processes of its program share (`CFR_STATS`).
    pub tree: Option<Stats>,
    /// This process's own (`CFR_SUMMARY`).
    pub own: Option<Stats>,
    /// Whether this is a process of the program, whose lines of the log the kernel counts as written
    /// by the program.
    pub is_program: bool,
}

impl Collectors {
    /// Reports whether anything beside the log collects records of calls.
    #[must_use]
    #[inline(always)]
    pub fn want_records(&self) -> bool {
        self.of_records().next().is_some() || self.want_progress()
    }

    /// Counts a call that came through an intercepted hook, `is_in_flight` if it was counted as a call
    /// in flight. `keep_stderr` gets the pid of the process that will write the summary, before its
    /// first call is counted.
    #[inline(always)]
    pub(crate) fn count_call(&self, is_in_flight: bool, keep_stderr: impl FnOnce(u64)) {
        if let Some(tree) = self.tree.filter(|_| !is_in_flight) {
            tree.add(Counter::Calls, 1);
        }
        if let Some(own) = self.own {
            // A child made by fork(2) finds zeros.
            if own.get(Counter::Owner) == 0 {
                own.set(Counter::Owner, sys::getpid().unsigned_abs().into());
            }
            keep_stderr(own.get(Counter::Owner));
            own.add(Counter::Calls, 1);
        }
    }

    /// Counts a call that its thread makes itself.
    pub fn count_let_through(&self) {
        if let Some(tree) = self.tree {
            tree.add(Counter::LetThrough, 1);
        }
    }

    /// Counts a line that was lost.
    pub(crate) fn count_lost(&self) {
        [self.tree, self.own].iter().flatten().for_each(|stats| stats.add(Counter::LinesLost, 1));
    }

    /// Counts the bytes of a line of the log that was written.
    pub(crate) fn count_line(&self, bytes: usize) {
        if let Some(tree) = self.tree.filter(|_| self.is_program) {
            tree.add(Counter::Accounted, bytes as u64);
        }
    }

    /// Reports whether the launcher shows a line of progress.
    #[inline(always)]
    pub(crate) fn want_progress(&self) -> bool {
        self.tree.is_some_and(|tree| tree.collects(Collect::PROGRESS))
    }

    /// Reports whether the launcher keeps the lines of recent calls.
    #[cold]
    #[inline(never)]
    pub(crate) fn want_lines(&self) -> bool {
        self.of_lines().is_some()
    }

    /// Returns the launcher's counters if it wants to know the calls that have not returned; of
    /// supervised ones, only for their progress and for a summary that is asked for meanwhile.
    #[inline(always)]
    pub(crate) fn of_calls_in_flight(&self, is_supervised: bool) -> Option<Stats> {
        self.tree.filter(|tree| match is_supervised {
            true => tree.collects_any(Collect::PROGRESS.union(Collect::SUMMARY)),
            false => tree.collects_any(Collect::PROGRESS.union(Collect::IN_FLIGHT)),
        })
    }

    /// Reports whether the files of the calls are counted: for the launcher, or for a summary of this
    /// process's own.
    pub(crate) fn want_files(&self, summary: SummaryTarget<'_>) -> bool {
        self.own.is_some() && summary != SummaryTarget::No
            || self.tree.is_some_and(|tree| tree.collects(Collect::FILES))
    }

    /// Reports whether a counter collects records.
    #[inline(always)]
    pub(crate) fn count_records(&self) -> bool {
        self.of_records().next().is_some()
    }

    /// Reports whether records are counted for the launcher.
    pub(crate) fn count_for_tree(&self) -> bool {
        self.tree.is_some_and(|tree| tree.collects(Collect::SUMMARY))
    }

    /// Counts a record, of a call in flight if it is stored as one.
    pub(crate) fn count(
        &self,
        record: &Record<'_>,
        whole: Whole,
        files: Option<&FileIds>,
        in_flight: Option<&InFlightGuard>,
    ) {
        for stats in self.of_records() {
            stats.count(record, whole, files, in_flight);
        }
        if let Some(tree) = self.of_lines() {
            tree.keep_line(record);
        }
    }

    #[inline(always)]
    fn of_records(&self) -> impl Iterator<Item = Stats> {
        self.own.into_iter().chain(self.tree.filter(|tree| tree.collects(Collect::SUMMARY)))
    }

    fn of_lines(&self) -> Option<Stats> {
        self.tree.filter(|tree| tree.collects(Collect::SUMMARY.union(Collect::LINES)))
    }
}

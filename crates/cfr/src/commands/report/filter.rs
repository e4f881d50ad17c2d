//! Which lines of the logs a report is about: `--path`, `--comm` and `--since`.

use crate::cli::ReportArgs;
use crate::log::entry::{LogEntry, LoggedCall};
use cfr_shared::inject::{matches_name, matches_path};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The conditions, all of which hold for a line of the report.
pub(super) struct Filter<'a> {
    path: Option<&'a OsString>,
    comm: Option<&'a OsString>,
    since_us: Option<u64>,
}

impl Filter<'_> {
    pub(super) fn new(args: &ReportArgs) -> Filter<'_> {
        let ReportArgs { path, comm, since_us, .. } = args;
        Filter { path: path.as_ref(), comm: comm.as_ref(), since_us: *since_us }
    }

    /// Reports whether the report is about this line. A message is of no file and no program; a summary
    /// has no time, and is of all files.
    pub(super) fn accepts(&self, entry: &LogEntry) -> bool {
        let is_since = |time_us| self.since_us.is_none_or(|since| time_us >= since);
        match entry {
            LogEntry::Call(call) => is_since(call.moment.time_us) && self.accepts_call(call),
            LogEntry::Message(message) => is_since(message.moment.time_us),
            LogEntry::Summary(_) => true,
        }
    }

    fn accepts_call(&self, call: &LoggedCall) -> bool {
        let is_of_path = self.path.is_none_or(|glob| {
            let mut paths = [&call.source, &call.target].into_iter().flatten();
            paths.any(|path| matches_path(glob.as_bytes(), path.as_bytes()))
        });
        let is_of_comm = self.comm.is_none_or(|glob| {
            call.comm.as_ref().is_some_and(|comm| matches_name(glob.as_bytes(), comm.as_bytes()))
        });
        is_of_path && is_of_comm
    }
}

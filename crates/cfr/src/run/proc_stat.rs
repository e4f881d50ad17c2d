//! What the kernel tells of a process or a thread in one line (proc_pid_stat(5)).

use std::fs;
use std::path::Path;

/// The fields after the name.
pub(crate) struct ProcStat(Vec<String>);

impl ProcStat {
    /// Reads the line in this file; `None` if there is none.
    pub(crate) fn read(file: impl AsRef<Path>) -> Option<ProcStat> {
        let line = fs::read(file).ok()?;
        let line = String::from_utf8_lossy(&line);
        // The name may have spaces and parentheses.
        let (_, fields) = line.rsplit_once(") ")?;
        Some(ProcStat(fields.split(' ').map(str::to_owned).collect()))
    }

    /// Returns a field by its number in the manual, from 3 on.
    pub(crate) fn field(&self, number: usize) -> Option<&str> {
        self.0.get(number.checked_sub(3)?).map(String::as_str)
    }

    /// Returns a field that is a number.
    pub(crate) fn number(&self, number: usize) -> Option<u64> {
        self.field(number)?.trim_end().parse().ok()
    }
}

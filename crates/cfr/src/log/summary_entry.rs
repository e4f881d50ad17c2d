//! A summary among the lines of a log: what `-c --format json` and `--results` write.

use serde::Deserialize;

/// The beginning of a summary in its line. Only a line that has it is parsed as one.
const KEY: &[u8] = b"\"summary\":{";

/// The sums of a program with all its processes. The fields are the keys of the summary.
#[derive(Deserialize)]
pub(crate) struct LoggedSummary {
    pub(crate) program: String,
    /// When, where and what was run, and by which version; `None` in a summary of a process without
    /// the launcher.
    pub(crate) start: Option<String>,
    pub(crate) wall_ns: Option<u64>,
    pub(crate) host: Option<String>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) version: Option<String>,
    /// Calls that returned, the bytes that they copied or shared, and their duration.
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
    pub(crate) duration_ns: u64,
    /// Calls and targets that failed.
    pub(crate) refused: u64,
    pub(crate) lines_lost: u64,
    /// Bytes that were written by other calls than copies; `None` if unknown.
    pub(crate) written_otherwise: Option<u64>,
    /// Pairs of files of which every copy was refused.
    pub(crate) never_copied: Vec<RefusedPair>,
}

/// A pair of files of which every copy was refused.
#[derive(Deserialize)]
pub(crate) struct RefusedPair {
    pub(crate) errors: u64,
    pub(crate) path_in: Option<String>,
    pub(crate) path_out: Option<String>,
}

/// The object around a summary, which may have other keys.
#[derive(Deserialize)]
struct Around {
    summary: LoggedSummary,
}

impl LoggedSummary {
    /// Parses a line; `None` if it is not a summary.
    pub(super) fn read(line: &str) -> Option<LoggedSummary> {
        memchr::memmem::find(line.as_bytes(), KEY)?;
        serde_json::from_str(line).ok().map(|Around { summary }| summary)
    }
}

/// Reports whether it is the heading of a summary's table.
pub(crate) fn is_table(line: &[u8]) -> bool {
    line.strip_prefix(b"cfr: ").unwrap_or(line).starts_with(b"summary of ")
}

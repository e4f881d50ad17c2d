//! `-c`: writes a summary of what all processes of the program copied; `cfr summary` writes it earlier.

use crate::run::environment::{CheckedSettings, SummaryOutput};
use crate::run::summary_rows;
use crate::term::failure::{Failure, describe, printable};
use crate::term::json;
use crate::term::width;
use cfr_shared::format::{Format, Run, Summary};
use cfr_shared::settings::template::{self, Part, Placeholder};
use cfr_shared::stats::{Counter, Stats};
use cfr_sys as sys;
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A run of a program: when, where and what.
pub(crate) struct RunInfo<'a> {
    /// The start, in nanoseconds since 1970.
    start_ns: u64,
    /// The same by the monotonic clock.
    begun_ns: u64,
    wall_ns: u64,
    command: &'a [OsString],
}

impl RunInfo<'_> {
    /// Starts the clock of a command that is about to run.
    pub(crate) fn begin(command: &[OsString]) -> RunInfo<'_> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_ns = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
        RunInfo { start_ns, begun_ns: sys::monotonic_ns(), wall_ns: 0, command }
    }

    /// Notes the start in the stats of the run.
    pub(crate) fn note_in(&self, stats: &Stats) {
        stats.set(Counter::Start, self.start_ns);
        stats.set(Counter::Begun, self.begun_ns);
    }

    /// Returns a run that goes on at `now_ns` of the monotonic clock, with the start that was noted.
    pub(crate) fn so_far<'a>(stats: &Stats, now_ns: u64, command: &'a [OsString]) -> RunInfo<'a> {
        let (start_ns, begun_ns) = (stats.get(Counter::Start), stats.get(Counter::Begun));
        RunInfo { start_ns, begun_ns, wall_ns: now_ns.saturating_sub(begun_ns), command }
    }

    /// Stops the clock.
    pub(crate) fn end(&mut self) {
        self.wall_ns = sys::monotonic_ns().saturating_sub(self.begun_ns);
    }

    fn summarize(&self, summary: Summary, format: Format) -> String {
        // The calendar ends with the year 9999.
        const LAST: Duration = Duration::from_secs(253_402_300_799);
        let start = UNIX_EPOCH + Duration::from_nanos(self.start_ns).min(LAST);
        let start = humantime::format_rfc3339_micros(start).to_string();
        let system = rustix::system::uname();
        let command: Vec<_> = self.command.iter().map(|word| word.as_bytes()).collect();
        let run = Run {
            start: &start,
            wall_ns: self.wall_ns,
            host: system.nodename().to_bytes(),
            command: &command,
        };
        let summary = Summary { run: Some(run), ..summary };
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = match format {
            Format::Text => summary.table::<true>(&mut text),
            Format::Json => summary.json(&mut text),
        };
        text
    }
}

/// Returns the summary without a newline at its end; each line of a table begins with `prefix`. Of a
/// JSON object `summary` is the one key. Control characters are escaped. `program` is the file that
/// was started.
pub(crate) fn render(
    stats: &Stats,
    program: &Path,
    info: &RunInfo,
    format: Format,
    prefix: &str,
) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let summary = Summary { stats, program: name.as_bytes(), pid: None, prefix, run: None };
    info.summarize(summary, format)
}

/// What the JSON object has besides the summary.
#[derive(Serialize)]
struct Beside<'a> {
    /// The reason why some calls could not be seen, as in the results file.
    unseen: Option<&'a str>,
}

/// Writes the summary to its target. `program` is the file that was started as process `pid`; `unseen` is
/// why some calls could not be seen.
pub(crate) fn write(
    checked: &CheckedSettings,
    stats: &Stats,
    program: &Path,
    info: &RunInfo,
    (pid, unseen): (u32, Option<&str>),
) -> Result<(), Failure> {
    let prefix = match &checked.summary {
        SummaryOutput::None => return Ok(()),
        SummaryOutput::StandardError => "cfr: ",
        SummaryOutput::File(_) => "",
    };
    let text = render(stats, program, info, checked.format, prefix);
    let text = match (&checked.summary, checked.format) {
        (_, Format::Json) => json::joined(&text, &json::to_line(&Beside { unseen })?),
        (SummaryOutput::StandardError, Format::Text) => {
            let mut fitted = String::new();
            summary_rows::write(&mut fitted, &text, prefix, width::of_stderr());
            fitted
        }
        _ => text + "\n",
    };
    match &checked.summary {
        SummaryOutput::File(template) => {
            let name = program.file_name().unwrap_or(program.as_os_str());
            let path = expanded(template, name, pid);
            // NONBLOCK: a FIFO without a reader is an error instead of a wait.
            let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).custom_flags(nonblocking).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
                let no_reader = match Errno::from_io_error(&error) {
                    Some(Errno::NXIO) => ": no process reads this FIFO",
                    _ => "",
                };
                let (path, why) = (printable(&path), describe(&error));
                Failure::new(format!("cannot write the summary to {path}: {why}{no_reader}"))
            })
        }
        // If standard error is closed, the summary is not written.
        _ => {
            let _ = io::stderr().write_all(text.as_bytes());
            Ok(())
        }
    }
}

fn expanded(pattern: &OsStr, program: &OsStr, pid: u32) -> OsString {
    let mut path = Vec::new();
    for part in template::parts(pattern.as_bytes()).flatten() {
        match part {
            Part::Literal(bytes) => path.extend_from_slice(bytes),
            Part::Placeholder(Placeholder::Percent) => path.push(b'%'),
            Part::Placeholder(Placeholder::Program) => path.extend_from_slice(program.as_bytes()),
            Part::Placeholder(Placeholder::Pid) => path.extend(pid.to_string().into_bytes()),
        }
    }
    OsString::from_vec(path)
}

//! `-c`: writes a summary of what all processes of the program copied.

use crate::run::environment::{CheckedSettings, SummaryOutput};
use crate::term::failure::{Failure, describe, printable};
use cfr_shared::format::{Format, Run, Summary};
use cfr_shared::settings::template::{self, Part, Placeholder};
use cfr_shared::stats::Stats;
use rustix::fs::OFlags;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A run of a program: when, where and what.
pub(crate) struct RunInfo<'a> {
    start: SystemTime,
    begun: Instant,
    wall: Duration,
    command: &'a [OsString],
}

impl RunInfo<'_> {
    /// Starts the clock of a command that is about to run.
    pub(crate) fn begin(command: &[OsString]) -> RunInfo<'_> {
        let (start, begun) = (SystemTime::now(), Instant::now());
        RunInfo { start, begun, wall: Duration::ZERO, command }
    }

    /// Stops the clock.
    pub(crate) fn end(&mut self) {
        self.wall = self.begun.elapsed();
    }

    fn summarize(&self, summary: Summary, write: impl FnOnce(&Summary) -> String) -> String {
        let start = humantime::format_rfc3339_micros(self.start).to_string();
        let system = rustix::system::uname();
        let command: Vec<_> = self.command.iter().map(|word| word.as_bytes()).collect();
        let run = Run {
            start: &start,
            wall_ns: u64::try_from(self.wall.as_nanos()).unwrap_or(u64::MAX),
            host: system.nodename().to_bytes(),
            command: &command,
        };
        write(&Summary { run: Some(run), ..summary })
    }
}

/// Writes the summary to its target. `program` is the file that was started as process `pid`.
pub(crate) fn write(
    checked: &CheckedSettings,
    stats: &Stats,
    program: &Path,
    info: &RunInfo,
    pid: u32,
) -> Result<(), Failure> {
    let prefix = match &checked.summary {
        SummaryOutput::None => return Ok(()),
        SummaryOutput::StandardError => "cfr: ",
        SummaryOutput::File(_) => "",
    };
    let name = program.file_name().unwrap_or(program.as_os_str());
    let summary = Summary { stats, program: name.as_bytes(), pid: None, prefix, run: None };
    let text = info.summarize(summary, |summary| {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = match checked.format {
            Format::Text => summary.table(&mut text),
            Format::Json => summary.json(&mut text),
        };
        text + "\n"
    });
    match &checked.summary {
        SummaryOutput::File(template) => {
            let path = expanded(template, name, pid);
            // NONBLOCK: a FIFO without a reader is an error instead of a wait.
            let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).custom_flags(nonblocking).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
                let path = printable(&path);
                Failure::new(format!("cannot write the summary to {path}: {}", describe(&error)))
            })
        }
        // If standard error is closed, the summary is not written.
        _ => {
            let _ = io::stderr().write_all(text.as_bytes());
            Ok(())
        }
    }
}

/// Returns the summary as a JSON object with the one key `summary`. Control characters are escaped.
pub(crate) fn object(stats: &Stats, program: &Path, info: &RunInfo) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let summary = Summary { stats, program: name.as_bytes(), pid: None, prefix: "", run: None };
    info.summarize(summary, |summary| {
        let mut object = String::new();
        // Writing into a String cannot fail.
        let _ = summary.json(&mut object);
        object
    })
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

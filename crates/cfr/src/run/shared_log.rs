//! A log that the launcher writes for all processes of the program.

use cfr_shared::settings::template::{Part, Placeholder, parts};
use cfr_shared::settings::{Level, Settings};
use cfr_shared::stats::{LineRings, log_id, stderr_id};
use cfr_sys as sys;
use rustix::fs::FileType;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

const STANDARD_ERROR: i32 = 2;

/// The names of standard output and standard error. They mean another file in each process. If one was
/// closed, the Rust runtime has opened /dev/null in its place.
const STREAMS: [&str; 6] =
    ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2"];

/// A log that the launcher writes for all processes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SharedLog {
    /// A regular file, which all processes find by this name.
    File(PathBuf),
    /// Standard output or standard error of the launcher, named as a file.
    Stream,
    /// Standard error of the launcher, as no file is named.
    StandardError,
}

impl SharedLog {
    /// Returns the log of these settings, if the launcher can write it. A log file has been created.
    pub(crate) fn of(settings: &Settings<'_>) -> Option<SharedLog> {
        if settings.log == Level::Off {
            return None;
        }
        if settings.log_file.is_none() {
            // Without a file at the level error: only what the verification finds.
            let is_used = settings.log > Level::Error || settings.policy.verify;
            return is_used.then_some(SharedLog::StandardError);
        }
        let path = one_log_file(settings)?;
        if is_stream(&path) {
            return Some(SharedLog::Stream);
        }
        // Other names there mean something else in each process.
        let is_below = |directory| path.starts_with(directory);
        let is_of_process = is_below("/proc") || is_below("/dev") && !is_below("/dev/shm");
        let is_regular = path.metadata().is_ok_and(|metadata| metadata.is_file());
        (is_regular && !is_of_process).then_some(SharedLog::File(path))
    }

    /// Returns the log that the launcher has handed on to this process, which has inherited its standard
    /// error, and its standard output if that is the log. `None` if a reader waits for the end of it.
    pub(crate) fn handed_on(settings: &Settings<'_>) -> Option<SharedLog> {
        let Some(path) = one_log_file(settings) else {
            return (settings.log_file.is_none() && !holds_reader())
                .then_some(SharedLog::StandardError);
        };
        Some(if is_stream(&path) { SharedLog::Stream } else { SharedLog::File(path) })
    }

    /// Returns the path of the log file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        if let SharedLog::File(path) = self { Some(path) } else { None }
    }

    /// Lets processes with these settings pass their lines on through the rings.
    pub(super) fn open(&self, rings: LineRings, settings: &Settings<'_>) -> Option<()> {
        let id = match settings.log_file {
            Some(template) => log_id(template),
            None => stderr_id(sys::identify(STANDARD_ERROR).ok()?.fingerprint),
        };
        let is_file = self.path().is_some();
        let reader = (std::process::id(), sys::pid_namespace());
        rings.open(reader, id, !is_file, sys::monotonic_ns());
        Some(())
    }
}

fn is_stream(path: &Path) -> bool {
    STREAMS.iter().any(|name| path == Path::new(name))
}

/// Reports whether standard error is a pipe or socket, whose reader waits for the last process to close
/// it.
pub(crate) fn holds_reader() -> bool {
    let kind = rustix::fs::fstat(io::stderr()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket))
}

/// Reports whether each process, or each program, has a log file of its own.
pub(crate) fn has_own_log(settings: &Settings) -> bool {
    let is_own =
        |part| matches!(part, Ok(Part::Placeholder(Placeholder::Pid | Placeholder::Program)));
    settings.log_file.is_some_and(|template| parts(template).any(is_own))
}

/// Returns the log file, if all processes have the same.
fn one_log_file(settings: &Settings) -> Option<PathBuf> {
    let template = settings.log_file.filter(|_| !has_own_log(settings))?;
    let bytes = parts(template).flatten().flat_map(|part| match part {
        Part::Literal(bytes) => bytes,
        Part::Placeholder(_) => b"%",
    });
    Some(OsString::from_vec(bytes.copied().collect()).into())
}

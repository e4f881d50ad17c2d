//! The file of a trace. A regular file gets its name when the trace is complete, or not at all.

use super::events::Events;
use crate::log::entry::LogEntry;
use crate::term::failure::{Failure, describe, printable};
use crate::term::stdout::standard_stream;
use crate::term::whole_file;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of bytes written at once.
const BUFFER: usize = 256 << 10;

/// The file to delete if the trace is not finished. It is global because the thread that ends the
/// process on a signal deletes it too.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Deletes an unfinished trace. As long as the caller holds the result, no trace is created or
/// finished.
pub(super) fn give_up() -> MutexGuard<'static, Option<PathBuf>> {
    let mut unfinished = unfinished();
    if let Some(path) = unfinished.take() {
        let _ = fs::remove_file(path);
    }
    unfinished
}

fn unfinished() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A trace that is being written to a file.
pub(super) struct TraceFile {
    name: String,
    destination: Destination,
    events: Option<Events<BufWriter<File>>>,
}

enum Destination {
    Stdout,
    /// A pipe or a device, which is written directly.
    Special,
    /// A regular file, which is replaced.
    Regular(PathBuf),
}

impl TraceFile {
    /// Begins a trace of `logs`; `-` is standard output.
    pub(super) fn create(path: &Path, logs: &[PathBuf]) -> Result<TraceFile, Failure> {
        let name = printable(path);
        if path == Path::new("-") {
            let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
            return TraceFile::begin("the trace".to_owned(), Destination::Stdout, file);
        }
        let old = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            metadata => Some(metadata.map_err(|error| cannot_write(&name, &error))?),
        };
        if let Some(stream) = old.as_ref().and_then(standard_stream) {
            return TraceFile::begin(name, Destination::Special, Ok(stream));
        }
        match old {
            Some(old) if !old.is_file() => {
                let file = OpenOptions::new().write(true).open(path);
                TraceFile::begin(name, Destination::Special, file)
            }
            old => {
                if old.as_ref().is_some_and(|old| logs.iter().any(|log| is(log, old))) {
                    return Err(Failure::new(format!(
                        "cannot write {name}: it is one of the logs to read"
                    )));
                }
                // The target of a symbolic link is replaced, not the link.
                let path = if old.is_some() { path.canonicalize() } else { Ok(path.to_owned()) };
                let path = path.map_err(|error| cannot_write(&name, &error))?;
                let file = beside(&path, old.as_ref());
                TraceFile::begin(name, Destination::Regular(path), file)
            }
        }
    }

    fn begin(
        name: String,
        destination: Destination,
        file: io::Result<File>,
    ) -> Result<TraceFile, Failure> {
        let mut trace = TraceFile { name, destination, events: None };
        let out = file.map(|file| BufWriter::with_capacity(BUFFER, file));
        let events =
            out.and_then(Events::new).map_err(|error| cannot_write(&trace.name, &error))?;
        trace.events = Some(events);
        Ok(trace)
    }

    /// Adds a line of the log. Returns whether the reader wants more.
    pub(super) fn add(&mut self, entry: &LogEntry) -> Result<bool, Failure> {
        let added = self.events.as_mut().map_or(Ok(()), |events| events.add(entry));
        self.goes_on(added)
    }

    /// Finishes the trace and gives the file its name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let finished = self.events.take().map_or(Ok(()), |events| events.finish().map(drop));
        if self.goes_on(finished)?
            && let Destination::Regular(path) = &self.destination
        {
            let mut unfinished = unfinished();
            if let Some(file) = unfinished.as_deref() {
                fs::rename(file, path).map_err(|error| cannot_write(&self.name, &error))?;
                *unfinished = None;
            }
        }
        Ok(())
    }

    /// A reader that closes standard output early is not an error.
    fn goes_on(&self, result: io::Result<()>) -> Result<bool, Failure> {
        match result {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(self.destination, Destination::Stdout)
                    && error.kind() == io::ErrorKind::BrokenPipe =>
            {
                Ok(false)
            }
            Err(error) => Err(cannot_write(&self.name, &error)),
        }
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        drop(give_up());
    }
}

/// Creates a file in the same directory, with the permissions of the old one.
fn beside(path: &Path, old: Option<&Metadata>) -> io::Result<File> {
    let mut unfinished = unfinished();
    let (file, new) = whole_file::beside(path, old)?;
    *unfinished = Some(new);
    Ok(file)
}

/// Reports whether the log is that file.
fn is(log: &Path, file: &Metadata) -> bool {
    let log = if log == Path::new("-") { Path::new("/dev/stdin") } else { log };
    fs::metadata(log).is_ok_and(|log| (log.dev(), log.ino()) == (file.dev(), file.ino()))
}

fn cannot_write(name: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {name}: {}", describe(error)))
}

//! Where a trace goes: under its name when all of it is there, or not at all.

use super::events::Events;
use crate::log::entry::Entry;
use crate::term::failure::{Failure, plain, told};
use std::collections::hash_map::RandomState;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, BufWriter};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much is written at once, in bytes.
const BUFFER: usize = 256 << 10;

/// The file that is to be deleted where the trace is not finished. Not in a value: the thread that
/// ends the process deletes it too.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Deletes an unfinished trace. While the answer is held, none comes into being or is finished.
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

/// A trace on its way into a file.
pub(super) struct TraceFile {
    name: String,
    place: Place,
    events: Option<Events<BufWriter<File>>>,
}

enum Place {
    Stdout,
    /// A pipe, a device: it is written as it is.
    Special,
    /// A regular file, which is replaced.
    Regular(PathBuf),
}

impl TraceFile {
    /// Begins a trace of `logs`; `-` is standard output.
    pub(super) fn create(path: &Path, logs: &[PathBuf]) -> Result<TraceFile, Failure> {
        let name = plain(path);
        if path == Path::new("-") {
            let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
            return TraceFile::begin("the trace".to_owned(), Place::Stdout, file);
        }
        let old = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            metadata => Some(metadata.map_err(|error| cannot_write(&name, &error))?),
        };
        match old {
            Some(old) if !old.is_file() => {
                let file = OpenOptions::new().write(true).open(path);
                TraceFile::begin(name, Place::Special, file)
            }
            old => {
                if old.as_ref().is_some_and(|old| logs.iter().any(|log| is(log, old))) {
                    return Err(Failure::new(format!("{name} is a log that is to be read")));
                }
                // What a symbolic link leads to is replaced, and not the link.
                let path = if old.is_some() { path.canonicalize() } else { Ok(path.to_owned()) };
                let path = path.map_err(|error| cannot_write(&name, &error))?;
                let file = beside(&path, old.as_ref());
                TraceFile::begin(name, Place::Regular(path), file)
            }
        }
    }

    fn begin(name: String, place: Place, file: io::Result<File>) -> Result<TraceFile, Failure> {
        let mut trace = TraceFile { name, place, events: None };
        let out = file.map(|file| BufWriter::with_capacity(BUFFER, file));
        let events =
            out.and_then(Events::new).map_err(|error| cannot_write(&trace.name, &error))?;
        trace.events = Some(events);
        Ok(trace)
    }

    /// Adds what a line says: whether more is wanted.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<bool, Failure> {
        let added = self.events.as_mut().map_or(Ok(()), |events| events.add(entry));
        self.goes_on(added)
    }

    /// Ends it, and gives it its name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let finished = self.events.take().map_or(Ok(()), |events| events.finish().map(drop));
        if self.goes_on(finished)?
            && let Place::Regular(path) = &self.place
        {
            let mut unfinished = unfinished();
            if let Some(file) = unfinished.as_deref() {
                fs::rename(file, path).map_err(|error| cannot_write(&self.name, &error))?;
                *unfinished = None;
            }
        }
        Ok(())
    }

    /// Who reads no further on standard output has what he wanted.
    fn goes_on(&self, result: io::Result<()>) -> Result<bool, Failure> {
        match result {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(self.place, Place::Stdout)
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

/// A new file beside `path`, of the old one's permissions.
fn beside(path: &Path, old: Option<&Metadata>) -> io::Result<File> {
    let name = format!(".cfr-trace-{:016x}", RandomState::new().hash_one(()));
    let new = path.with_file_name(name);
    let mut unfinished = unfinished();
    let file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    *unfinished = Some(new);
    if let Some(old) = old {
        file.set_permissions(old.permissions())?;
    }
    Ok(file)
}

/// Whether the log is that file.
fn is(log: &Path, file: &Metadata) -> bool {
    let log = if log == Path::new("-") { Path::new("/dev/stdin") } else { log };
    fs::metadata(log).is_ok_and(|log| (log.dev(), log.ino()) == (file.dev(), file.ino()))
}

fn cannot_write(name: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {name}: {}", told(error)))
}

//! A file that exists only when it is complete. An earlier one is removed at the start, so that its
//! content is not mistaken for the result of this run.

use crate::term::failure::{Failure, printable};
use crate::term::stdout::standard_stream;
use crate::term::unique_name::unique_name;
use rustix::fs::OFlags;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file that is written at the end.
pub(crate) struct WholeFile {
    path: PathBuf,
    /// Whether it is a pipe or a device, which is written directly.
    is_special: bool,
    /// Standard output or standard error, if the path leads to the file behind it.
    stream: Option<File>,
    /// The old file: the new one gets its permissions.
    old: Option<Metadata>,
}

impl WholeFile {
    /// Checks that the file can be written, and removes an old one.
    pub(crate) fn open(path: &Path) -> io::Result<WholeFile> {
        let old = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            metadata => Some(metadata?),
        };
        let is_special = old.as_ref().is_some_and(|old| !old.is_file());
        if is_special {
            // A FIFO is not opened, because its reader would notice.
            if !old.as_ref().is_some_and(|old| old.file_type().is_fifo()) {
                special(path)?;
            }
            return Ok(WholeFile { path: path.to_owned(), is_special, stream: None, old: None });
        }
        if let Some(stream) = old.as_ref().and_then(standard_stream) {
            let stream = Some(stream);
            return Ok(WholeFile { path: path.to_owned(), is_special, stream, old: None });
        }
        // The target of a symbolic link is replaced, not the link.
        let target = if old.is_some() { unless_missing(path.canonicalize())? } else { None };
        let path = target.unwrap_or_else(|| path.to_owned());
        let file = WholeFile { path, is_special, stream: None, old };
        let (_, new) = beside(&file.path, file.old.as_ref())?;
        fs::remove_file(new)?;
        if file.old.is_some() {
            unless_missing(fs::remove_file(&file.path))?;
        }
        Ok(file)
    }

    pub(crate) fn write(&self, text: &str) -> io::Result<()> {
        if let Some(mut stream) = self.stream.as_ref() {
            stream.write_all(text.as_bytes())
        } else if self.is_special {
            special(&self.path)?.write_all(text.as_bytes())
        } else {
            self.replace(text)
        }
    }

    /// Returns the path, with symbolic links resolved.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let (mut file, new) = beside(&self.path, self.old.as_ref())?;
        let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, &self.path));
        written.inspect_err(|_| drop(fs::remove_file(&new)))
    }
}

/// Creates a file in the directory of `path`, with the permissions of the old one. Returns it and its
/// path.
pub(crate) fn beside(path: &Path, old: Option<&Metadata>) -> io::Result<(File, PathBuf)> {
    if path.file_name().is_none() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let new = path.with_file_name(unique_name(".cfr-new-"));
    let file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    if let Some(old) = old {
        let done = file.set_permissions(old.permissions());
        done.inspect_err(|_| drop(fs::remove_file(&new)))?;
    }
    Ok((file, new))
}

/// Refuses two options that name one file, of which the second is replaced at the end. Pipes, devices
/// and standard streams are written directly and may be shared.
pub(crate) fn must_differ(
    (option, path): (&str, &Path),
    (other, replaced): (&str, &Path),
) -> Result<(), Failure> {
    if are_one(path, replaced) {
        let path = printable(replaced);
        return Err(Failure::new(format!(
            "{option} and {other} name the same file, {path}: expected two files"
        )));
    }
    Ok(())
}

/// Reports whether both paths are those of one regular file, which need not exist.
pub(crate) fn are_one(path: &Path, other: &Path) -> bool {
    match (fs::metadata(path), fs::metadata(other)) {
        (Ok(one), Ok(two)) => {
            (one.dev(), one.ino()) == (two.dev(), two.ino())
                && one.is_file()
                && standard_stream(&one).is_none()
        }
        (Err(_), Err(_)) => place(path).is_some_and(|at| place(other) == Some(at)),
        _ => false,
    }
}

/// Returns the directory and the name of a file that does not exist.
fn place(path: &Path) -> Option<(PathBuf, &OsStr)> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Some((directory.unwrap_or(Path::new(".")).canonicalize().ok()?, path.file_name()?))
}

/// Accepts that the file is not there: another run with the same path may have removed it meanwhile.
fn unless_missing<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// Opens a special file for writing. A FIFO without a reader is an error instead of a wait; a slow
/// reader is waited for.
fn special(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().append(true).custom_flags(nonblocking).open(path)?;
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

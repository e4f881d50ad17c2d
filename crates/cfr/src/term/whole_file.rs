//! A file that is there when all of it is there, and gone before that, so that nobody takes what an earlier
//! run has written for this one's.

use rustix::fs::OFlags;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file to be written when all is done.
pub(crate) struct WholeFile {
    path: PathBuf,
    /// A pipe, a device: it is written as it is.
    is_special: bool,
    /// The permissions that the new one gets from the old one.
    old: Option<Metadata>,
}

impl WholeFile {
    /// Sees that it can be written, and takes an old one away.
    pub(crate) fn open(path: &Path) -> io::Result<WholeFile> {
        let old = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            metadata => Some(metadata?),
        };
        let is_special = old.as_ref().is_some_and(|old| !old.is_file());
        if is_special {
            // To open a FIFO is an event for whoever reads it.
            if !old.as_ref().is_some_and(|old| old.file_type().is_fifo()) {
                special(path)?;
            }
            return Ok(WholeFile { path: path.to_owned(), is_special, old: None });
        }
        // What a symbolic link leads to is replaced, and not the link.
        let path = if old.is_some() { path.canonicalize()? } else { path.to_owned() };
        let file = WholeFile { path, is_special, old };
        let (_, new) = file.beside()?;
        fs::remove_file(new)?;
        if file.old.is_some() {
            fs::remove_file(&file.path)?;
        }
        Ok(file)
    }

    /// Writes it.
    pub(crate) fn write(&self, text: &str) -> io::Result<()> {
        match self.is_special {
            true => special(&self.path)?.write_all(text.as_bytes()),
            false => self.replace(text),
        }
    }

    /// Where it stands, symbolic links followed.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let (mut file, new) = self.beside()?;
        let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, &self.path));
        written.inspect_err(|_| drop(fs::remove_file(&new)))
    }

    /// A new file in the same directory, and its path.
    fn beside(&self) -> io::Result<(File, PathBuf)> {
        if self.path.file_name().is_none() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let name = format!(".cfr-new-{:016x}", RandomState::new().hash_one(()));
        let new = self.path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&new)?;
        if let Some(old) = &self.old {
            file.set_permissions(old.permissions())?;
        }
        Ok((file, new))
    }
}

/// A FIFO without a reader is an error, not a wait.
fn special(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().append(true).custom_flags(nonblocking).open(path)
}

//! Unnamed files for trials. Nothing is left behind, however the probe ends.

use super::fact::errno;
use crate::term::cleanup;
use crate::term::failure::{Failure, print_message};
use crate::term::status_line;
use crate::term::unique_name::unique_name;
use cfr_sys::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, openat, seek, unlinkat};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Locked while one of these files has a name.
static NAMED: Mutex<()> = Mutex::new(());

/// Makes a signal that ends the process wait until no such file has a name.
pub(super) fn guard() -> Result<(), Failure> {
    cleanup::before(|_| {
        let nothing_named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        status_line::erase();
        Some(nothing_named)
    })
}

/// A directory in which files are created.
pub(super) struct Directory {
    handle: OwnedFd,
}

impl Directory {
    /// Opens the directory, without the right to read it.
    pub(super) fn open(path: &Path) -> Result<Directory, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(converted)?;
        Ok(Directory { handle })
    }

    /// Creates an unnamed file, open for reading and writing.
    pub(super) fn file(&self) -> Result<UnnamedFile, Errno> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        match openat(&self.handle, ".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => Ok(UnnamedFile { file: file.into() }),
            // Not every filesystem has unnamed files. If something else is wrong, the second way
            // fails too.
            Err(_) => self.unnamed(flags | OFlags::CREATE | OFlags::EXCL, mode),
        }
    }

    /// Creates a file with a random name and removes the name.
    fn unnamed(&self, flags: OFlags, mode: Mode) -> Result<UnnamedFile, Errno> {
        let name = unique_name(".cfr-probe-");
        let _named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let file = openat(&self.handle, &name, flags, mode).map_err(converted)?;
        unlinkat(&self.handle, &name, AtFlags::empty()).map_err(|error| {
            let errno = converted(error);
            status_line::erase();
            print_message(format!("cannot delete the temporary file {name}: {errno}"));
            errno
        })?;
        Ok(UnnamedFile { file: file.into() })
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// A file without a name, which is removed with its descriptor.
pub(super) struct UnnamedFile {
    file: File,
}

impl UnnamedFile {
    /// Creates a file in memory, which is on no directory's filesystem.
    pub(super) fn in_memory() -> Result<UnnamedFile, Errno> {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let file = rustix::fs::memfd_create("cfr-probe", flags).map_err(converted)?;
        Ok(UnnamedFile { file: file.into() })
    }

    /// Returns the descriptor, for the calls of [`cfr_sys`].
    pub(super) fn fd(&self) -> i32 {
        self.file.as_raw_fd()
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Errno> {
        self.file.write_all_at(bytes, offset).map_err(|error| errno(&error))
    }

    /// Reports whether the file holds `bytes` at `offset`.
    pub(super) fn holds(&self, bytes: &[u8], offset: u64) -> Result<bool, Errno> {
        let mut found = vec![0; bytes.len()];
        match self.file.read_exact_at(&mut found, offset) {
            Ok(()) => Ok(found == bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(errno(&error)),
        }
    }

    /// Sets the size. The new part is a hole if the filesystem has holes.
    pub(super) fn set_size(&self, size: u64) -> Result<(), Errno> {
        self.file.set_len(size).map_err(|error| errno(&error))
    }

    pub(super) fn size(&self) -> Result<u64, Errno> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| errno(&error))
    }

    /// Returns the bytes of disk space that the file uses.
    pub(super) fn allocated(&self) -> Result<u64, Errno> {
        let metadata = self.file.metadata().map_err(|error| errno(&error))?;
        // st_blocks counts 512 bytes, whatever the block size of the filesystem is: inode(7).
        Ok(metadata.blocks().saturating_mul(512))
    }

    /// Returns the offset of the first data (lseek(2), `SEEK_DATA`).
    pub(super) fn first_data(&self) -> Result<u64, Errno> {
        seek(&self.file, SeekFrom::Data(0)).map_err(converted)
    }

    /// Returns the offset of the first hole, or of the end of the file (lseek(2), `SEEK_HOLE`).
    pub(super) fn first_hole(&self) -> Result<u64, Errno> {
        seek(&self.file, SeekFrom::Hole(0)).map_err(converted)
    }
}

fn converted(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error())
}

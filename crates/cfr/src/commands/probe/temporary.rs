//! Files without a name, to try things on: nothing is left behind, however the probe ends.

use super::fact::errno;
use crate::term::cleanup;
use crate::term::failure::{Failure, say};
use crate::term::status_line;
use cfr_sys::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, openat, seek, unlinkat};
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Held while a file of ours has a name.
static NAMED: Mutex<()> = Mutex::new(());

/// From here on a signal that ends the process waits until no file of ours has a name.
pub(super) fn guard() -> Result<(), Failure> {
    cleanup::before(|| {
        let nothing_named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        status_line::erase();
        nothing_named
    })
}

/// A directory to make files in.
pub(super) struct Directory {
    handle: OwnedFd,
}

impl Directory {
    /// Opens it, without reading it.
    pub(super) fn open(path: &Path) -> Result<Directory, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(converted)?;
        Ok(Directory { handle })
    }

    /// A new file, open for reading and writing, that has no name.
    pub(super) fn file(&self) -> Result<Temporary, Errno> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        match openat(&self.handle, ".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => Ok(Temporary { file: file.into() }),
            // Not every filesystem has such files; where it is something else that stands in the
            // way, it is so for the other way too.
            Err(_) => self.unnamed(flags | OFlags::CREATE | OFlags::EXCL, mode),
        }
    }

    /// A new file with a name that nobody has, which it loses at once.
    fn unnamed(&self, flags: OFlags, mode: Mode) -> Result<Temporary, Errno> {
        let name = format!(".cfr-probe-{:016x}", RandomState::new().hash_one(()));
        let _named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let file = openat(&self.handle, &name, flags, mode).map_err(converted)?;
        unlinkat(&self.handle, &name, AtFlags::empty()).map_err(|error| {
            let errno = converted(error);
            status_line::erase();
            say(format!("cannot delete {name}, which was made just now: {errno}"));
            errno
        })?;
        Ok(Temporary { file: file.into() })
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// A file without a name.
pub(super) struct Temporary {
    file: File,
}

impl Temporary {
    /// A file in memory, which lies in no directory's filesystem.
    pub(super) fn in_memory() -> Result<Temporary, Errno> {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let file = rustix::fs::memfd_create("cfr-probe", flags).map_err(converted)?;
        Ok(Temporary { file: file.into() })
    }

    /// Its descriptor, for the calls of [`cfr_sys`].
    pub(super) fn fd(&self) -> i32 {
        self.file.as_raw_fd()
    }

    /// Writes all of `bytes`.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Errno> {
        self.file.write_all_at(bytes, offset).map_err(|error| errno(&error))
    }

    /// Whether it holds `bytes` at `offset`.
    pub(super) fn holds(&self, bytes: &[u8], offset: u64) -> Result<bool, Errno> {
        let mut found = vec![0; bytes.len()];
        match self.file.read_exact_at(&mut found, offset) {
            Ok(()) => Ok(found == bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(errno(&error)),
        }
    }

    /// Makes it `size` bytes long; what is new is a hole where the filesystem has holes.
    pub(super) fn set_size(&self, size: u64) -> Result<(), Errno> {
        self.file.set_len(size).map_err(|error| errno(&error))
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> Result<u64, Errno> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| errno(&error))
    }

    /// Bytes of the blocks that it takes.
    pub(super) fn allocated(&self) -> Result<u64, Errno> {
        let metadata = self.file.metadata().map_err(|error| errno(&error))?;
        // In units of 512 bytes whatever the filesystem's blocks are: inode(7).
        Ok(metadata.blocks().saturating_mul(512))
    }

    /// Where the first data are (lseek(2), `SEEK_DATA`).
    pub(super) fn first_data(&self) -> Result<u64, Errno> {
        seek(&self.file, SeekFrom::Data(0)).map_err(converted)
    }

    /// Where the first hole is; the end of the file is one (lseek(2), `SEEK_HOLE`).
    pub(super) fn first_hole(&self) -> Result<u64, Errno> {
        seek(&self.file, SeekFrom::Hole(0)).map_err(converted)
    }
}

fn converted(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error())
}

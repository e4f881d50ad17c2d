//! A file as the ELF parser reads it: piece by piece, and no more of it than a sound file needs.

use object::{ReadCache, ReadRef};
use rustix::fs::OFlags;
use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Headers, symbols and relocations of the largest programs are a fourth of it, in bytes. What a
/// file claims beyond that is not believed: the parser would hold it all in memory.
const MOST: u64 = 128 << 20;

/// An open file.
pub(crate) struct Source {
    cache: ReadCache<File>,
    file: File,
    left: Cell<u64>,
}

impl Source {
    /// Opens the file at `path`. Nothing but a regular file is opened: a FIFO waits for its writer,
    /// and a device may take it for an order.
    pub(crate) fn open(path: &Path) -> io::Result<Source> {
        let file = open_regular(path)?;
        let cache = ReadCache::new(file.try_clone()?);
        Ok(Source { cache, file, left: Cell::new(MOST) })
    }

    /// Reads from `offset` on until `piece` is full or the file ends: how many bytes.
    pub(crate) fn read_at(&self, piece: &mut [u8], offset: u64) -> usize {
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        filled
    }
}

/// Opens a regular file for reading.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    // Whoever puts a FIFO there at this moment does not make us wait.
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

impl<'data> ReadRef<'data> for &'data Source {
    fn len(self) -> Result<u64, ()> {
        ReadRef::len(&self.cache)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'data [u8], ()> {
        self.left.set(self.left.get().checked_sub(size).ok_or(())?);
        self.cache.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'data [u8], ()> {
        let bytes = self.cache.read_bytes_at_until(range, delimiter)?;
        self.left.set(self.left.get().checked_sub(bytes.len() as u64).ok_or(())?);
        Ok(bytes)
    }
}

//! The input of the ELF parser: a file that is read in pieces, up to a limit.

use object::{ReadCache, ReadRef};
use rustix::fs::OFlags;
use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The most bytes that are read. The headers, symbols and relocations of the largest programs have
/// a fourth of it. The limit is there because the parser keeps all in memory, and a damaged file
/// can claim any size.
const MAX_BYTES: u64 = 128 << 20;

pub(crate) struct ElfFile {
    cache: ReadCache<File>,
    file: File,
    left: Cell<u64>,
}

impl ElfFile {
    /// Opens a regular file. Opening a FIFO would wait for its writer, and opening a device may
    /// have side effects.
    pub(crate) fn open(path: &Path) -> io::Result<ElfFile> {
        let file = open_regular(path)?;
        let cache = ReadCache::new(file.try_clone()?);
        Ok(ElfFile { cache, file, left: Cell::new(MAX_BYTES) })
    }

    /// Reads from `offset` until `piece` is full or the file ends. Returns the number of bytes.
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
        return Err(io::Error::other("not a regular file"));
    }
    // NONBLOCK: a FIFO that replaces the file at this moment does not block.
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

impl<'data> ReadRef<'data> for &'data ElfFile {
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

//! The dynamic linker's list of libraries and their paths, as ldconfig(8) of glibc 2.2 and later
//! writes it (glibc's sysdeps/generic/dl-cache.h).

use memchr::memmem;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most that is read, in bytes: a thousand times the usual size.
const MAX_BYTES: u64 = 64 << 20;
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// The offsets of the number of entries and of the first entry, and the size of an entry, in bytes.
const COUNT: usize = 20;
const ENTRIES: usize = 48;
const ENTRY: usize = 24;

/// An entry's flags for glibc libraries of this machine and word size.
#[cfg(target_arch = "x86_64")]
const FLAGS: u32 = 0x0303;
#[cfg(target_arch = "aarch64")]
const FLAGS: u32 = 0x0a03;

/// The list; empty if the file cannot be read.
#[derive(Default)]
pub(super) struct Cache(Vec<u8>);

impl Cache {
    pub(super) fn read(path: &Path) -> Cache {
        let mut bytes = Vec::new();
        let file = crate::program::elf::open_regular(path);
        let _ = file.and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        // A list in the old format may come first. Offsets of names count from the new one.
        let start = memmem::find(&bytes, MAGIC).unwrap_or(bytes.len());
        Cache(bytes.split_off(start))
    }

    /// Returns the path of the library `name`. Skips the variants for newer processors, which have
    /// the same hooks.
    pub(super) fn find(&self, name: &OsStr) -> Option<PathBuf> {
        let word = |at: usize| {
            let bytes = self.0.get(at..)?.first_chunk()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let string = |at: u32| {
            let bytes = self.0.get(usize::try_from(at).ok()?..)?;
            bytes.split(|&byte| byte == 0).next()
        };
        let count = usize::try_from(word(COUNT)?).ok()?;
        (0..count)
            .map(|number| ENTRIES + number * ENTRY)
            .take_while(|at| at + ENTRY <= self.0.len())
            .find_map(|at| {
                let is_generic = word(at)? == FLAGS && word(at + 16)? == 0 && word(at + 20)? == 0;
                let path = (is_generic && string(word(at + 4)?)? == name.as_bytes())
                    .then(|| string(word(at + 8)?))??;
                Some(PathBuf::from(OsStr::from_bytes(path)))
            })
    }
}

//! A page of memory in which the library counts, in every process of the tree, that it was
//! loaded and that it was called. It has no name that could be left behind.

use crate::failure::{Failure, told};
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// The page.
pub(crate) struct Witness(File);

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Processes into which the library was loaded.
    pub(crate) processes: u64,
    /// Calls that came through a watched door.
    pub(crate) calls: u64,
}

impl Witness {
    /// A page of zeros.
    pub(crate) fn new() -> Result<Witness, Failure> {
        let page = || -> rustix::io::Result<File> {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let file = rustix::fs::memfd_create("cfr-witness", flags)?;
            rustix::fs::ftruncate(&file, 4096)?;
            // Who maps it relies on its size.
            rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
            Ok(file.into())
        };
        page().map(Witness).map_err(|error| {
            Failure::new(format!("cannot make a memory file: {}", told(&error.into())))
        })
    }

    /// Where the library finds it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// What was counted so far.
    pub(crate) fn seen(&self) -> Seen {
        let word = |at| {
            let mut bytes = [0; 8];
            self.0.read_exact_at(&mut bytes, at).map_or(0, |()| u64::from_ne_bytes(bytes))
        };
        Seen { processes: word(0), calls: word(8) }
    }
}

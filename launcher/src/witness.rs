//! A page of memory in which the library counts, in every process of the tree, that it was
//! loaded and that it was called. It has no name that could be left behind.

use crate::failure::{Failure, told};
use cfr_core::settings::WITNESS_NAME;
use rustix::fs::{MemfdFlags, SealFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

/// The variable that tells the library of it.
pub(crate) const VARIABLE: &str = "CFR_WITNESS";

const PAGE: u64 = 4096;

/// The page.
pub(crate) struct Witness {
    file: File,
    path: OsString,
    /// What had been counted before.
    before: Seen,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Processes into which the library was loaded.
    pub(crate) processes: u64,
    /// Calls that came through a watched door.
    pub(crate) calls: u64,
}

impl Witness {
    /// The page of the launcher that this one runs under, so that both see what comes; else one
    /// of zeros.
    pub(crate) fn new() -> Result<Witness, Failure> {
        if let Some(witness) = std::env::var_os(VARIABLE).and_then(Witness::inherited) {
            return Ok(witness);
        }
        let page = || -> rustix::io::Result<File> {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let file = rustix::fs::memfd_create("cfr-witness", flags)?;
            rustix::fs::ftruncate(&file, PAGE)?;
            // Who maps it relies on its size.
            rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
            Ok(file.into())
        };
        let file = page().map_err(|error| {
            Failure::new(format!("cannot make a memory file: {}", told(&error.into())))
        })?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into();
        Ok(Witness { file, path, before: Seen::default() })
    }

    fn inherited(path: OsString) -> Option<Witness> {
        let file = File::options().read(true).open(&path).ok()?;
        let called = std::fs::read_link(&path).ok()?;
        let ours = called.as_os_str().as_bytes() == WITNESS_NAME
            && rustix::fs::fcntl_get_seals(&file).ok()?.contains(SealFlags::SHRINK);
        let mut witness = Witness { file, path, before: Seen::default() };
        witness.before = witness.counted()?;
        ours.then_some(witness)
    }

    /// Where the library finds it: a value for [`VARIABLE`].
    pub(crate) fn path(&self) -> &OsStr {
        &self.path
    }

    /// What was counted since this launcher has it.
    pub(crate) fn seen(&self) -> Seen {
        let now = self.counted().unwrap_or(self.before);
        Seen {
            processes: now.processes.saturating_sub(self.before.processes),
            calls: now.calls.saturating_sub(self.before.calls),
        }
    }

    fn counted(&self) -> Option<Seen> {
        let word = |at| {
            let mut bytes = [0; 8];
            self.file.read_exact_at(&mut bytes, at).ok().map(|()| u64::from_ne_bytes(bytes))
        };
        Some(Seen { processes: word(0)?, calls: word(8)? })
    }
}

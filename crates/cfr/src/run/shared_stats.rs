//! The accounts that the library keeps in every process of the tree: that it was loaded, that it was
//! called, and what a summary or a progress line needs. They stand in a memory file, which has no name
//! that could be left behind, and are complete however a process ends.

use crate::term::failure::{Failure, told};
use crate::term::inherited::is_ignored;
use cfr_shared::settings::STATS_NAME;
use cfr_shared::stats::{Collect, Counter, Stats};
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use rustix::fs::{MemfdFlags, SealFlags};
use signal_hook::consts::signal::SIGXFSZ;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// The variable that tells the library of it.
pub(crate) const VARIABLE: &str = "CFR_STATS";

/// The memory file, and the launcher's view of it.
pub(crate) struct Witness {
    /// Held open for those that map it; `None` where another launcher holds it.
    _file: Option<File>,
    path: OsString,
    accounts: Stats,
    /// What had been counted before.
    before: Seen,
    /// The accounts of the launcher that this one runs under, where it has its own.
    outer: Option<Stats>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Processes into which the library was loaded.
    pub(crate) processes: u64,
    /// Calls that came through a watched hook.
    pub(crate) calls: u64,
}

impl Seen {
    fn of(accounts: &Stats) -> Seen {
        Seen { processes: accounts.get(Counter::Programs), calls: accounts.get(Counter::Calls) }
    }
}

impl Witness {
    /// Accounts of what is `wanted`. Where that is nothing besides processes and calls, those of the
    /// launcher that this one runs under, so that both see what comes.
    pub(crate) fn new(wanted: Collect) -> Result<Witness, Failure> {
        let outer = std::env::var_os(VARIABLE).and_then(|path| Some((map(&path).ok()?, path)));
        match outer {
            Some((accounts, path)) if wanted == Collect::NOTHING => Ok(Witness {
                _file: None,
                path,
                accounts,
                before: Seen::of(&accounts),
                outer: None,
            }),
            outer => {
                let outer = outer.map(|(accounts, _)| accounts);
                // What the launcher outside wants to know of these calls it gets from here.
                let theirs = [Collect::SUMMARY, Collect::LINES].into_iter();
                let theirs = theirs.filter(|&one| outer.is_some_and(|outer| outer.collects(one)));
                Witness::made(theirs.fold(wanted, Collect::union), outer)
            }
        }
    }

    /// Accounts that nobody else has.
    pub(crate) fn own(wanted: Collect) -> Result<Witness, Failure> {
        Witness::made(wanted, None)
    }

    fn made(wanted: Collect, outer: Option<Stats>) -> Result<Witness, Failure> {
        let made = || -> io::Result<(File, OsString, Stats)> {
            survive_size_limit()?;
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let file = rustix::fs::memfd_create("cfr-stats", flags)?;
            rustix::fs::ftruncate(&file, (Stats::WORDS * size_of::<u64>()) as u64)?;
            // Who maps it relies on its size.
            rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            let path = OsString::from(path);
            let accounts = map(&path).map_err(|errno| io::Error::from_raw_os_error(errno.0))?;
            Ok((file.into(), path, accounts))
        };
        let (file, path, accounts) = made().map_err(|error| {
            Failure::new(format!("cannot make a memory file: {}", told(&error)))
        })?;
        accounts.set_collect(wanted);
        let before = Seen::default();
        Ok(Witness { _file: Some(file), path, accounts, before, outer })
    }

    /// Where the library finds it: a value for [`VARIABLE`].
    pub(crate) fn path(&self) -> &OsStr {
        &self.path
    }

    /// The accounts.
    pub(crate) fn accounts(&self) -> &Stats {
        &self.accounts
    }

    /// What was counted since this launcher has it, when all is done: the launcher outside gets it too.
    pub(crate) fn close(self) -> Seen {
        let now = Seen::of(&self.accounts);
        let seen = Seen {
            processes: now.processes.saturating_sub(self.before.processes),
            calls: now.calls.saturating_sub(self.before.calls),
        };
        if let Some(outer) = &self.outer {
            outer.merge(&self.accounts);
        }
        seen
    }
}

/// A limit on the size of files (setrlimit(2), `RLIMIT_FSIZE`) is an error then, and no death. The program
/// begins without: exec(3) takes what is caught back to its default.
pub(crate) fn survive_size_limit() -> io::Result<()> {
    if !is_ignored(SIGXFSZ) {
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    }
    Ok(())
}

fn map(path: &OsStr) -> Result<Stats, Errno> {
    let words = sys::map_shared(path.as_bytes(), STATS_NAME, Stats::WORDS)?;
    Stats::over(words).ok_or(Errno::EINVAL)
}

//! What would be left of a sweep that a signal ends: processes and directories. Both go first.

use crate::term::cleanup;
use crate::term::failure::Failure;
use crate::term::status_line;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is there to be taken away.
pub(super) struct Leftovers {
    groups: Vec<Pid>,
    directories: Vec<PathBuf>,
}

static LEFTOVERS: Mutex<Leftovers> =
    Mutex::new(Leftovers { groups: Vec::new(), directories: Vec::new() });

/// How long killed processes are waited for: one within a disk that does not answer may never die.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between one look and the next.
const PACE: Duration = Duration::from_millis(2);

/// From here on a signal that ends the sweep takes everything along.
pub(super) fn guard() -> Result<(), Failure> {
    cleanup::before(|| {
        // Held to the end: nothing is started or made any more.
        let mut leftovers = lock();
        status_line::erase();
        leftovers.take_away();
        leftovers
    })
}

/// Held while something comes or goes.
pub(super) fn lock() -> MutexGuard<'static, Leftovers> {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Leftovers {
    /// A group of processes was started.
    pub(super) fn add_group(&mut self, group: Pid) {
        self.groups.push(group);
    }

    /// It has ended.
    pub(super) fn forget_group(&mut self, group: Pid) {
        self.groups.retain(|&other| other != group);
    }

    /// A directory was made.
    pub(super) fn add_directory(&mut self, path: &Path) {
        self.directories.push(path.to_owned());
    }

    /// It is gone, or to be kept.
    pub(super) fn forget_directory(&mut self, path: &Path) {
        self.directories.retain(|other| other != path);
    }

    fn take_away(&mut self) {
        for &group in &self.groups {
            let _ = kill_process_group(group, Signal::KILL);
        }
        for path in &self.directories {
            let _ = remove(path);
        }
    }
}

/// Takes a directory away with all that is in it. What was killed may write there until it is dead.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let patient_until = Instant::now() + PATIENCE;
    loop {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if Instant::now() < patient_until => thread::sleep(PACE),
            done => return done,
        }
    }
}

//! Cleanup if a signal ends the sweep: processes are killed and directories removed.

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

/// What must be cleaned up.
pub(super) struct Leftovers {
    groups: Vec<Pid>,
    directories: Vec<PathBuf>,
}

static LEFTOVERS: Mutex<Leftovers> =
    Mutex::new(Leftovers { groups: Vec::new(), directories: Vec::new() });

/// The longest wait for killed processes: one that waits for a disk that does not respond may never
/// die.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two attempts.
const PACE: Duration = Duration::from_millis(2);

/// Makes a signal that ends the sweep clean up first.
pub(super) fn guard() -> Result<(), Failure> {
    cleanup::before(|| {
        // Locked until the process ends, so that nothing is started or created any more.
        let mut leftovers = lock();
        status_line::erase();
        leftovers.clean_up();
        leftovers
    })
}

/// Locks the list. It must be locked while a process or directory is created or removed.
pub(super) fn lock() -> MutexGuard<'static, Leftovers> {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Leftovers {
    pub(super) fn add_group(&mut self, group: Pid) {
        self.groups.push(group);
    }

    pub(super) fn forget_group(&mut self, group: Pid) {
        self.groups.retain(|&other| other != group);
    }

    pub(super) fn add_directory(&mut self, path: &Path) {
        self.directories.push(path.to_owned());
    }

    /// Forgets a directory that was removed or is to be kept.
    pub(super) fn forget_directory(&mut self, path: &Path) {
        self.directories.retain(|other| other != path);
    }

    fn clean_up(&mut self) {
        for &group in &self.groups {
            let _ = kill_process_group(group, Signal::KILL);
        }
        for path in &self.directories {
            let _ = remove(path);
        }
    }
}

/// Removes a directory and its content. Tries again, because killed processes may still write
/// there.
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

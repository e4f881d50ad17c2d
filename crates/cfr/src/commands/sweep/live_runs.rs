//! The processes and directories of the runs in progress. If a signal or a panic ends the sweep, the
//! processes are killed and the directories removed. If cases have ended before a signal, they are
//! reported first; a second signal ends the sweep at once.

use crate::term::cleanup;
use crate::term::failure::Failure;
use crate::term::status_line;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::io;
use std::mem;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The process groups and the new directories of the runs in progress.
pub(super) struct LiveRuns {
    groups: Vec<Pid>,
    directories: Vec<PathBuf>,
    /// Whether processes that start are killed.
    is_over: bool,
}

/// Whether a first signal lets the sweep report.
static CAN_REPORT: AtomicBool = AtomicBool::new(false);
/// The signal that has ended the runs; 0 for none.
static INTERRUPTED: AtomicI32 = AtomicI32::new(0);

static LIVE_RUNS: Mutex<LiveRuns> =
    Mutex::new(LiveRuns { groups: Vec::new(), directories: Vec::new(), is_over: false });

/// The longest wait for killed processes: one that waits for a disk that does not respond may never
/// die.
const MAX_WAIT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// Makes a signal or a panic that ends the sweep kill the processes and remove the directories first.
pub(super) fn end_early() -> Result<(), Failure> {
    // The launcher aborts after a panic and drops nothing.
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        report(panicked);
        // The thread that panics may hold the lock.
        if let Ok(mut runs) = LIVE_RUNS.try_lock() {
            runs.end();
            mem::forget(runs);
        }
    }));
    cleanup::before(|signal| {
        // Locked until the process ends, so that nothing is started or created any more.
        let mut runs = lock();
        status_line::erase();
        let is_first = INTERRUPTED.swap(signal, Ordering::Relaxed) == 0;
        if is_first && CAN_REPORT.load(Ordering::Relaxed) {
            runs.is_over = true;
            runs.kill();
            return None;
        }
        runs.end();
        Some(runs)
    })
}

/// Lets the sweep go on after a signal, without runs: it reports the cases that have ended.
pub(super) fn report_early() {
    CAN_REPORT.store(true, Ordering::Relaxed);
}

/// Returns the signal that has ended the runs.
pub(super) fn interrupted() -> Option<i32> {
    Some(INTERRUPTED.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
}

/// Locks the list. It must be locked while a process or directory is created or removed.
pub(super) fn lock() -> MutexGuard<'static, LiveRuns> {
    LIVE_RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LiveRuns {
    pub(super) fn add_group(&mut self, group: Pid) {
        self.groups.push(group);
        if self.is_over {
            self.kill();
        }
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

    fn kill(&self) {
        for &group in &self.groups {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn end(&mut self) {
        self.kill();
        for path in &self.directories {
            let _ = remove(path);
        }
    }
}

/// Removes a directory and its content. Tries again, because killed processes may still write
/// there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if Instant::now() < deadline => thread::sleep(RETRY_INTERVAL),
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process::Command;

    /// The test starts itself again, with the directory in this variable, to panic.
    #[test]
    fn a_panic_removes_the_directories() {
        const DIRECTORY: &str = "PANICS_WITH_DIRECTORY";
        if let Some(directory) = env::var_os(DIRECTORY) {
            end_early().unwrap();
            lock().add_directory(Path::new(&directory));
            panic!("as an internal error does");
        }
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "content").unwrap();
        let this = "commands::sweep::live_runs::tests::a_panic_removes_the_directories";
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--exact", this]).env(DIRECTORY, directory.path());
        assert!(!again.output().unwrap().status.success());
        assert!(!directory.path().exists());
    }
}

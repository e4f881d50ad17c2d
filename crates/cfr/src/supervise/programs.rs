//! Counts the programs whose calls only the supervisor sees, when it sees the first one. The library
//! counts the others.

use super::proc;
use cfr_shared::stats::{Counter, Stats};
use rustix::fd::OwnedFd;
use std::collections::HashSet;
use std::fs::File;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// The most threads and programs that are remembered. Then they are forgotten, and those that still copy
/// count again.
const MAX: usize = 1 << 20;

/// The programs that have copied.
pub(super) struct Programs {
    /// With the words by which a process that has mapped them is known.
    stats: Option<(Stats, String)>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Thread ids, each with the number that the kernel never uses for another thread (the inode of a
    /// pidfd, Linux 6.9).
    threads: HashSet<(i32, u64)>,
    programs: HashSet<Program>,
}

/// A program that is executed: the processes that it forks are it, too.
#[derive(PartialEq, Eq, Hash)]
enum Program {
    /// [`proc::random`].
    Random(u64),
    /// A process whose memory cannot be read.
    Process(i32),
}

impl Programs {
    /// Returns that no program was seen. `file` is that of the stats.
    pub(super) fn new(stats: Option<Stats>, file: Option<&File>) -> Programs {
        let file = file.and_then(|file| file.metadata().ok());
        let stats = stats.zip(file.as_ref().map(proc::words_in_maps));
        Programs { stats, seen: Mutex::default() }
    }

    /// Counts the program of thread `tid` of process `pid`, unless it is counted. `pidfd` is the
    /// thread's.
    pub(super) fn meet(&self, pidfd: &OwnedFd, tid: i32, pid: i32) {
        let Some((stats, words)) = &self.stats else { return };
        let inode = rustix::fs::fstat(pidfd).map_or(0, |stat| stat.st_ino);
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_new(&mut seen().threads, (tid, inode)) {
            return;
        }
        let program = proc::random(pid).map_or(Program::Process(pid), Program::Random);
        if is_new(&mut seen().programs, program) && proc::is_without(pid, words) {
            stats.add(Counter::Programs, 1);
        }
    }
}

fn is_new<T: Eq + Hash>(seen: &mut HashSet<T>, one: T) -> bool {
    if seen.len() >= MAX {
        seen.clear();
    }
    seen.insert(one)
}

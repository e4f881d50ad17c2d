//! Counters that the library shares with the launcher in every process: whether it was loaded,
//! which calls it saw, and what a summary or a progress line needs. They are in an unnamed memory
//! file, which leaves nothing behind and is complete however a process ends.

use crate::term::failure::{Failure, describe};
use crate::term::inherited::is_ignored;
use crate::term::small_thread::check_room;
use cfr_shared::stats::{Collect, Counter, LineRings, OwnFilter, Stats};
use cfr_sys as sys;
use cfr_sys::Mark;
use cfr_sys::errno::Errno;
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno as Refusal;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::signal::SIGXFSZ;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The variable with the path of the counters.
pub(crate) const VARIABLE: &str = "CFR_STATS";

/// The memory file with the counters, mapped into the launcher.
pub(crate) struct SharedStats {
    /// Keeps the file open for the processes that map it; `None` if it belongs to another launcher.
    file: Option<File>,
    path: OsString,
    stats: Stats,
    /// The counts at the start.
    before: SeenCounts,
    /// The counters of the launcher that runs this one, if this one has its own.
    outer: Option<Stats>,
}

/// The processes and calls that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenCounts {
    /// The programs that loaded the library, or that the supervisor saw copy without it.
    pub(crate) processes: u64,
    /// The calls through watched hooks.
    pub(crate) calls: u64,
    /// The calls of them whose result is not known.
    pub(crate) let_through: u64,
    /// The processes that loaded the library and do not watch all their calls.
    pub(crate) unwatched: u64,
    /// The programs that loaded the library and leave their calls to the supervisor.
    pub(crate) left: u64,
    /// The programs that loaded the library and had no room for the counters.
    pub(crate) uncounted: u64,
    /// The calls whose threads stopped waiting before the supervisor received them.
    pub(crate) interrupted: u64,
    /// The programs that installed seccomp filters of their own.
    pub(crate) own_filters: usize,
    /// One of them.
    pub(crate) own_filter: Option<OwnFilter>,
}

impl SeenCounts {
    fn of(stats: &Stats) -> SeenCounts {
        SeenCounts {
            processes: stats.get(Counter::Programs),
            calls: stats.get(Counter::Calls),
            let_through: stats.get(Counter::LetThrough),
            unwatched: stats.get(Counter::Unwatched),
            left: stats.get(Counter::LeftToSupervisor),
            uncounted: stats.get(Counter::Uncounted),
            interrupted: stats.get(Counter::Interrupted),
            own_filters: stats.own_filters().count(),
            own_filter: stats.own_filters().last(),
        }
    }
}

impl SharedStats {
    /// Opens the counters of the launcher that runs this one, if they suffice: nothing is `wanted` but the
    /// numbers of processes and calls, or else only calls in flight, and that launcher collects them. Creates
    /// new ones otherwise; also if there is to be a ring of lines, or if this launcher must not take the calls
    /// of the other one's supervisor for its own.
    pub(crate) fn new(
        wanted: Collect,
        are_own: bool,
        wants_ring: bool,
    ) -> Result<SharedStats, Failure> {
        let are_own = are_own || wants_ring;
        let is_collected =
            |outer: &Stats| wanted == Collect::IN_FLIGHT && outer.collects(Collect::IN_FLIGHT);
        let outer = std::env::var_os(VARIABLE).and_then(|path| Some((map(&path).ok()?, path)));
        match outer {
            Some((stats, path))
                if !are_own && (wanted == Collect::NOTHING || is_collected(&stats)) =>
            {
                Ok(SharedStats {
                    file: None,
                    path,
                    stats,
                    before: SeenCounts::of(&stats),
                    outer: None,
                })
            }
            outer => {
                let outer = outer.map(|(stats, _)| stats);
                // The outer launcher gets the counts from this one.
                let theirs = [Collect::SUMMARY, Collect::FILES, Collect::LINES]
                    .into_iter()
                    .filter(|&one| outer.is_some_and(|outer| outer.collects(one)));
                let wanted = theirs.fold(wanted, Collect::union);
                // A limit on file sizes may be too low for the ring.
                let with_ring =
                    wants_ring.then(|| SharedStats::made(wanted, outer, Stats::WORDS_WITH_RING));
                match with_ring {
                    Some(Ok(made)) => Ok(made),
                    _ => SharedStats::made(wanted, outer, Stats::WORDS).or_else(|failure| {
                        let made = || SharedStats::made(wanted, outer, Stats::WORDS);
                        beyond_size_limit(made).unwrap_or(Err(failure))
                    }),
                }
            }
        }
    }

    /// Creates counters that no other launcher reads.
    pub(crate) fn own(wanted: Collect) -> Result<SharedStats, Failure> {
        SharedStats::made(wanted, None, Stats::WORDS)
    }

    fn made(wanted: Collect, outer: Option<Stats>, words: usize) -> Result<SharedStats, Failure> {
        let made = || -> io::Result<(File, OsString, Stats)> {
            let bytes = words * size_of::<u64>();
            check_room(bytes)?;
            ignore_size_limit_signal()?;
            let file = memory_file(bytes as u64)?;
            let Mark { at, word } = Stats::MARK;
            file.write_all_at(&word.to_ne_bytes(), (at * size_of::<u64>()) as u64)?;
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            let path = OsString::from(path);
            let stats = map(&path).map_err(|errno| io::Error::from_raw_os_error(errno.0))?;
            Ok((file, path, stats))
        };
        let (file, path, stats) = made().map_err(|error| {
            let limit = match error.raw_os_error() {
                Some(number) if number == Errno::EFBIG.0 => {
                    ", the limit on file sizes (RLIMIT_FSIZE, ulimit -f)"
                }
                _ => "",
            };
            Failure::new(format!("cannot create a memory file: {}{limit}", describe(&error)))
        })?;
        stats.set_collect(wanted);
        let before = SeenCounts::default();
        Ok(SharedStats { file: Some(file), path, stats, before, outer })
    }

    /// Returns the path at which the library finds the counters: a value for [`VARIABLE`].
    pub(crate) fn path(&self) -> &OsStr {
        &self.path
    }

    /// Reports whether they are this launcher's own.
    pub(crate) fn are_own(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Returns the rings of lines, if this launcher reads them.
    pub(crate) fn rings(&self) -> Option<LineRings> {
        self.are_own().then(|| self.stats.line_rings()).flatten()
    }

    /// Returns the counts since the start, and adds them to the counters of the outer launcher.
    pub(crate) fn close(self) -> SeenCounts {
        let now = SeenCounts::of(&self.stats);
        let seen = SeenCounts {
            processes: now.processes.saturating_sub(self.before.processes),
            calls: now.calls.saturating_sub(self.before.calls),
            let_through: now.let_through.saturating_sub(self.before.let_through),
            unwatched: now.unwatched.saturating_sub(self.before.unwatched),
            left: now.left.saturating_sub(self.before.left),
            uncounted: now.uncounted.saturating_sub(self.before.uncounted),
            interrupted: now.interrupted.saturating_sub(self.before.interrupted),
            own_filters: now.own_filters.saturating_sub(self.before.own_filters),
            own_filter: now.own_filter.filter(|_| now.own_filters > self.before.own_filters),
        };
        if let Some(outer) = &self.outer {
            outer.merge(&self.stats);
        }
        seen
    }
}

/// Makes a memory file of this size. The processes that map it rely on the size, so it is sealed; where
/// memory files are denied, as by a seccomp filter, it is a file that only processes of this user and root
/// can reach.
fn memory_file(bytes: u64) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create("cfr-stats", flags) {
        Ok(file) => {
            rustix::fs::ftruncate(&file, bytes)?;
            rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
            Ok(file.into())
        }
        Err(denied @ (Refusal::PERM | Refusal::ACCESS | Refusal::NOSYS)) => {
            let file = unnamed_file(bytes);
            file.map_err(|error| if error == Refusal::FBIG { error } else { denied }.into())
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Makes a file of this size without a name in the directory for shared memory (shm_overview(7)), a
/// tmpfs. All its pages are allocated: a process that writes to one that cannot be had gets SIGBUS.
fn unnamed_file(bytes: u64) -> rustix::io::Result<File> {
    const OWNER: Mode = Mode::RUSR.union(Mode::WUSR);
    // EXCL: it never gets a name.
    let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open("/dev/shm", flags, OWNER)?;
    // Whatever the umask is.
    rustix::fs::fchmod(&file, OWNER)?;
    // Only files of a tmpfs have seals. Others can lose their pages, to a full disk for example.
    rustix::fs::fcntl_get_seals(&file)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
    Ok(file.into())
}

/// Calls `make` under a higher limit on file sizes (setrlimit(2)): none if the hard limit may be raised,
/// else the hard limit. `None` if that is no higher. No other thread may start a process meanwhile: it
/// would get the higher limit.
fn beyond_size_limit<T>(make: impl FnOnce() -> T) -> Option<T> {
    let limit = getrlimit(Resource::Fsize);
    let is_raised = [None, limit.maximum].into_iter().any(|most| {
        most != limit.current
            && setrlimit(Resource::Fsize, Rlimit { current: most, maximum: most }).is_ok()
    });
    let made = is_raised.then(make);
    if is_raised {
        let _ = setrlimit(Resource::Fsize, limit);
    }
    made
}

/// Makes a write beyond the limit on file sizes (setrlimit(2), `RLIMIT_FSIZE`) an error instead of
/// a signal that ends the launcher. The program gets the default: exec(3) resets signal handlers.
pub(crate) fn ignore_size_limit_signal() -> io::Result<()> {
    if !is_ignored(SIGXFSZ) {
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    }
    Ok(())
}

fn map(path: &OsStr) -> Result<Stats, Errno> {
    let words = sys::map_shared(path.as_bytes(), Stats::MARK, Stats::SHARED_WORDS)?;
    Stats::over(words).ok_or(Errno::EINVAL)
}

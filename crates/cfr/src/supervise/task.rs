//! The thread that made a call: its descriptors and memory, and whether the supervisor may act for it.

use super::LISTENER;
use super::jobs::Job;
use super::proc::{self, Status};
use super::programs::Programs;
use crate::run::reach::has_capability;
use cfr_engine::call::{Call, Offset};
use cfr_observe::Caller;
use cfr_shared::record::Ending;
use cfr_sys::errno::Errno;
use cfr_sys::other_process::{self, Identities};
use cfr_sys::{self as sys, seccomp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, statx};
use rustix::io::Errno as IoErrno;
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, getegid, geteuid, pidfd_getfd, pidfd_open,
};
use rustix::thread::CapabilitySet;
use std::cell::{Cell, RefCell};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

/// An address that no process can map: below `vm.mmap_min_addr`.
pub(super) const BAD_ADDRESS: usize = 8;

/// `PIDFD_THREAD` of linux/pidfd.h: the pidfd of a thread (Linux 6.9).
const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(0o200);

/// The age from which a call may outlive its thread.
const LONG_NS: u64 = 1_000_000;

/// The thread that a worker acted for last.
pub(super) struct LastCaller(Option<Opened>);

/// A thread, and the pidfd by which its descriptors are fetched.
struct Opened {
    tid: i32,
    pidfd: OwnedFd,
    /// The process whose pidfd it is; `None` if it is the thread's own. Before Linux 6.9 there are pidfds
    /// of processes only, and they give the descriptors of the first thread.
    process: Option<i32>,
}

impl LastCaller {
    pub(super) fn none() -> LastCaller {
        LastCaller(None)
    }

    /// Returns thread `tid`, and who it is. If it is another thread than the last one, its program is
    /// counted.
    fn get(&mut self, tid: i32, programs: &Programs) -> Result<(&Opened, Identities), Obstacle> {
        let known = self.0.take().filter(|last| last.tid == tid);
        let known = known.and_then(|last| Some((identities(&last)?, last)));
        let (identities, opened) = match known {
            Some(known) => known,
            None => {
                let opened = open(tid)?;
                let identities = identities(&opened).ok_or(Obstacle::Unknown)?;
                programs.meet(&opened.pidfd, tid, identities.pid);
                (identities, opened)
            }
        };
        Ok((self.0.insert(opened), identities))
    }
}

fn open(tid: i32) -> Result<Opened, Obstacle> {
    let open = |id, flags| pidfd_open(Pid::from_raw(id).ok_or(IoErrno::SRCH)?, flags);
    let (pidfd, process) = match open(tid, PIDFD_THREAD) {
        // Before Linux 6.9.
        Err(IoErrno::INVAL) => {
            let process = from_status(tid).ok_or(Obstacle::Unknown)?.pid;
            (open(process, PidfdFlags::empty()), Some(process))
        }
        opened => (opened, None),
    };
    let obstacle = |errno| match errno {
        IoErrno::MFILE | IoErrno::NFILE | IoErrno::NOMEM => Obstacle::NoRoom,
        _ => Obstacle::Unknown,
    };
    Ok(Opened { tid, pidfd: pidfd.map_err(obstacle)?, process })
}

/// Returns the ids of the thread; `None` if it has ended. A pidfd stays that of its thread or process, even
/// if another one gets the number; /proc does not.
fn identities(opened: &Opened) -> Option<Identities> {
    if opened.process.is_none() {
        match other_process::identities(opened.pidfd.as_raw_fd()) {
            Ok(identities) => return Some(identities),
            Err(Errno::ESRCH) => return None,
            // Before Linux 6.13.
            Err(_) => {}
        }
    }
    let found = from_status(opened.tid)?;
    let is_the_same = opened.process.is_none_or(|process| process == found.pid);
    (is_the_same && !has_ended(&opened.pidfd)).then_some(found)
}

/// Reports whether the thread or process behind a pidfd has ended (pidfd_open(2)).
fn has_ended(pidfd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&Timespec::default())) != Ok(0)
}

fn from_status(tid: i32) -> Option<Identities> {
    let status = Status::of(tid);
    let number = |name: &str, index: usize| status.field(name).nth(index);
    Some(Identities {
        pid: number("Tgid", 0)?.parse().ok()?,
        fsuid: number("Uid", 3)?.parse().ok()?,
        fsgid: number("Gid", 3)?.parse().ok()?,
    })
}

fn obstacle_of_limit(tid: i32) -> Option<Obstacle> {
    match other_process::file_size_limit_of(tid) {
        Ok(sys::NO_LIMIT) => None,
        Ok(_) => Some(Obstacle::Limit),
        Err(_) => Some(Obstacle::Untraceable),
    }
}

/// Why the thread must make the call itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// The thread acts as another user or group.
    User,
    /// `RLIMIT_FSIZE` is set.
    Limit,
    /// The kernel does not let the supervisor fetch its descriptors or read its memory.
    Untraceable,
    /// The kernel lets only the process itself read its memory there: it is write-only, or secret
    /// (memfd_secret(2)).
    Memory,
    /// The supervisor has no room for a descriptor.
    NoRoom,
    /// A 32-bit program makes the call.
    Word,
    /// The kernel gives only the descriptors of a process's first thread (before Linux 6.9), and this
    /// thread has others.
    Thread,
    /// The ids of the thread are not known.
    Unknown,
    /// The thread may not keep the set-user-ID bit of its target, as the supervisor may.
    Capabilities,
    /// A signal came before anything was copied.
    Signal,
}

impl Obstacle {
    /// Returns the reason in the log.
    pub(super) fn why(self) -> &'static str {
        match self {
            Obstacle::User => "another user makes it",
            Obstacle::Limit => "RLIMIT_FSIZE is set",
            Obstacle::Untraceable => "the process may not be traced",
            Obstacle::Memory => "only the process can read its memory there",
            Obstacle::NoRoom => "no descriptor is free",
            Obstacle::Word => "a 32-bit program makes it",
            Obstacle::Thread => "not the first thread's descriptors, before Linux 6.9",
            Obstacle::Unknown => "its user is unknown",
            Obstacle::Capabilities => "its process has fewer capabilities",
            Obstacle::Signal => "a signal came first",
        }
    }
}

/// What the supervisor itself is and has.
pub(super) struct Own {
    /// Who it acts as: the file system user and group.
    user: (u32, u32),
    /// Whether it has CAP_FSETID.
    has_fsetid: bool,
    /// The directory with the links of its descriptors (proc_pid_fd(5)).
    links: Option<OwnedFd>,
}

impl Own {
    pub(super) fn new() -> Own {
        Own {
            user: (geteuid().as_raw(), getegid().as_raw()),
            has_fsetid: has_fsetid(sys::gettid()),
            links: open_links().ok(),
        }
    }
}

fn open_links() -> Result<OwnedFd, IoErrno> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(c"/proc/self/fd", flags, Mode::empty())
}

/// A descriptor of the thread, and the supervisor's duplicate.
struct Fetched {
    theirs: i32,
    /// A number that is no descriptor if it was not fetched.
    ours: i32,
    fd: Option<OwnedFd>,
}

/// The thread that made a call.
pub(super) struct Task<'a> {
    id: u64,
    tid: i32,
    pid: i32,
    /// `None` if it cannot be had.
    opened: Option<&'a Opened>,
    own: &'a Own,
    job: &'a Job,
    fetched: RefCell<Vec<Fetched>>,
    /// The addresses that [`BAD_ADDRESS`] stands for, of source and target.
    bad_addresses: Cell<[u64; 2]>,
    obstacle: Cell<Option<Obstacle>>,
    ending: Cell<Ending>,
    /// Whether a fault has sent it a signal.
    is_signalled: Cell<bool>,
    /// Whether the signal ends it when its call is answered.
    is_doomed: Cell<bool>,
}

impl<'a> Task<'a> {
    /// Describes the thread `tid` that made call `id`. `None` if it was killed.
    pub(super) fn new(
        last: &'a mut LastCaller,
        job: &'a Job,
        id: u64,
        tid: i32,
        own: &'a Own,
        programs: &Programs,
    ) -> Option<Task<'a>> {
        let (opened, pid, obstacle) = match last.get(tid, programs) {
            Ok((opened, found)) => {
                let obstacle = if (found.fsuid, found.fsgid) != own.user {
                    Some(Obstacle::User)
                } else {
                    obstacle_of_limit(tid)
                };
                (Some(opened), found.pid, obstacle)
            }
            Err(obstacle) => (None, tid, Some(obstacle)),
        };
        // Only now, so that the pidfd is that of the thread which made the call.
        if !seccomp::is_waiting(LISTENER, id) {
            return None;
        }
        Some(Task {
            id,
            tid,
            pid,
            opened,
            own,
            job,
            fetched: RefCell::default(),
            bad_addresses: Cell::default(),
            obstacle: Cell::new(obstacle),
            ending: Cell::new(Ending::Returned),
            is_signalled: Cell::new(false),
            is_doomed: Cell::new(false),
        })
    }

    /// Returns why the thread must make the call itself, if it must.
    pub(super) fn obstacle(&self) -> Option<Obstacle> {
        self.obstacle.get()
    }

    pub(super) fn meet(&self, obstacle: Obstacle) {
        if self.obstacle.get().is_none() {
            self.obstacle.set(Some(obstacle));
        }
    }

    /// Notes that the call is let through.
    pub(super) fn let_through(&self, obstacle: Obstacle) {
        self.ending.set(Ending::LetThrough(obstacle.why()));
    }

    /// Duplicates a descriptor of the thread. A number that is no descriptor is one that the kernel
    /// refuses with EBADF.
    pub(super) fn fetch(&self, theirs: i32) -> i32 {
        let fetch = |opened: &Opened| match theirs {
            0.. => pidfd_getfd(&opened.pidfd, theirs, PidfdGetfdFlags::empty()),
            // rustix takes no such number.
            _ => Err(IoErrno::BADF),
        };
        let mut fetched = self.opened.map_or(Err(IoErrno::SRCH), fetch);
        if !self.has_descriptors_of_its_process() {
            self.meet(Obstacle::Thread);
            fetched = Err(IoErrno::SRCH);
        }
        match fetched {
            Ok(_) | Err(IoErrno::BADF | IoErrno::SRCH) => {}
            Err(IoErrno::MFILE | IoErrno::NFILE | IoErrno::NOMEM) => self.meet(Obstacle::NoRoom),
            Err(_) => self.meet(Obstacle::Untraceable),
        }
        let mut list = self.fetched.borrow_mut();
        let none = i32::try_from(list.len()).map_or(i32::MIN, |place| i32::MIN + place);
        let ours = fetched.as_ref().map_or(none, AsRawFd::as_raw_fd);
        list.push(Fetched { theirs, ours, fd: fetched.ok() });
        ours
    }

    /// Reports whether what was fetched from its process is what it has itself: asked afterwards, because
    /// threads that no longer share their descriptors never do so again.
    fn has_descriptors_of_its_process(&self) -> bool {
        let process = self.opened.and_then(|opened| opened.process);
        process.is_none_or(|process| {
            process == self.tid || other_process::share_descriptors(process, self.tid)
        })
    }

    /// Duplicates the descriptor of a target. A write takes the set-user-ID and set-group-ID bits off a
    /// file unless the writer has CAP_FSETID (write(2), chmod(2)).
    pub(super) fn fetch_target(&self, theirs: i32) -> i32 {
        let ours = self.fetch(theirs);
        if !self.own.has_fsetid {
            return ours;
        }
        let list = self.fetched.borrow();
        let target = list.last().and_then(|last| last.fd.as_ref());
        if target.is_some_and(has_set_id_bits) && !has_fsetid(self.tid) {
            self.meet(Obstacle::Capabilities);
        }
        ours
    }

    /// Closes the duplicates: before the call is answered, because a program may be executed, or a lock
    /// be free, only when no descriptor is left.
    pub(super) fn close(&self) {
        self.fetched.borrow_mut().clear();
    }

    /// Reads words of its memory; each is `None` if its address is not readable.
    pub(super) fn read_words<const COUNT: usize>(
        &self,
        addresses: [u64; COUNT],
    ) -> [Option<u64>; COUNT] {
        other_process::read_words(self.tid, addresses).unwrap_or_else(|_| {
            self.meet(Obstacle::Untraceable);
            [None; COUNT]
        })
    }

    /// Reads memory. `None` if it is not all readable.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
        match other_process::read_memory(self.tid, address, buffer) {
            Ok(count) if count == buffer.len() => return Some(()),
            Ok(_) | Err(Errno::EFAULT | Errno::ESRCH) => {}
            Err(_) => self.meet(Obstacle::Untraceable),
        }
        None
    }

    /// Writes words at these addresses, unless the thread was killed. EFAULT if one is not writable.
    pub(super) fn write_words(&self, words: &[(u64, u64)]) -> Result<(), Errno> {
        if words.is_empty() || !seccomp::is_waiting(LISTENER, self.id) {
            return Ok(());
        }
        if other_process::write_words(self.tid, words).is_ok() {
            return Ok(());
        }
        // The kernel writes the second even if the first is not writable.
        for word in words {
            let _ = other_process::write_words(self.tid, &[*word]);
        }
        Err(Errno::EFAULT)
    }

    /// Writes memory, unless the thread was killed. EFAULT if it is not writable.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        if !seccomp::is_waiting(LISTENER, self.id) {
            return Ok(());
        }
        other_process::write_memory(self.tid, address, bytes).map_err(|_| Errno::EFAULT)
    }

    /// Notes an address that is not readable; [`BAD_ADDRESS`] stands for it.
    pub(super) fn note_bad_address(&self, place: usize, address: u64) {
        if proc::is_mapped(self.tid, address) {
            self.meet(Obstacle::Memory);
        }
        let mut addresses = self.bad_addresses.get();
        if let Some(slot) = addresses.get_mut(place) {
            *slot = address;
        }
        self.bad_addresses.set(addresses);
    }

    /// Reports whether the thread was killed, if the call takes long enough for that.
    pub(super) fn has_ended(&self) -> bool {
        let may_have = self.is_signalled.get() || self.job.age_ns() > LONG_NS;
        let is_gone = || !seccomp::is_waiting(LISTENER, self.id);
        // A thread with this signal gets no result any more, although it still waits.
        let is_killed = || self.job.is_interrupted() && Status::of(self.tid).is_killed();
        let has_ended = may_have && (self.is_doomed.get() || is_gone() || is_killed());
        if has_ended {
            self.ending.set(Ending::Unfinished);
        }
        has_ended
    }

    /// Reports whether the thread still waits for its call, and has no signal to handle.
    pub(super) fn is_served(&self) -> bool {
        !self.job.is_interrupted() && seccomp::is_waiting(LISTENER, self.id)
    }

    /// Reports whether a signal ends the thread only when its call is answered.
    pub(super) fn is_doomed(&self) -> bool {
        self.is_doomed.get()
    }

    fn fd_as_made(&self, fd: i32) -> i32 {
        let list = self.fetched.borrow();
        let found = list.iter().find(|fetched| fetched.ours == fd);
        found.map_or(fd, |fetched| fetched.theirs)
    }
}

impl Caller for Task<'_> {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn tid(&self) -> i32 {
        self.tid
    }

    fn comm<'b>(&'b self, buffer: &'b mut [u8; 16]) -> &'b [u8] {
        let name = proc::read(self.tid, "comm");
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        let len = name.len().min(buffer.len());
        let (place, _) = buffer.split_at_mut(len);
        place.copy_from_slice(name.get(..len).unwrap_or_default());
        place
    }

    fn with_program(&self, check: &mut dyn FnMut(&[u8])) {
        check(&proc::program(self.pid));
    }

    /// The thread handles the signal when its call returns; if the signal ends it, the call is not
    /// carried out.
    fn raise(&self, signal: i32) {
        self.is_signalled.set(true);
        let is_deadly = is_deadly(self.tid, signal);
        let sent = other_process::signal_thread(self.pid, self.tid, signal);
        if sent.is_ok() && is_deadly && dumps_core(signal) {
            self.is_doomed.set(true);
            return;
        }
        for _ in 0..1000 {
            if sent.is_err() || !is_deadly || !seccomp::is_waiting(LISTENER, self.id) {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The supervisor outlives it, and writes its line then.
    fn ends_by(&self, _signals: u64) -> bool {
        false
    }

    /// Waits no longer than the thread lives.
    fn wait(&self, ns: u64) {
        const STEP_NS: u64 = 5_000_000;
        let until = sys::monotonic_ns().saturating_add(ns);
        loop {
            let now = sys::monotonic_ns();
            if now >= until || !seccomp::is_waiting(LISTENER, self.id) {
                return;
            }
            sys::sleep_until(until.min(now.saturating_add(STEP_NS)));
        }
    }

    fn as_made<'b>(&self, call: &'b Call, room: &'b mut Option<Call>) -> &'b Call {
        let offset = |offset, place| match offset {
            Offset::BadAddress(_) => Offset::BadAddress(place),
            known => known,
        };
        let [bad_in, bad_out] = self.bad_addresses.get();
        room.insert(Call {
            fd_in: self.fd_as_made(call.fd_in),
            fd_out: self.fd_as_made(call.fd_out),
            off_in: offset(call.off_in, bad_in),
            off_out: offset(call.off_out, bad_out),
            ..*call
        })
    }

    /// Costs two thirds of readlink(2) by the whole path.
    fn path_behind(&self, fd: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
        match &self.own.links {
            Some(links) => sys::readlink_fd_in(links.as_raw_fd(), fd, buffer),
            None => sys::readlink_fd(fd, buffer),
        }
    }

    fn ending(&self) -> Ending {
        self.ending.get()
    }
}

/// Only the mode is asked for: since Linux 6.13 a question for the times makes the next write slower.
fn has_set_id_bits(fd: &OwnedFd) -> bool {
    const SET_ID: u16 = 0o6000;
    let found = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::MODE);
    found.is_ok_and(|found| found.stx_mode & SET_ID != 0)
}

fn has_fsetid(tid: i32) -> bool {
    has_capability(Pid::from_raw(tid), CapabilitySet::FSETID)
}

/// Reports whether `signal` makes the kernel write a core file (signal(7)). It ends a thread that
/// waits for the supervisor only when that thread returns from its call: `complete_signal()` of
/// kernel/signal.c wakes it for the others.
fn dumps_core(signal: i32) -> bool {
    use signal_hook::consts::signal::{
        SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ,
    };
    [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ]
        .contains(&signal)
}

/// Reports whether `signal` ends the thread (proc_pid_status(5), signal(7)): it is neither handled nor
/// ignored nor blocked.
fn is_deadly(tid: i32, signal: i32) -> bool {
    use signal_hook::consts::signal::{
        SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
    };
    const HARMLESS: [i32; 8] =
        [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH];
    if signal == SIGKILL {
        return true;
    }
    let status = Status::of(tid);
    let has = |name| status.mask(name) & 1 << (signal - 1) != 0;
    !HARMLESS.contains(&signal) && !has("SigBlk") && !has("SigIgn") && !has("SigCgt")
}

//! The launcher's side of the supervisor: the filter that the program starts with, and the process that
//! answers the calls which the filter stops (`crate::supervise`).

use crate::run::environment;
use crate::term::failure::{FAILED, describe, print_message};
use cfr_shared::stats::{Stats, Stopped};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, seccomp};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::{Errno as IoErrno, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};
use rustix::process::{Resource, getrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// The variable with the mark of calls that the library has seen.
const COOKIE: &str = "CFR_COOKIE";

/// The name by which the launcher starts itself as the supervisor, and which ps(1) shows.
pub(crate) const NAME: &str = "cfr-supervisor";

/// The argument by which it learns that its standard output is the log file.
pub(crate) const LOG: &str = "log";

/// How often a supervisor that has ended too early is started again.
const MAX_RESTARTS: u32 = 8;

/// What a process does between fork(2) and execve(2) so that its copies are stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    cookie: u32,
    /// Whether it may only be installed without new privileges.
    no_new_privs: bool,
    channel: i32,
}

impl Filter {
    /// Installs the filter, and sends the descriptor that answers to the launcher. If it cannot be
    /// installed the program runs without. Allocates nothing.
    pub(crate) fn install(self) {
        let Ok(listener) = stop_copies(self.cookie, self.no_new_privs) else { return };
        // A process whose calls nobody could answer would get ENOSYS for each.
        if seccomp::send_descriptor(self.channel, listener).is_err() {
            sys::exit(FAILED.into());
        }
        sys::close(listener);
    }
}

fn stop_copies(cookie: u32, no_new_privs: bool) -> Result<i32, Errno> {
    if no_new_privs {
        seccomp::set_no_new_privs()?;
    }
    seccomp::stop_copies(cookie)
}

/// A supervisor that is about to be started.
pub(crate) struct Planned {
    cookie: u32,
    no_new_privs: bool,
    to_launcher: OwnedFd,
    from_program: OwnedFd,
    /// The settings of the program: set, or removed.
    settings: Vec<(OsString, Option<OsString>)>,
    /// Numbers for the descriptors that the start needs: when the program runs it is too late to find
    /// that none is free.
    reserved: Vec<OwnedFd>,
    guard: Sender<Guarded>,
    is_started: Receiver<io::Result<()>>,
    has_ended: Receiver<()>,
}

/// How many descriptors the start needs, and how many the launcher needs besides until then.
const RESERVED: usize = 6;
const OTHERS: usize = 8;

impl Planned {
    /// Tries whether the filter can be installed: in a thread, which then ends with it. Returns why
    /// not.
    pub(crate) fn new(no_new_privs: bool) -> Result<Planned, String> {
        let cookie = cookie();
        let tried =
            thread::Builder::new().spawn(move || stop_copies(cookie, no_new_privs).map(sys::close));
        let tried = tried.map_err(|error| describe(&error))?.join();
        match tried.unwrap_or(Err(Errno::ENOSYS)) {
            Ok(()) => {}
            Err(Errno::EBUSY) => {
                return Err("another supervisor answers for this process already".to_owned());
            }
            Err(Errno::EINVAL) => {
                return Err("this kernel cannot (before Linux 5.19)".to_owned());
            }
            Err(errno) => return Err(errno.to_string()),
        }
        let made = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        );
        let (to_launcher, from_program) =
            made.map_err(|errno| describe(&io::Error::from(errno)))?;
        let duplicates = (0..RESERVED + OTHERS).map(|_| to_launcher.try_clone());
        let mut reserved: Vec<_> =
            duplicates.collect::<Result<_, _>>().map_err(|error| describe(&error))?;
        reserved.truncate(RESERVED);
        let (guard, guarded) = mpsc::channel();
        let (at_start, is_started) = mpsc::channel();
        let (at_end, has_ended) = mpsc::channel();
        // Before the program runs: a thread that cannot be made later could not answer for it.
        let guarding = thread::Builder::new().spawn(move || {
            if let Ok(guarded) = guarded.recv() {
                watch_over(guarded, &at_start);
            }
            // The launcher may have stopped waiting.
            let _ = at_end.send(());
        });
        guarding.map_err(|error| describe(&error))?;
        Ok(Planned {
            cookie,
            no_new_privs,
            to_launcher,
            from_program,
            settings: Vec::new(),
            reserved,
            guard,
            is_started,
            has_ended,
        })
    }

    /// Returns what the program's process does first.
    pub(crate) fn filter(&self) -> Filter {
        let Planned { cookie, no_new_privs, to_launcher, .. } = self;
        let (cookie, no_new_privs) = (*cookie, *no_new_privs);
        Filter { cookie, no_new_privs, channel: to_launcher.as_raw_fd() }
    }

    /// Passes the mark of the library's own calls to the program, and keeps the program's settings for
    /// the supervisor.
    pub(crate) fn prepare(&mut self, command: &mut Command) {
        command.env(COOKIE, self.cookie.to_string());
        let owned =
            |(name, value): (&OsStr, Option<&OsStr>)| (name.to_owned(), value.map(OsStr::to_owned));
        let settings = command.get_envs().filter(|(name, _)| name.as_bytes().starts_with(b"CFR_"));
        self.settings = settings.map(owned).collect();
    }

    /// Starts the supervisor of a program that has just been started. Returns why it could not be.
    /// `stats` have the calls that it carries out.
    pub(crate) fn start(mut self, stats: Option<Stats>) -> Result<Supervisor, String> {
        self.reserved.clear();
        let listener = self.listener().ok_or("the filter could not be installed")?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(NAME).arg(std::process::id().to_string()).env_remove("LD_PRELOAD");
        for (name, value) in &self.settings {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let log = self.settings.iter().find(|(name, _)| name == environment::LOG_FILE);
        let log = log.and_then(|(_, path)| own_log(path.as_deref()?));
        if log.is_some() {
            command.arg(LOG);
        }
        const GUARD: &str = "its guard has ended";
        self.guard.send(Guarded { command, listener, log, stats }).map_err(|_| GUARD)?;
        let started = self.is_started.recv().map_err(|_| GUARD)?;
        started.map_err(|error| describe(&error))?;
        Ok(Supervisor { has_ended: self.has_ended })
    }

    /// Returns the descriptor that the program's process has sent. If it could not be executed and a
    /// shell runs it, that is the shell's.
    fn listener(&self) -> Option<OwnedFd> {
        let mut last = None;
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let mut data = [IoSliceMut::new(&mut byte)];
            let received =
                recvmsg(&self.from_program, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC);
            if received.is_err() {
                return last;
            }
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    last = fds.last().or(last);
                }
            }
        }
    }
}

/// Draws the mark of the library's own calls: neither 0 nor all bits, which are what 32-bit arguments
/// have in the upper half of a register.
fn cookie() -> u32 {
    let mut bytes = [0; 4];
    // If it fails, the number below is as good: it is no secret.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    match u32::from_ne_bytes(bytes) {
        0 | u32::MAX => 0xc0c0_5eed,
        cookie => cookie,
    }
}

/// A supervisor that runs.
pub(crate) struct Supervisor {
    has_ended: Receiver<()>,
}

impl Supervisor {
    /// Waits for the end of all processes of the tree. Reports whether they have ended in time.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> bool {
        match limit {
            Some(limit) => self.has_ended.recv_timeout(limit).is_ok(),
            None => self.has_ended.recv().is_ok(),
        }
    }
}

/// What the guard looks after.
struct Guarded {
    /// Starts the supervisor.
    command: Command,
    listener: OwnedFd,
    /// The log file, if its name has another meaning in another process.
    log: Option<File>,
    /// The stats with the calls that it carries out.
    stats: Option<Stats>,
}

impl Guarded {
    /// Lets the thread make call `id` itself, if it waits; `begun` is 1 if the call was counted.
    fn let_through(&self, id: u64, begun: u64) {
        let is_there = seccomp::let_through(self.listener.as_raw_fd(), id).is_ok();
        if let (true, Some(stats)) = (is_there, self.stats) {
            stats.count_let_through(1, begun);
        }
    }
}

/// Opens a log file that another process may not find by its name: below /dev or /proc, where names
/// such as /dev/stdout and /dev/tty are about the process that opens them.
fn own_log(path: &OsStr) -> Option<File> {
    let is_of_process =
        [&b"/dev/"[..], b"/proc/"].iter().any(|start| path.as_bytes().starts_with(start));
    if !is_of_process {
        return None;
    }
    // NONBLOCK: a FIFO without a reader is an error instead of a wait.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().append(true).custom_flags(flags.bits().cast_signed()).open(path).ok()
}

fn start(guarded: &mut Guarded) -> io::Result<Child> {
    let Guarded { command, listener, log, .. } = guarded;
    let log = log.as_ref().map(File::try_clone).transpose()?;
    command.stdin(listener.try_clone()?).stdout(log.map_or_else(Stdio::null, Stdio::from));
    command.spawn()
}

/// Starts the supervisor, and again if it is killed: the kernel answers ENOSYS if nobody holds the
/// descriptor. The calls that it was carrying out are made by their threads; at last all calls are.
fn watch_over(mut guarded: Guarded, at_start: &Sender<io::Result<()>>) {
    let mut process = start(&mut guarded);
    let is_started = process.as_mut().map(|_| ()).map_err(|error| {
        error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
    });
    // The launcher waits for it.
    let _ = at_start.send(is_started);
    let limit = match getrlimit(Resource::Cpu).maximum {
        Some(_) => " (RLIMIT_CPU has a hard limit)",
        None => "",
    };
    for restarts_left in (0..=MAX_RESTARTS).rev() {
        match process.as_mut().map(Child::wait) {
            Ok(Ok(status)) if !status.success() => {}
            Ok(_) => return,
            Err(_) => break,
        }
        let stopped = guarded.stats.and_then(|stats| stats.stopped());
        for id in stopped.iter().flat_map(Stopped::take) {
            guarded.let_through(id, 1);
        }
        if restarts_left == 0 {
            break;
        }
        print_message(format!("the supervisor has ended too early{limit}; it is started again"));
        process = start(&mut guarded);
    }
    print_message("there is no supervisor any more: calls are let through");
    while !has_hung_up(&guarded.listener) {
        if let Ok(call) = seccomp::receive(guarded.listener.as_raw_fd()) {
            guarded.let_through(call.id, 0);
        }
    }
}

/// Waits for a call, or for the end of all processes; reports whether they have ended.
fn has_hung_up(listener: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(listener, PollFlags::IN)];
    let is_polled = poll(&mut polled, None);
    let [polled] = polled;
    match is_polled {
        Ok(_) => polled.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(errno) => errno != IoErrno::INTR,
    }
}

//! The supervisor: a process beside the launcher that carries out the calls which the library does not
//! see, those that seccomp(2) has stopped. It lives as long as a process of the tree does, also if
//! the launcher is killed, because the kernel answers ENOSYS in place of a supervisor that is gone.
//!
//! A file uses only files above it in this list.

mod proc;

mod programs;

mod jobs;

mod observers;

mod task;

mod pieces;

mod calls;

mod worker;

mod watcher;

use crate::run::guard::{HERE, NONE_LEFT};
use crate::run::handover;
use crate::run::line_reader::LineReader;
use crate::run::shared_log::holds_reader;
use crate::run::supervisor::READY;
use crate::term::failure::{Failure, describe};
use cfr_sys as sys;
use cfr_sys::seccomp;
use jobs::Jobs;
use observers::Observers;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, getppid, getrlimit, pidfd_open, setrlimit,
};
use signal_hook::consts::signal::{
    SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGXFSZ,
};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Duration;
use task::Own;

/// Where the descriptor of seccomp_unotify(2) is.
const LISTENER: i32 = 0;

/// Where the log file is, if this process could not open it by its name.
const STANDARD_OUTPUT: i32 = 1;

/// What ends a copy early: the thread whose call it is was killed, or has a signal to handle.
const INTERRUPT: i32 = SIGUSR1;

/// Ends of other processes, terminals and limits must not end or stop the supervisor.
const IGNORED: [i32; 10] =
    [SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR2, SIGXFSZ];

/// What all threads of the supervisor share.
struct Supervisor {
    jobs: Jobs,
    observers: Observers,
    own: Own,
}

/// Answers the calls of the tree until no process of it is left. The argument is the process ID of the
/// launcher. Standard input is a socket to it, which brings the descriptor that receives calls and, if
/// that could not be opened by its name, the log file.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<u8, Failure> {
    detach();
    let launcher = arguments.next().and_then(|pid| pid.to_str()?.parse().ok());
    let launcher = launcher.and_then(Pid::from_raw).and_then(open_parent);
    let cannot_receive = |error: io::Error| {
        Failure::new(format!("cannot receive descriptors: {}", describe(&error)))
    };
    let (socket, has_log) = take_descriptors().map_err(cannot_receive)?;
    lift_cpu_limit();
    let observers = Observers::from_environment(has_log.then_some(STANDARD_OUTPUT))?;
    let stopped = observers.stopped().ok_or_else(|| Failure::new("the stats are too short"))?;
    let supervisor: &'static Supervisor =
        Box::leak(Box::new(Supervisor { jobs: Jobs::new(stopped), observers, own: Own::new() }));
    observers::install(supervisor.observers.level());
    let _ = seccomp::wake_up_synchronously(LISTENER);
    let cannot =
        |error: io::Error| Failure::new(format!("cannot start a thread: {}", describe(&error)));
    watcher::start(supervisor).map_err(cannot)?;
    worker::start(supervisor).map_err(cannot)?;
    // The launcher may have been killed.
    let _ = handover::send_byte(&socket, READY);
    let lines = wait_for_the_end(launcher, &supervisor.observers);
    finish(&supervisor.jobs);
    drop(lines);
    if !is_launcher_there(&socket) {
        supervisor.observers.write_left_lines();
    }
    Ok(0)
}

/// Reports whether the launcher is there to write what is left of the log. One that was killed may take
/// as long to end as the last process of the tree; its end of the socket is closed then, if not before.
fn is_launcher_there(socket: &OwnedFd) -> bool {
    handover::send_byte(socket, NONE_LEFT).is_ok()
        && seccomp::receive_byte(socket.as_raw_fd()) == Some(HERE)
}

/// Opens the launcher, if it is still the parent.
fn open_parent(launcher: Pid) -> Option<OwnedFd> {
    let opened = pidfd_open(launcher, PidfdFlags::empty()).ok()?;
    (getppid() == Some(launcher)).then_some(opened)
}

/// Puts the descriptor that receives calls in the place of standard input, and the log file, if there is
/// one, in that of standard output. Returns the socket that they came from, and whether there is one.
fn take_descriptors() -> io::Result<(OwnedFd, bool)> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut received = handover::receive_descriptors(&socket)?.into_iter();
    let listener = received.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    rustix::stdio::dup2_stdin(listener)?;
    let log = received.next();
    log.as_ref().map(rustix::stdio::dup2_stdout).transpose()?;
    Ok((socket, log.is_some()))
}

/// Leaves everything that belongs to the launcher and its user: session, directory, descriptors.
fn detach() {
    // It fails for the leader of a process group, and then there is nothing to leave.
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    sys::close_from(3);
    IGNORED.into_iter().for_each(sys::ignore);
    sys::interrupt_calls_on(INTERRUPT);
    let _ = rustix::thread::set_name(c"cfr-supervisor");
}

/// Lifts the limit on processor time (setrlimit(2), `RLIMIT_CPU`): a process of the tree stays below it,
/// and the sum over the tree does not. Without CAP_SYS_RESOURCE the hard limit remains.
fn lift_cpu_limit() {
    let none = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Cpu, none).is_err() {
        let maximum = getrlimit(Resource::Cpu).maximum;
        // It cannot fail: a soft limit may be raised up to the hard one.
        let _ = setrlimit(Resource::Cpu, Rlimit { current: maximum, maximum });
    }
}

/// Waits for the end of the tree. Returns what reads the lines of its processes, if the launcher has
/// ended before.
fn wait_for_the_end(mut launcher: Option<OwnedFd>, observers: &Observers) -> Option<LineReader> {
    let listener = io::stdin();
    let mut lines = None;
    loop {
        if launcher.is_none() && lines.is_none() {
            lines = observers.go_on_reading();
            if lines.is_none() {
                observers.write_left_lines();
            }
            release_reader();
        }
        let mut polled = vec![PollFd::new(&listener, PollFlags::empty())];
        polled.extend(launcher.iter().map(|launcher| PollFd::new(launcher, PollFlags::IN)));
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            Err(_) => return lines,
            Ok(_) => {}
        }
        let mut ended = polled.iter().map(|polled| !polled.revents().is_empty());
        if ended.next() == Some(true) {
            return lines;
        }
        if ended.next() == Some(true) {
            launcher = None;
        }
    }
}

/// Ends the calls of threads that were killed, so that they are logged. A disk that does not answer
/// may keep one.
fn finish(jobs: &Jobs) {
    for _ in 0..100 {
        let mut is_done = true;
        for job in jobs.in_flight() {
            is_done = false;
            if let Some((id, _)) = job.current() {
                job.interrupt(id, INTERRUPT);
            }
        }
        if is_done {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Lets a reader of the launcher's standard error see the end of file, although processes of the tree
/// still run.
fn release_reader() {
    if holds_reader()
        && let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR, rustix::fs::Mode::empty())
    {
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

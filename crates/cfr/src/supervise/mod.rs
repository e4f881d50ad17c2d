//! The supervisor: a process beside the launcher that carries out the calls which the library does not
//! see, those that seccomp(2) has stopped. It lives as long as a process of the tree does, also if
//! the launcher is killed, because the kernel answers ENOSYS in place of a supervisor that is gone.
//!
//! A file uses only files above it in this list.

mod proc;

mod jobs;

mod observers;

mod task;

mod calls;

mod worker;

mod watcher;

use crate::term::failure::{Failure, describe};
use cfr_sys as sys;
use cfr_sys::seccomp;
use jobs::Jobs;
use observers::Observers;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use signal_hook::consts::signal::{
    SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGXFSZ,
};
use std::io;
use std::thread;
use std::time::Duration;
use task::Own;

/// Where the launcher puts the descriptor of seccomp_unotify(2).
const LISTENER: i32 = 0;

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

/// Answers the calls of the tree until no process of it is left. Standard input is the descriptor that
/// receives them; standard output is a pipe to the launcher, which is closed when the launcher ends.
pub(crate) fn run() -> Result<u8, Failure> {
    detach();
    let observers = Observers::from_environment()?;
    let stopped = observers.stopped().ok_or_else(|| Failure::new("the stats are too short"))?;
    let supervisor: &'static Supervisor =
        Box::leak(Box::new(Supervisor { jobs: Jobs::new(stopped), observers, own: Own::new() }));
    observers::install(supervisor.observers.level());
    let _ = seccomp::wake_up_synchronously(LISTENER);
    let cannot =
        |error: io::Error| Failure::new(format!("cannot start a thread: {}", describe(&error)));
    watcher::start(supervisor).map_err(cannot)?;
    worker::start(supervisor).map_err(cannot)?;
    wait_for_the_end();
    finish(&supervisor.jobs);
    Ok(0)
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

fn wait_for_the_end() {
    let (listener, launcher) = (io::stdin(), io::stdout());
    let mut is_launcher_there = true;
    loop {
        let mut polled = vec![PollFd::new(&listener, PollFlags::empty())];
        if is_launcher_there {
            polled.push(PollFd::new(&launcher, PollFlags::empty()));
        }
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        let mut ended = polled.iter().map(|polled| !polled.revents().is_empty());
        if ended.next() == Some(true) {
            return;
        }
        if ended.next() == Some(true) {
            is_launcher_there = false;
            release_reader();
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
    let kind = rustix::fs::fstat(io::stderr()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if matches!(kind, Ok(FileType::Fifo | FileType::Socket))
        && let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR, rustix::fs::Mode::empty())
    {
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

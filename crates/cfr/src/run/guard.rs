//! The guard: a thread of the launcher that starts the supervisor, and again if it is killed, because
//! the kernel answers ENOSYS if nobody holds the descriptor that receives calls.

use super::filter::{BEGIN, GIVE_UP};
use super::handover;
use crate::term::failure::{describe, print_message};
use crate::term::small_thread::small_thread;
use cfr_shared::stats::{Stats, Stopped};
use cfr_sys::seccomp::{self, Notification, StoppedCall};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, getrlimit, pidfd_open};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};

/// What the supervisor sends when no process of the tree is left.
pub(crate) const NONE_LEFT: u8 = b'n';

/// What the guard answers: the launcher was not killed.
pub(crate) const HERE: u8 = b'h';

/// How often a supervisor that has ended too early is started again.
const MAX_RESTARTS: u32 = 8;

/// How the supervisor is started.
pub(crate) struct Start {
    /// Its command, without standard descriptors.
    pub(crate) command: Command,
    /// The log file, if its name has another meaning in another process.
    pub(crate) log: Option<File>,
    /// The stats with the calls that it carries out.
    pub(crate) stats: Option<Stats>,
}

/// The guard of a program.
pub(crate) struct Guard {
    /// Receives the descriptor that receives calls, when the supervisor was started, or why it could not
    /// be; nothing if the program's process has ended before it sent its descriptor.
    pub(crate) is_started: Receiver<Result<OwnedFd, String>>,
    /// Receives the end of all processes of the tree.
    pub(crate) has_ended: Receiver<()>,
}

/// Starts the guard of a process that sends its descriptor over `channel`.
pub(crate) fn start(channel: OwnedFd, start: Start) -> io::Result<Guard> {
    let (at_start, is_started) = mpsc::channel();
    let (at_end, has_ended) = mpsc::channel();
    small_thread(move || {
        guard(channel, start, at_start);
        // The launcher may have stopped waiting.
        let _ = at_end.send(());
    })?;
    Ok(Guard { is_started, has_ended })
}

fn guard(channel: OwnedFd, mut start: Start, at_start: Sender<Result<OwnedFd, String>>) {
    // The launcher may have been killed, and the process with it.
    let tell = |byte| drop(handover::send_byte(&channel, byte));
    let fail = |error: &io::Error| {
        let _ = at_start.send(Err(describe(error)));
        tell(GIVE_UP);
    };
    let listener = match handover::receive_descriptors(&channel) {
        Ok(received) => received.into_iter().next(),
        Err(error) => return fail(&error),
    };
    let Some(listener) = listener else { return };
    let started = start.once(&listener).and_then(Supervisor::answering);
    let (supervisor, ours) = match started.and_then(|it| Ok((it, listener.try_clone()?))) {
        Ok(started) => started,
        Err(error) => return fail(&error),
    };
    let _ = at_start.send(Ok(ours));
    drop(at_start);
    tell(BEGIN);
    drop(channel);
    watch_over(supervisor, &listener, start);
}

/// A supervisor, and the socket to it.
struct Supervisor {
    process: Child,
    socket: OwnedFd,
}

impl Start {
    fn once(&mut self, listener: &OwnedFd) -> io::Result<Supervisor> {
        let (socket, theirs) = handover::pair()?;
        let descriptors = [Some(listener.as_fd()), self.log.as_ref().map(File::as_fd)];
        let descriptors: Vec<_> = descriptors.into_iter().flatten().collect();
        handover::send_descriptors(&socket, &descriptors)?;
        let started = self.command.stdin(theirs).stdout(Stdio::null()).spawn();
        // Closes the socket that is theirs.
        self.command.stdin(Stdio::null());
        Ok(Supervisor { process: started?, socket })
    }

    /// Lets the thread make call `id` itself, if it waits; `begun` is 1 if the call was counted.
    fn let_through(&self, listener: &OwnedFd, id: u64, begun: u64) {
        let is_there = seccomp::let_through(listener.as_raw_fd(), id).is_ok();
        if let (true, Some(stats)) = (is_there, self.stats) {
            stats.count_let_through(1, begun);
        }
    }

    /// Lets the thread make a call itself that no supervisor has received.
    fn let_pass(&self, listener: &OwnedFd, call: &Notification) {
        let StoppedCall::Filter { is_possible } = call.call else {
            return self.let_through(listener, call.id, 0);
        };
        if let (true, Some(stats)) = (is_possible, self.stats) {
            stats.note_own_filter(call.tid, b"");
        }
        // It fails if the thread was killed.
        let _ = seccomp::let_through(listener.as_raw_fd(), call.id);
    }
}

impl Supervisor {
    /// Waits until it answers calls.
    fn answering(mut self) -> io::Result<Supervisor> {
        match self.answers() {
            Ok(true) => return Ok(self),
            // If it could not be killed it would end by itself: no process has its filter.
            _ if self.process.kill().is_err() => {}
            _ => {}
        }
        let status = self.process.wait()?;
        Err(io::Error::other(format!("it has ended at once ({status})")))
    }

    fn answers(&self) -> io::Result<bool> {
        let end = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty())?;
        let mut polled =
            [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&end, PollFlags::IN)];
        loop {
            match poll(&mut polled, None) {
                Err(Errno::INTR) => {}
                polled => break polled.map(drop)?,
            }
        }
        let [socket, _] = polled;
        // The end of the stream is readable, too.
        Ok(socket.revents().contains(PollFlags::IN)
            && seccomp::receive_byte(self.socket.as_raw_fd()).is_some())
    }

    /// Waits for its end. Before that it asks whether the launcher is there.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        while let Some(byte) = seccomp::receive_byte(self.socket.as_raw_fd()) {
            if byte == NONE_LEFT {
                // It may have been killed meanwhile.
                let _ = handover::send_byte(&self.socket, HERE);
            }
        }
        self.process.wait()
    }
}

/// Starts the supervisor again if it is killed. The calls that it was carrying out are made by their
/// threads; at last all calls are.
fn watch_over(supervisor: Supervisor, listener: &OwnedFd, mut start: Start) {
    let limit = match getrlimit(Resource::Cpu).maximum {
        Some(_) => " (RLIMIT_CPU has a hard limit)",
        None => "",
    };
    let mut supervisor = Ok(supervisor);
    for restarts_left in (0..=MAX_RESTARTS).rev() {
        match supervisor.as_mut().map(Supervisor::wait) {
            Ok(Ok(status)) if !status.success() => {}
            Ok(_) => return,
            Err(_) => break,
        }
        let stopped = start.stats.and_then(|stats| stats.stopped());
        for id in stopped.iter().flat_map(Stopped::take) {
            start.let_through(listener, id, 1);
        }
        if restarts_left == 0 {
            break;
        }
        print_message(format!("the supervisor has ended too early{limit}; it is started again"));
        supervisor = start.once(listener);
    }
    print_message("there is no supervisor any more: calls are let through");
    while !has_hung_up(listener) {
        if let Ok(call) = seccomp::receive(listener.as_raw_fd()) {
            start.let_pass(listener, &call);
        }
    }
}

/// Waits for a call, or for the end of all processes; reports whether they have ended.
fn has_hung_up(listener: &OwnedFd) -> bool {
    hangs_up(listener, PollFlags::IN, None)
}

/// Reports whether all processes have ended whose calls `listener` receives.
pub(crate) fn have_all_ended(listener: &impl AsFd) -> bool {
    hangs_up(listener, PollFlags::empty(), Some(&Timespec::default()))
}

fn hangs_up(listener: &impl AsFd, wanted: PollFlags, limit: Option<&Timespec>) -> bool {
    let mut polled = [PollFd::new(listener, wanted)];
    let is_polled = poll(&mut polled, limit);
    let [polled] = polled;
    match is_polled {
        Ok(_) => polled.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(errno) => errno != Errno::INTR,
    }
}

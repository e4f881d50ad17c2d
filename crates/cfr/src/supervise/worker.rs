//! A worker receives a call, has it carried out, and answers it. One worker at a time waits for calls:
//! several would all be woken by each call.

use super::calls::{self, Reply};
use super::jobs::Job;
use super::task::LastCaller;
use super::{LISTENER, Supervisor};
use crate::run::guard;
use cfr_sys::errno::Errno;
use cfr_sys::seccomp::{self, StoppedCall};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Starts a worker. If as many work as may, calls are let through until one of them waits again.
pub(super) fn start(supervisor: &'static Supervisor) -> io::Result<()> {
    if supervisor.jobs.want_spare() {
        return Ok(());
    }
    let Some(job) = supervisor.jobs.take() else { return relieve(supervisor) };
    // Counted from now on, so that the watcher does not start another.
    supervisor.jobs.receiving.fetch_add(1, Ordering::Relaxed);
    let started = thread::Builder::new().name("worker".into()).spawn(move || {
        supervisor.jobs.join(job);
        work(supervisor, job);
        job.give_back();
    });
    if started.is_err() {
        supervisor.jobs.receiving.fetch_sub(1, Ordering::Relaxed);
        job.give_back();
    }
    started.map(drop)
}

/// Starts a thread that lets calls through while no worker waits for one: on a file system that does
/// not answer all of them may be stuck, and the rest of the tree must not wait for it.
fn relieve(supervisor: &'static Supervisor) -> io::Result<()> {
    if supervisor.jobs.is_relieved.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let relief = thread::Builder::new().name("relief".into()).spawn(move || {
        let listener = io::stdin();
        while supervisor.jobs.receiving.load(Ordering::Relaxed) == 0 {
            const STEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
            let mut polled = [PollFd::new(&listener, PollFlags::IN)];
            if poll(&mut polled, Some(&STEP)) == Ok(1)
                && let Ok(call) = seccomp::receive(LISTENER)
            {
                match call.call {
                    StoppedCall::Filter { .. } => supervisor.observers.note_filter(&call),
                    _ => supervisor.observers.count_let_through(),
                }
                let _ = seccomp::let_through(LISTENER, call.id);
            }
        }
        supervisor.jobs.is_relieved.store(false, Ordering::Relaxed);
    });
    if relief.is_err() {
        supervisor.jobs.is_relieved.store(false, Ordering::Relaxed);
    }
    relief.map(drop)
}

/// Starts another worker if none waits for calls, before a call that takes long.
fn start_if_none_waits(supervisor: &'static Supervisor) {
    if supervisor.jobs.receiving.load(Ordering::Relaxed) == 0 {
        // If no thread can be made, the watcher tries again.
        let _ = start(supervisor);
    }
}

/// Answers a call by a duplicate of `fd` in its process, or by the error if that cannot be had: any but
/// EBADF, the kernel's own answer.
fn answer_by_descriptor(id: u64, fd: i32) -> Result<(), Errno> {
    let added = loop {
        match seccomp::add_descriptor(LISTENER, id, fd) {
            // The watcher has interrupted it, for example because the thread has a signal to handle.
            Err(Errno::EINTR) if seccomp::is_waiting(LISTENER, id) => {}
            added => break added,
        }
    };
    let error = |errno| if errno == Errno::EBADF { Errno::EMFILE } else { errno };
    seccomp::answer(LISTENER, id, added.map_err(error))
}

fn work(supervisor: &'static Supervisor, job: &'static Job) {
    let mut last_caller = LastCaller::none();
    loop {
        let received = seccomp::receive(LISTENER);
        supervisor.jobs.receiving.fetch_sub(1, Ordering::Relaxed);
        match received {
            Ok(notification) => {
                job.begin(notification.id, notification.tid);
                supervisor.jobs.wake_watcher();
                let before_long = || start_if_none_waits(supervisor);
                let reply =
                    calls::carry_out(supervisor, job, &mut last_caller, &notification, before_long);
                // An error means that the thread was killed meanwhile.
                let _ = match reply {
                    Reply::Answer(answer) => seccomp::answer(LISTENER, notification.id, answer),
                    Reply::Descriptor(fd) => answer_by_descriptor(notification.id, fd),
                    Reply::LetThrough => seccomp::let_through(LISTENER, notification.id),
                    Reply::None => Ok(()),
                };
                // Only now: if this process is killed, the launcher answers.
                job.end();
            }
            Err(Errno::EINTR) => {}
            // Its thread waits no more. The next call may come at once.
            Err(Errno::ENOENT) if !guard::have_all_ended(&io::stdin()) => {
                supervisor.observers.count_interrupted();
            }
            // No process of the tree is left, and the main thread is about to end this one.
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
        if supervisor.jobs.receiving.fetch_add(1, Ordering::Relaxed) > 0 {
            supervisor.jobs.receiving.fetch_sub(1, Ordering::Relaxed);
            if !supervisor.jobs.wait_until_wanted() {
                return;
            }
        }
    }
}

//! Whether the kernel keeps the answer to a stopped call if a signal interrupts it. The first kernels
//! with SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (5.19) lose an answer that comes before the thread has
//! run ("seccomp: Fix a race with WAIT_KILLABLE_RECV if the tracer replies too fast", 2025): the
//! thread makes the call again, which was carried out already. Versions do not tell, because
//! distributions backport.

use super::fact::Finding;
use crate::run::filter;
use crate::run::reach::takes_privileges;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Range, seccomp};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use signal_hook::consts::signal::SIGURG;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// The mark of calls that are not stopped: none has it.
const COOKIE: u32 = 1;

/// How many answers are tried.
const ROUNDS: u32 = 20;

/// What the calls are answered by: a number that they do not return otherwise.
const ANSWER: usize = 7;

/// How long a step may take, in seconds. On a busy machine the thread that makes the calls may get no
/// time.
const MAX_WAIT: u32 = 2;

/// Reports whether the kernel keeps all answers.
pub(super) fn finding() -> Finding {
    // A thread of its own, because it is bound to a processor.
    let tried = thread::Builder::new().spawn(try_out);
    let tried = tried.map(|trial| trial.join().unwrap_or(Err(Errno::EIO)));
    match tried.unwrap_or_else(|error| Err(super::fact::errno(&error))) {
        Err(errno) => Finding::untried(errno),
        Ok(Answers { kept, lost: 0 }) if kept >= ROUNDS / 2 => Finding::yes(),
        Ok(Answers { lost: 0, .. }) => Finding::unknown("the machine is too busy"),
        Ok(Answers { kept, lost }) => Finding::no().with_note(format!(
            "{lost} of {} were lost: a supervised call that a signal interrupts may be made twice",
            kept + lost
        )),
    }
}

/// How many answers the kernel has kept and lost.
#[derive(Clone, Copy, Default)]
struct Answers {
    kept: u32,
    lost: u32,
}

/// Answers calls of a thread that has got a signal and has not run since.
fn try_out() -> Result<Answers, Errno> {
    bind_to_a_processor()?;
    sys::interrupt_calls_on(SIGURG);
    let takes_privileges = takes_privileges();
    let (at_start, started) = channel();
    let (at_return, returned) = channel();
    // On the same processor, which this thread keeps: that one runs when this one waits for it.
    let calling = thread::Builder::new().spawn(move || {
        let stopped =
            sys::run_when_idle().and_then(|()| filter::stop_copies(COOKIE, takes_privileges));
        let rounds = if stopped.is_ok() { ROUNDS } else { 0 };
        // The other end may have stopped waiting.
        let _ = at_start.send(stopped.map(|listener| (listener, sys::gettid())));
        for _ in 0..rounds {
            let nothing = Range { fd_in: -1, off_in: 0, fd_out: -1, off_out: 0, len: 1 };
            if at_return.send(sys::copy_range(&nothing)).is_err() {
                return;
            }
        }
    });
    calling.map_err(|error| super::fact::errno(&error))?;
    let limit = Duration::from_secs(MAX_WAIT.into());
    let (listener, caller) = started.recv_timeout(limit).unwrap_or(Err(Errno::EAGAIN))?;
    let mut answers = Answers::default();
    for _ in 0..ROUNDS {
        if !seccomp::await_call(listener, MAX_WAIT.into()) {
            break;
        }
        let _ = sys::other_process::signal_thread(sys::getpid(), caller, SIGURG);
        let answered = seccomp::receive(listener)
            .and_then(|call| seccomp::answer(listener, call.id, Ok(ANSWER)));
        match (returned.recv_timeout(limit), answered) {
            (Ok(Ok(ANSWER)), _) => answers.kept += 1,
            (Ok(_), Ok(())) => answers.lost += 1,
            // The signal ended the call before it was received.
            (Ok(_), Err(_)) => {}
            (Err(_), _) => break,
        }
    }
    sys::close(listener);
    Ok(answers)
}

/// Binds the calling thread, and those that it starts, to the first processor that it may use.
fn bind_to_a_processor() -> Result<(), Errno> {
    let errno = |error: rustix::io::Errno| Errno(error.raw_os_error());
    let all = sched_getaffinity(None).map_err(errno)?;
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|&cpu| all.is_set(cpu)).unwrap_or(0));
    sched_setaffinity(None, &one).map_err(errno)
}

//! The watcher looks after calls that take long: one whose thread was killed must not go on, one whose
//! thread has a signal to handle ends with a short count, and the others of the tree must not wait.

use super::jobs::Job;
use super::proc::Status;
use super::{INTERRUPT, LISTENER, Supervisor, worker};
use cfr_sys::seccomp;
use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How often it looks for calls that take long.
const PERIOD: Duration = Duration::from_millis(5);
/// How often it looks at such a call, and the age from which a call is one.
const LONG: Duration = Duration::from_millis(1);
/// After how many looks at nothing it parks: a second.
const IDLE_LOOKS: u32 = 200;

/// Starts the watcher.
pub(super) fn start(supervisor: &'static Supervisor) -> io::Result<()> {
    thread::Builder::new().name("watcher".into()).spawn(move || watch(supervisor)).map(drop)
}

fn watch(supervisor: &'static Supervisor) {
    let mut idle = 0;
    loop {
        let (mut is_idle, mut is_long) = (true, false);
        for job in supervisor.jobs.in_flight() {
            is_idle = false;
            is_long |= look_at(supervisor, job);
        }
        idle = if is_idle { idle + 1 } else { 0 };
        if idle > IDLE_LOOKS {
            supervisor.jobs.park_watcher();
            idle = 0;
        }
        thread::sleep(if is_long { LONG } else { PERIOD });
    }
}

/// Looks after a call if it takes long. Reports whether it does.
fn look_at(supervisor: &'static Supervisor, job: &Job) -> bool {
    let Some((id, caller)) = job.current() else { return false };
    if u128::from(job.age_ns()) < LONG.as_nanos() {
        return false;
    }
    if supervisor.jobs.receiving.load(Ordering::Relaxed) == 0 {
        // If no thread can be made, the next look tries again.
        let _ = worker::start(supervisor);
    }
    if !seccomp::is_waiting(LISTENER, id) || has_signal(caller) {
        job.interrupt(id, INTERRUPT);
    }
    true
}

/// Reports whether the thread has a signal to handle: one that is pending, not blocked and not
/// ignored.
fn has_signal(tid: i32) -> bool {
    let status = Status::of(tid);
    let pending = status.mask("SigPnd") | status.mask("ShdPnd");
    pending & !status.mask("SigBlk") & !status.mask("SigIgn") != 0
}

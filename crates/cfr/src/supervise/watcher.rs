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

/// How often it looks, and the age from which a call takes long.
const PERIOD: Duration = Duration::from_millis(5);
/// After how many looks at nothing it parks: a second.
const IDLE_LOOKS: u32 = 200;

/// Starts the watcher.
pub(super) fn start(supervisor: &'static Supervisor) -> io::Result<()> {
    thread::Builder::new().name("watcher".into()).spawn(move || watch(supervisor)).map(drop)
}

fn watch(supervisor: &'static Supervisor) {
    let mut idle = 0;
    loop {
        let mut is_idle = true;
        for job in supervisor.jobs.in_flight() {
            is_idle = false;
            look_at(supervisor, job);
        }
        idle = if is_idle { idle + 1 } else { 0 };
        if idle > IDLE_LOOKS {
            supervisor.jobs.park_watcher();
            idle = 0;
        }
        thread::sleep(PERIOD);
    }
}

fn look_at(supervisor: &'static Supervisor, job: &Job) {
    let Some((id, caller)) = job.current() else { return };
    if u128::from(job.age_ns()) < PERIOD.as_nanos() {
        return;
    }
    if supervisor.jobs.receiving.load(Ordering::Relaxed) == 0 {
        // If no thread can be made, the next look tries again.
        let _ = worker::start(supervisor);
    }
    if !seccomp::is_waiting(LISTENER, id) || has_signal(caller) {
        job.interrupt(id, INTERRUPT);
    }
}

/// Reports whether the thread has a signal to handle: one that is pending, not blocked and not
/// ignored.
fn has_signal(tid: i32) -> bool {
    let status = Status::of(tid);
    let pending = status.mask("SigPnd") | status.mask("ShdPnd");
    pending & !status.mask("SigBlk") & !status.mask("SigIgn") != 0
}

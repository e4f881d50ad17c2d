//! The calls that are being carried out, one for each thread that does so.

use cfr_shared::stats::Stopped;
use cfr_sys as sys;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

/// The call of one worker.
pub(super) struct Job {
    is_taken: AtomicBool,
    /// What the kernel names the calls by, in memory that the launcher shares, and this job's place.
    stopped: Stopped,
    place: usize,
    /// The thread that made the call.
    caller: AtomicI32,
    /// The thread that carries it out.
    worker: AtomicI32,
    /// When it was received, in nanoseconds (CLOCK_MONOTONIC).
    begun_ns: AtomicU64,
    /// Whether the watcher has interrupted the call.
    is_interrupted: AtomicBool,
}

impl Job {
    fn free(stopped: Stopped, place: usize) -> Job {
        Job {
            is_taken: AtomicBool::new(false),
            stopped,
            place,
            caller: AtomicI32::new(0),
            worker: AtomicI32::new(0),
            begun_ns: AtomicU64::new(0),
            is_interrupted: AtomicBool::new(false),
        }
    }

    /// Notes a call that was received.
    pub(super) fn begin(&self, id: u64, caller: i32) {
        self.caller.store(caller, Ordering::Relaxed);
        self.begun_ns.store(sys::monotonic_ns(), Ordering::Relaxed);
        self.is_interrupted.store(false, Ordering::Relaxed);
        self.stopped.begin(self.place, id);
    }

    /// Notes that the call was answered.
    pub(super) fn end(&self) {
        self.stopped.end(self.place);
    }

    /// Reports whether the watcher has interrupted the call.
    pub(super) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Gives the job back when its worker ends.
    pub(super) fn give_back(&self) {
        self.is_taken.store(false, Ordering::Release);
    }

    /// Returns the time since the call was received, in nanoseconds.
    pub(super) fn age_ns(&self) -> u64 {
        sys::monotonic_ns().saturating_sub(self.begun_ns.load(Ordering::Relaxed))
    }

    /// Returns the call: its id and the thread that made it.
    pub(super) fn current(&self) -> Option<(u64, i32)> {
        Some((self.stopped.get(self.place)?, self.caller.load(Ordering::Relaxed)))
    }

    /// Ends the system call that the worker is in, if it still carries out call `id`.
    pub(super) fn interrupt(&self, id: u64, signal: i32) {
        if self.stopped.get(self.place) == Some(id) {
            self.is_interrupted.store(true, Ordering::Relaxed);
            let worker = self.worker.load(Ordering::Relaxed);
            // It fails if the worker has just ended.
            let _ = sys::other_process::signal_thread(sys::getpid(), worker, signal);
        }
    }
}

/// How many workers are kept that are not needed.
const MAX_SPARE: usize = 4;

/// Workers that are kept, because a new thread costs more than a copy of 1 MiB.
#[derive(Default)]
struct Spare {
    waiting: usize,
    /// How many of those that waited are to go on.
    wanted: usize,
}

/// The jobs of all workers.
pub(super) struct Jobs {
    jobs: Vec<Job>,
    /// How many workers wait for a call.
    pub(super) receiving: AtomicUsize,
    spare: Mutex<Spare>,
    spare_wanted: Condvar,
    watcher: OnceLock<Thread>,
    is_watcher_parked: AtomicBool,
    /// Whether a thread lets calls through because all jobs are taken.
    pub(super) is_relieved: AtomicBool,
}

impl Jobs {
    /// Makes one job for each place for a call.
    pub(super) fn new(stopped: Stopped) -> Jobs {
        Jobs {
            jobs: (0..stopped.places()).map(|place| Job::free(stopped, place)).collect(),
            receiving: AtomicUsize::new(0),
            spare: Mutex::default(),
            spare_wanted: Condvar::new(),
            watcher: OnceLock::new(),
            is_watcher_parked: AtomicBool::new(false),
            is_relieved: AtomicBool::new(false),
        }
    }

    /// Takes a free job; `None` if all are taken.
    pub(super) fn take(&self) -> Option<&Job> {
        self.jobs.iter().find(|job| {
            !job.is_taken.load(Ordering::Relaxed) && !job.is_taken.swap(true, Ordering::Acquire)
        })
    }

    /// Keeps the calling thread, a worker that is not needed, until it is. Reports whether it is;
    /// if enough are kept it ends.
    pub(super) fn wait_until_wanted(&self) -> bool {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.waiting >= MAX_SPARE {
            return false;
        }
        spare.waiting += 1;
        while spare.wanted == 0 {
            spare = self.spare_wanted.wait(spare).unwrap_or_else(PoisonError::into_inner);
        }
        spare.wanted -= 1;
        true
    }

    /// Lets a worker that is kept go on. Reports whether there was one.
    pub(super) fn want_spare(&self) -> bool {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.waiting == 0 {
            return false;
        }
        spare.waiting -= 1;
        spare.wanted += 1;
        // Counted from now on, so that the watcher does not start another.
        self.receiving.fetch_add(1, Ordering::Relaxed);
        self.spare_wanted.notify_one();
        true
    }

    /// Makes the calling thread the worker of `job`.
    pub(super) fn join(&self, job: &Job) {
        job.worker.store(sys::gettid(), Ordering::Relaxed);
    }

    /// Returns the jobs that have a call.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.current().is_some())
    }

    /// Wakes the watcher, which is parked if there was no call for long.
    #[inline]
    pub(super) fn wake_watcher(&self) {
        if self.is_watcher_parked.load(Ordering::SeqCst)
            && let Some(watcher) = self.watcher.get()
        {
            watcher.unpark();
        }
    }

    /// Parks the calling thread, the watcher, until there is a call.
    pub(super) fn park_watcher(&self) {
        self.watcher.get_or_init(std::thread::current);
        self.is_watcher_parked.store(true, Ordering::SeqCst);
        if self.in_flight().next().is_none() {
            std::thread::park();
        }
        self.is_watcher_parked.store(false, Ordering::SeqCst);
    }
}

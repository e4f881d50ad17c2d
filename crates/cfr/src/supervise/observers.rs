//! What records the calls: one observer for all processes of the tree, or one for each, where they
//! count faults or have a log file of their own.

use super::proc::{self, Status};
use super::programs::Programs;
use crate::run::line_reader::LineReader;
use crate::run::program_settings;
use crate::run::shared_log;
use crate::term::failure::Failure;
use cfr_engine::diag::{EventKind, EventLog};
use cfr_observe::{Collectors, ConfigErrors, Injector, Log, Observer};
use cfr_shared::inject::CallCounter;
use cfr_shared::settings::{Level, Settings};
use cfr_shared::stats::{Counter, Stats, Stopped};
use cfr_sys as sys;
use cfr_sys::seccomp::{Notification, StoppedCall};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::field::Value;

/// How many processes are kept before those that have ended are forgotten.
const MANY: usize = 64;

/// A program in a process: another one after execve(2), or after the process id was used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    pid: i32,
    /// When the process began, in clock ticks since boot.
    start: u64,
    /// [`proc::random`]; 0 if it may not be traced.
    random: u64,
}

/// The observers of all processes.
pub(super) struct Observers {
    settings: &'static Settings<'static>,
    /// A descriptor of the log file, if it is not opened by its name.
    log: Option<i32>,
    stats: Option<Stats>,
    /// The memory file of the stats, for processes that may not open it.
    stats_file: Option<File>,
    /// The one observer, if it may watch all processes.
    one: Option<Arc<Observer>>,
    by_program: Mutex<HashMap<Key, Arc<Observer>>>,
    /// The programs that are not counted by the library.
    pub(super) programs: Programs,
    /// Counters of programs that have ended.
    spare: Mutex<Vec<&'static [AtomicU64]>>,
}

impl Observers {
    /// Reads the settings that the launcher has put into the environment. `log` is a descriptor of the
    /// log file.
    pub(super) fn from_environment(log: Option<i32>) -> Result<Observers, Failure> {
        let settings = program_settings::read(std::env::var_os)
            .map_err(|error| Failure::new(error.to_string()))?;
        let words =
            settings.stats.map(|path| sys::map_shared(path, Stats::MARK, Stats::SHARED_WORDS));
        let open = |path| File::options().read(true).write(true).open(OsStr::from_bytes(path));
        let stats_file = settings.stats.and_then(|path| open(path).ok());
        let stats = words.and_then(Result::ok).and_then(Stats::over);
        let one = settings.inject.is_none() && !shared_log::has_own_log(settings);
        let one = one.then(|| Arc::new(observer(settings, stats, None, log)));
        let (by_program, spare) = (Mutex::default(), Mutex::default());
        let programs = Programs::new(stats, stats_file.as_ref());
        Ok(Observers { settings, log, stats, stats_file, one, by_program, programs, spare })
    }

    /// Counts a call that is let through and not logged.
    pub(super) fn count_let_through(&self) {
        if let Some(stats) = &self.stats {
            stats.count_let_through(1, 0);
        }
    }

    /// Goes on writing the lines of processes that outlive the launcher, if it has handed that on.
    pub(super) fn go_on_reading(&self) -> Option<LineReader> {
        LineReader::go_on(self.stats?, self.settings)
    }

    /// Counts a call whose thread stopped waiting before it was received.
    pub(super) fn count_interrupted(&self) {
        if let Some(stats) = &self.stats {
            stats.add(Counter::Interrupted, 1);
        }
    }

    /// Notes that the program of a call installs a seccomp filter.
    pub(super) fn note_filter(&self, notification: &Notification) {
        let Notification { call: StoppedCall::Filter { is_possible: true }, tid, .. } =
            *notification
        else {
            return;
        };
        let Some(stats) = &self.stats else { return };
        let process = Status::of(tid).field("Tgid").next().and_then(|pid| pid.parse().ok());
        let pid = process.unwrap_or(tid);
        stats.note_own_filter(pid, proc::read(pid, "comm").trim_ascii_end());
    }

    /// Writes the lines that a launcher which was killed has not written.
    pub(super) fn write_left_lines(&self) {
        let log = match &self.one {
            Some(one) => one.log,
            None => observer(self.settings, self.stats, None, self.log).log,
        };
        if let Some(log) = log {
            log.write_left_lines();
        }
    }

    /// Returns the memory file of the stats.
    pub(super) fn stats_file(&self) -> Option<&File> {
        self.stats_file.as_ref()
    }

    /// Returns the calls that are carried out: in the memory of the stats, which the launcher shares.
    pub(super) fn stopped(&self) -> Option<Stopped> {
        let own = || Stopped::over(zeros(Stopped::WORDS));
        self.stats.map_or_else(own, |stats| stats.stopped())
    }

    pub(super) fn level(&self) -> Level {
        self.settings.log
    }

    /// Returns the observer of process `pid`, and makes it the current one of this thread, whose calls
    /// are those of thread `tid`.
    pub(super) fn enter(&self, pid: i32, tid: i32) -> Arc<Observer> {
        let observer = self.one.clone().unwrap_or_else(|| self.of_program(pid));
        CURRENT.set(Some(Current { observer: Arc::clone(&observer), pid, tid }));
        observer
    }

    fn of_program(&self, pid: i32) -> Arc<Observer> {
        let key = key(pid);
        let mut known = self.by_program.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(observer) = known.get(&key) {
            return Arc::clone(observer);
        }
        if known.len() >= MANY {
            known.retain(|known, observer| {
                let is_alive = *known == self::key(known.pid);
                if !is_alive {
                    self.forget(observer);
                }
                is_alive
            });
        }
        let settings = program_settings::with_own_log(self.settings, pid, || proc::program(pid));
        let counter = settings.inject.is_some().then(|| self.counter()).flatten();
        let observer = Arc::new(observer(settings, self.stats, counter, self.log));
        known.insert(key, Arc::clone(&observer));
        observer
    }

    /// Frees what the observer of a program holds that has ended.
    fn forget(&self, observer: &Observer) {
        if let Some(log) = observer.log {
            log.close();
        }
        if let Some(injector) = &observer.injector {
            let words = injector.counter().words();
            words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(words);
        }
    }

    /// Returns counters that are all zero.
    fn counter(&self) -> Option<CallCounter> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let words = spare.unwrap_or_else(|| zeros(CallCounter::WORDS));
        CallCounter::over(words, self.stats.and_then(|stats| stats.faults()))
    }
}

fn observer(
    settings: &'static Settings<'static>,
    stats: Option<Stats>,
    counter: Option<CallCounter>,
    log: Option<i32>,
) -> Observer {
    static NO_ERRORS: OnceLock<ConfigErrors> = OnceLock::new();
    let collectors = Collectors { tree: stats, own: None, is_program: false };
    let injector = settings.inject.as_ref().zip(counter);
    let no_errors = NO_ERRORS.get_or_init(ConfigErrors::none);
    let named = Log::new(settings, no_errors, collectors, current_caller);
    Observer {
        settings,
        next: None,
        injector: injector.map(|(faults, counter)| Injector::new(faults, counter)),
        collectors,
        log: Some(Box::leak(Box::new(match log {
            Some(fd) => named.with_descriptor(fd),
            None => named,
        }))),
    }
}

/// Returns zeroed words that are never freed.
fn zeros(count: usize) -> &'static [AtomicU64] {
    let words = (0..count).map(|_| AtomicU64::new(0));
    Box::leak(words.collect::<Vec<_>>().into_boxed_slice())
}

fn key(pid: i32) -> Key {
    // proc_pid_stat(5): field 22; the name in field 2 may have spaces and parentheses.
    let stat = proc::read(pid, "stat");
    let end = stat.iter().rposition(|&byte| byte == b')').unwrap_or(0);
    let fields = stat.get(end..).unwrap_or_default();
    let start = fields.split(|&byte| byte == b' ').nth(20);
    let start = start.and_then(|field| std::str::from_utf8(field).ok()?.parse().ok());
    Key { pid, start: start.unwrap_or(0), random: proc::random(pid).unwrap_or(0) }
}

/// The call that a thread carries out: its caller, and the observer that records it.
struct Current {
    observer: Arc<Observer>,
    pid: i32,
    tid: i32,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Returns the process and the thread that messages of this thread are about.
fn current_caller() -> (i32, i32) {
    let current = CURRENT.with_borrow(|current| current.as_ref().map(|now| (now.pid, now.tid)));
    current.unwrap_or_else(|| (sys::getpid(), sys::gettid()))
}

/// Passes events on to the log of the process whose call this thread carries out.
struct CurrentLog;

impl EventLog for CurrentLog {
    fn write(&self, kind: &'static EventKind, message: &dyn Value) {
        CURRENT.with_borrow(|current| {
            if let Some(log) = current.as_ref().and_then(|current| current.observer.log) {
                log.write(kind, message);
            }
        });
    }
}

/// Makes the logs of the processes the destination of all events up to `level`.
pub(super) fn install(level: Level) {
    cfr_observe::install(&CurrentLog, level);
}

//! All state of the process, made once from its environment: by the constructor, or by the first
//! call if another library's constructor copies before this one has run.
//!
//! No log is opened here. No system call is made either, unless a setting asks for a log or the
//! launcher for its counters.

use crate::environment;
use crate::route::{self, HANDLED_ERRORS, Route};
use cfr_engine::diag::{CallLine, EventKind, EventLog};
use cfr_engine::hook::{Hook, Hooks};
use cfr_observe::{Collectors, ConfigErrors, Injector, Log, Observer};
use cfr_shared::inject::{CallCounter, Faults};
use cfr_shared::line::Line;
use cfr_shared::settings::{Forward, Level, Settings, SummaryTarget};
use cfr_shared::stats::{Counter, Stats};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Current, NextCopy, SetOnce};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};
use tracing::field::Value;

/// The exit status of env(1) and timeout(1) for a failure of their own, and the launcher's.
const STATUS_OWN_FAILURE: i32 = 125;

/// What watches the calls of this process. The routes, which the hot path reads, stand in
/// [`crate::route`]; the pools of lines and paths in [`cfr_observe`].
static CURRENT: Current<Observer> = Current::new();

/// The first one, by the environment; the program may replace it ([`crate::configuration`]).
static FIRST: SetOnce<Observer> = SetOnce::new();
static LOG: SetOnce<Log> = SetOnce::new();
/// The counters of this process. They stay if another observer does not count.
static OWN_STATS: SetOnce<Stats> = SetOnce::new();

/// Whether this process records its calls, or leaves them to the supervisor. Not false at first, for the
/// reason that `SetOnce` gives.
static IS_OURS: AtomicBool = AtomicBool::new(true);

/// The large parts of the runtime. They are made in place: the first call may come on a thread's
/// smallest stack (PTHREAD_STACK_MIN, 16 KiB) or in a signal handler.
static SETTINGS: SetOnce<Settings<'static>> = SetOnce::new();
static CONFIG_ERRORS: SetOnce<ConfigErrors> = SetOnce::new();

/// Returns the state of the process; `None` until the settings have been read. In a privileged process,
/// whose hooks only forward, it is for calls of cfr_copy(3).
#[inline(always)]
pub(crate) fn get() -> Option<&'static Observer> {
    CURRENT.get()
}

/// Returns the settings as the environment has them.
pub(crate) fn settings_of_environment() -> Option<&'static Settings<'static>> {
    SETTINGS.get()
}

/// Writes events to the log of the current observer.
struct CurrentLog;

impl EventLog for CurrentLog {
    fn write(&self, kind: &'static EventKind, message: &dyn Value) {
        if let Some(log) = get().and_then(|observer| observer.log) {
            log.write(kind, message);
        }
    }

    fn write_call(&self, kind: &'static EventKind, call: &dyn CallLine) {
        if let Some(log) = get().and_then(|observer| observer.log) {
            log.write_call(kind, call);
        }
    }
}

#[ctor::ctor(unsafe)]
fn constructor() {
    initialize();
}

/// Reads the settings and sets the routes, once. If the environment cannot be known yet, nothing is
/// decided, and the next call tries again. Another thread, or a signal handler, that calls a hook
/// meanwhile finds the route `Uninitialized` and goes to the kernel.
pub(crate) fn initialize() {
    // Not false at first, for the reason that `SetOnce` gives.
    static MAY_BEGIN: AtomicBool = AtomicBool::new(true);
    if !MAY_BEGIN.swap(false, Ordering::Relaxed) {
        return;
    }
    if sys::environment().is_none() {
        MAY_BEGIN.store(true, Ordering::Relaxed);
        return;
    }
    let errno = sys::errno();
    route::find_next_functions();
    if sys::is_secure() {
        ignore_environment();
        if let (Some(settings), Some(errors)) = (SETTINGS.get(), CONFIG_ERRORS.get()) {
            FIRST.set(observer(settings, errors, None));
        }
        if let Some(first) = FIRST.get() {
            CURRENT.set(first);
        }
        route::set_all(|_| Route::Kernel);
    } else {
        read_environment();
        if let (Some(settings), Some(errors)) = (SETTINGS.get(), CONFIG_ERRORS.get()) {
            end_if_strict(settings, errors);
            let tree = tree_stats(settings);
            let is_left = matches!(tree, Err(Unmapped::LeftToSupervisor));
            IS_OURS.store(!is_left, Ordering::Relaxed);
            // Before any call is intercepted: a call that is recorded must have it.
            if let (Some(cookie), false) = (settings.cookie, is_left) {
                sys::set_cookie(cookie);
            }
            let tree = tree.ok();
            FIRST.set(observer(settings, errors, tree));
        }
        if let Some(first) = FIRST.get() {
            start(first);
        }
    }
    sys::set_errno(errno);
}

#[inline(never)]
fn observer(
    settings: &'static Settings<'static>,
    errors: &'static ConfigErrors,
    tree: Option<Stats>,
) -> Observer {
    let counts = settings.summary != SummaryTarget::No;
    let own = counts.then(own_stats).flatten();
    let collectors = Collectors { tree, own, is_program: true };
    let is_recorded = is_recorded(settings, &collectors);
    if is_recorded {
        LOG.set(log(settings, errors, collectors));
    }
    let observer = Observer {
        next: next_copy(settings),
        injector: settings.inject.as_ref().and_then(|faults| injector(faults, tree)),
        collectors,
        log: LOG.get(),
        settings,
    };
    note_unwatched(&observer, None);
    observer
}

/// Returns the observer of a program that has changed its settings. `counts` says whether its calls are
/// counted for it, `has_new_faults` whether the faults are others; `last_log` is the log of before,
/// which may be out of use. EBUSY if the log has a descriptor and would be another one; ENOMEM.
pub(crate) fn changed_observer(
    before: &Observer,
    settings: &'static Settings<'static>,
    counts: bool,
    has_new_faults: bool,
    last_log: Option<&'static Log>,
) -> Result<&'static Observer, Errno> {
    let tree = before.collectors.tree;
    let counts = counts || settings.summary != SummaryTarget::No;
    let own = counts.then(|| own_stats().ok_or(Errno::ENOMEM)).transpose()?;
    let collectors = Collectors { tree, own, is_program: true };
    let wants_log = is_recorded(settings, &collectors);
    let log = match (last_log, CONFIG_ERRORS.get()) {
        (Some(last), _) if last.is_for(settings) => Some(last),
        (Some(last), _) if last.has_descriptor() => return Err(Errno::EBUSY),
        (_, Some(errors)) if wants_log => {
            Some(&*sys::map_value(|| log(settings, errors, collectors))?)
        }
        _ => None,
    };
    let injector = match &settings.inject {
        Some(faults) if has_new_faults || before.injector.is_none() => injector(faults, tree),
        Some(_) => before.injector,
        None => None,
    };
    let next = next_copy(settings);
    let log = log.filter(|_| wants_log);
    let observer: &'static Observer =
        sys::map_value(|| Observer { next, injector, collectors, log, settings })?;
    note_unwatched(observer, Some(before));
    Ok(observer)
}

fn is_recorded(settings: &Settings<'_>, collectors: &Collectors) -> bool {
    settings.log > Level::Off || collectors.want_records()
}

fn log(
    settings: &'static Settings<'static>,
    errors: &'static ConfigErrors,
    collectors: Collectors,
) -> Log {
    Log::new(settings, errors, collectors, || (sys::getpid(), sys::gettid()))
}

fn next_copy(settings: &Settings<'_>) -> Option<NextCopy> {
    match settings.forward {
        Forward::Next => NextCopy::find(),
        Forward::Syscall => None,
    }
}

/// Reports whether there are calls of this process that are not seen.
fn is_unwatched(observer: &Observer) -> bool {
    observer.log.is_none() || observer.settings.hooks != Hooks::ALL
}

/// Reports whether the calls of this process have no cookie, so that the supervisor watches them.
fn is_left_to_supervisor(observer: &Observer) -> bool {
    observer.next.is_some() && observer.settings.cookie.is_some()
}

/// Tells the launcher which calls of this process the library does not watch, unless it did `before`.
fn note_unwatched(observer: &Observer, before: Option<&Observer>) {
    let Some(tree) = observer.collectors.tree else { return };
    let has_become = |is: fn(&Observer) -> bool| is(observer) && !before.is_some_and(is);
    if has_become(is_unwatched) {
        tree.add(Counter::Unwatched, 1);
    }
    if has_become(is_left_to_supervisor) {
        tree.add(Counter::LeftToSupervisor, 1);
    }
}

/// Counts the calls of this process; a child made by fork(2) begins at zero. `None` if no memory can
/// be mapped.
fn injector(faults: &'static Faults<'static>, tree: Option<Stats>) -> Option<Injector> {
    let words = sys::map_zeroed_on_fork(CallCounter::WORDS).ok()?;
    let tree = tree.and_then(|stats| stats.faults());
    Some(Injector::new(faults, CallCounter::over(words, tree)?))
}

/// Makes the observer the current one, and sets the routes by it. A call that another thread is making
/// keeps the one before.
pub(crate) fn start(runtime: &'static Observer) {
    CURRENT.set(runtime);
    let level = runtime.log.map_or(Level::Off, |_| runtime.settings.log);
    cfr_observe::install(&CurrentLog, level);
    let has_next = runtime.next.is_some();
    let forward = if has_next { Route::NextLibrary } else { Route::Kernel };
    let watched = match runtime.settings.policy.first_intercepted_flags() {
        _ if runtime.log.is_some() => Route::Intercept,
        1 if has_next => Route::NextIfNoFlags,
        1 => Route::KernelIfNoFlags,
        _ => Route::Intercept,
    };
    // Before the routes, by which calls go to the kernel.
    HANDLED_ERRORS.set(runtime.settings.policy.fallback_errors());
    let is_supervised = runtime.settings.cookie.is_some();
    let is_marked = is_supervised && !has_next;
    let is_left = !IS_OURS.load(Ordering::Relaxed);
    route::set_all(|hook| {
        // The supervisor watches them: the next library's calls have no cookie, either.
        if is_supervised && has_next || is_left {
            return forward;
        }
        let route = match &runtime.injector {
            _ if !runtime.settings.hooks.contains(hook) => forward,
            Some(injector) if injector.applies_to(hook) => Route::Intercept,
            _ => watched,
        };
        let passes = route != Route::Intercept
            && matches!(hook, Hook::Ioctl | Hook::Sendfile | Hook::Sendfile64);
        if passes && is_marked { Route::OwnCall } else { route }
    });
}

/// Reads the settings into [`SETTINGS`], and what is wrong with them into [`CONFIG_ERRORS`].
#[inline(never)]
fn read_environment() {
    CONFIG_ERRORS.init(ConfigErrors::none, |errors| {
        SETTINGS.init(
            || Settings::new(environment::is_preloaded()),
            |settings| environment::read(settings, errors),
        );
    });
}

/// Sets the defaults of a linked library: of a program with privileges the environment is its caller's.
#[inline(never)]
fn ignore_environment() {
    CONFIG_ERRORS.init(ConfigErrors::none, |_| {});
    SETTINGS.init(|| Settings::new(false), |_| {});
}

/// Ends the process if a setting cannot be used and the launcher wants that (`CFR_STRICT`). A program
/// that opened the library by dlopen(3) has been running for long, and goes on.
#[inline(never)]
fn end_if_strict(settings: &Settings<'_>, errors: &ConfigErrors) {
    if settings.strict
        && environment::is_preloaded()
        && let Some(error) = errors.first()
    {
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        let _ = write!(line, "cfr: {error}");
        let _ = sys::write(2, line.finish(false));
        sys::exit(STATUS_OWN_FAILURE);
    }
}

/// Why the launcher's counters are not mapped.
enum Unmapped {
    /// There are none, or none that this process may open or has room for.
    None,
    /// The supervisor is there and cannot pass them on, or there is no room for them: it counts and
    /// records the calls of this process, which do not have the cookie.
    LeftToSupervisor,
}

/// Maps the launcher's counters, and counts this process there.
fn tree_stats(settings: &Settings<'_>) -> Result<Stats, Unmapped> {
    let path = settings.stats.ok_or(Unmapped::None)?;
    let words = match (sys::map_shared(path, Stats::MARK, Stats::SHARED_WORDS), settings.cookie) {
        (Ok(words), _) => words,
        (Err(errno), None) => {
            if matches!(errno, Errno::ENOMEM | Errno::EAGAIN)
                && let Ok(words) = sys::map_shared(path, Stats::MARK, Stats::LEAST_WORDS)
            {
                Stats::count_uncounted(words);
            }
            return Err(Unmapped::None);
        }
        // The process of another user, or in another /proc, may not open it.
        (Err(_), Some(_)) => sys::map_shared_by_supervisor(Stats::MARK, Stats::SHARED_WORDS)
            .map_err(|errno| match errno {
                Errno::EBADF => Unmapped::None,
                _ => Unmapped::LeftToSupervisor,
            })?,
    };
    let stats = Stats::over(words).ok_or(Unmapped::None)?;
    stats.add(Counter::Programs, 1);
    Ok(stats)
}

/// Returns the counters of this process, for its summary and for the program. `None` if they cannot be
/// mapped.
fn own_stats() -> Option<Stats> {
    if OWN_STATS.get().is_none() {
        let stats = Stats::over(sys::map_zeroed_on_fork(Stats::WORDS).ok()?)?;
        // A child of vfork(2) that calls first must not be taken for the owner.
        stats.set(Counter::Owner, sys::getpid().unsigned_abs().into());
        OWN_STATS.set(stats);
    }
    OWN_STATS.get().copied()
}

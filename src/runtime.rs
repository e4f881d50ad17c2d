//! All state of the process, made once from its environment: by the constructor, or by the first
//! call if another library's constructor copies before this one has run.
//!
//! No log is opened here. No system call is made either, unless a setting asks for a log or the
//! launcher for its counters.

use crate::environment;
use crate::route::{self, Route};
use cfr_engine::hook::{Hook, Hooks};
use cfr_observe::{Collectors, ConfigErrors, Injector, Log, Observer};
use cfr_shared::inject::{CallCounter, Faults};
use cfr_shared::line::Line;
use cfr_shared::settings::{Forward, Level, STATS_NAME, Settings, SummaryTarget};
use cfr_shared::stats::{Counter, Stats};
use cfr_sys::{self as sys, NextCopy, SetOnce};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

/// The exit status of env(1) and timeout(1) for a failure of their own, and the launcher's.
const STATUS_OWN_FAILURE: i32 = 125;

/// What watches the calls of this process. The routes, which the hot path reads, stand in
/// [`crate::route`]; the pools of lines and paths in [`cfr_observe`].
static RUNTIME: SetOnce<Observer> = SetOnce::new();

/// The large parts of the runtime. They are made in place: the first call may come on a thread's
/// smallest stack (PTHREAD_STACK_MIN, 16 KiB) or in a signal handler.
static SETTINGS: SetOnce<Settings<'static>> = SetOnce::new();
static CONFIG_ERRORS: SetOnce<ConfigErrors> = SetOnce::new();

/// Returns the state of the process; `None` until the settings have been read. In a privileged process,
/// whose hooks only forward, it is for calls of cfr_copy(3).
#[inline(always)]
pub(crate) fn get() -> Option<&'static Observer> {
    RUNTIME.get()
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
            RUNTIME.set(observer(settings, errors, None));
        }
        route::set_all(|_| Route::Kernel);
    } else {
        read_environment();
        if let (Some(settings), Some(errors)) = (SETTINGS.get(), CONFIG_ERRORS.get()) {
            end_if_strict(settings, errors);
            let tree = tree_stats(settings);
            // Before any call is intercepted: a call that is recorded must have it. But a call that is
            // not counted is left to the supervisor.
            if let Some(cookie) = settings.cookie
                && (settings.stats.is_none() || tree.is_some())
            {
                sys::set_cookie(cookie);
            }
            RUNTIME.set(observer(settings, errors, tree));
        }
        if let Some(runtime) = RUNTIME.get() {
            start(runtime);
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
    let collectors = Collectors { tree, own: own_stats(settings) };
    let is_recorded = settings.log > Level::Off || collectors.want_records();
    if let Some(tree) = tree
        && (!is_recorded || settings.hooks != Hooks::ALL)
    {
        tree.add(Counter::Unwatched, 1);
    }
    let caller = || (sys::getpid(), sys::gettid());
    Observer {
        next: match settings.forward {
            Forward::Next => NextCopy::find(),
            Forward::Syscall => None,
        },
        injector: settings.inject.as_ref().and_then(|faults| injector(faults, tree)),
        collectors,
        log: is_recorded.then(|| Log::new(settings, errors, collectors, caller)),
        settings,
    }
}

/// Counts the calls of this process; a child made by fork(2) begins at zero. `None` if no memory can
/// be mapped.
fn injector(faults: &'static Faults<'static>, tree: Option<Stats>) -> Option<Injector> {
    let words = sys::map_zeroed_on_fork(CallCounter::WORDS).ok()?;
    let tree = tree.and_then(|stats| stats.faults());
    Some(Injector::new(faults, CallCounter::over(words, tree)?))
}

fn start(runtime: &'static Observer) {
    if let Some(log) = &runtime.log {
        cfr_observe::install(log, runtime.settings.log);
    }
    let has_next = runtime.next.is_some();
    let forward = if has_next { Route::NextLibrary } else { Route::Kernel };
    let watched = match runtime.settings.policy.first_intercepted_flags() {
        _ if runtime.log.is_some() => Route::Intercept,
        1 if has_next => Route::NextIfNoFlags,
        1 => Route::KernelIfNoFlags,
        _ => Route::Intercept,
    };
    let is_marked = runtime.settings.cookie.is_some() && !has_next;
    route::set_all(|hook| {
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

/// Maps the launcher's counters, and counts this process there.
fn tree_stats(settings: &Settings<'_>) -> Option<Stats> {
    let open = |path| sys::map_shared(path, STATS_NAME, Stats::WORDS).ok();
    // The process of another user, or in another /proc, may not open it.
    let by_supervisor = || sys::map_shared_by_supervisor(Stats::WORDS).ok();
    let ask = || settings.cookie.and_then(|_| by_supervisor());
    let words = settings.stats.and_then(open).or_else(ask)?;
    let stats = Stats::over(words)?;
    stats.add(Counter::Programs, 1);
    Some(stats)
}

/// Makes counters for the summary of this process.
fn own_stats(settings: &Settings<'_>) -> Option<Stats> {
    if settings.summary == SummaryTarget::No {
        return None;
    }
    let stats = Stats::over(sys::map_zeroed_on_fork(Stats::WORDS).ok()?)?;
    // A child of vfork(2) that calls first must not be taken for the owner.
    stats.set(Counter::Owner, sys::getpid().unsigned_abs().into());
    Some(stats)
}

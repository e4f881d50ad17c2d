//! All state of the process, made once from its environment: by the constructor, or by the first
//! call if another library's constructor copies before this one has run.
//!
//! No log is opened here. No system call is made either, unless a setting asks for a log or the
//! launcher for its counters.

use crate::collectors::Collectors;
use crate::environment;
use crate::inject::Injector;
use crate::log::{self, ConfigErrors, Log};
use crate::route::{self, Route};
use cfr_engine::hook::Hook;
use cfr_shared::line::Line;
use cfr_shared::settings::{Forward, Level, STATS_NAME, Settings, SummaryTarget};
use cfr_shared::stats::{Counter, Stats};
use cfr_sys::{self as sys, NextCopy, SetOnce};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

/// The exit status of env(1) and timeout(1) for a failure of their own, and the launcher's.
const STATUS_OWN_FAILURE: i32 = 125;

/// Everything that the library knows of its process. The routes, which the hot path reads, stand in
/// [`crate::route`]; the pools of lines and paths in [`crate::log`].
pub(crate) struct Runtime {
    pub(crate) settings: &'static Settings<'static>,
    /// The next library's copy_file_range, if `CFR_FORWARD=next` is set and there is one.
    pub(crate) next: Option<NextCopy>,
    /// The faults, if `CFR_INJECT` is set.
    pub(crate) injector: Option<Injector>,
    pub(crate) collectors: Collectors,
    /// The log, if calls are logged or counted: warnings are written even if calls are only counted.
    pub(crate) log: Option<Log>,
}

static RUNTIME: SetOnce<Runtime> = SetOnce::new();

/// The large parts of the runtime. They are made in place: the first call may come on a thread's
/// smallest stack (PTHREAD_STACK_MIN, 16 KiB) or in a signal handler.
static SETTINGS: SetOnce<Settings<'static>> = SetOnce::new();
static CONFIG_ERRORS: SetOnce<ConfigErrors> = SetOnce::new();

/// Returns the state of the process. `None` in a privileged process, which only forwards, and until
/// the settings have been read.
#[inline(always)]
pub(crate) fn get() -> Option<&'static Runtime> {
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
        route::set_all(|_| Route::Kernel);
    } else {
        read_environment();
        if let (Some(settings), Some(errors)) = (SETTINGS.get(), CONFIG_ERRORS.get()) {
            end_if_strict(settings, errors);
            // Before any call is intercepted: a call that is recorded must have it.
            if let Some(cookie) = settings.cookie {
                sys::set_cookie(cookie);
            }
            RUNTIME.set(Runtime::new(settings, errors));
        }
        if let Some(runtime) = RUNTIME.get() {
            runtime.start();
        }
    }
    sys::set_errno(errno);
}

impl Runtime {
    #[inline(never)]
    fn new(settings: &'static Settings<'static>, errors: &'static ConfigErrors) -> Runtime {
        let collectors = Collectors { tree: tree_stats(settings), own: own_stats(settings) };
        let is_recorded = settings.log > Level::Off || collectors.want_records();
        Runtime {
            next: match settings.forward {
                Forward::Next => NextCopy::find(),
                Forward::Syscall => None,
            },
            injector: settings.inject.as_ref().and_then(Injector::new),
            collectors,
            log: is_recorded.then(|| Log::new(settings, errors, collectors)),
            settings,
        }
    }

    /// Keeps the summary's place on standard error for process `owner`, from its first call on.
    pub(crate) fn keep_stderr_for_summary(&self, owner: u64) {
        if let Some(log) = &self.log {
            log.keep_stderr(owner);
        }
    }

    fn start(&'static self) {
        if let Some(log) = &self.log {
            log::install(log);
        }
        let has_next = self.next.is_some();
        let forward = if has_next { Route::NextLibrary } else { Route::Kernel };
        let watched = match self.settings.policy.first_intercepted_flags() {
            _ if self.log.is_some() => Route::Intercept,
            1 if has_next => Route::NextIfNoFlags,
            1 => Route::KernelIfNoFlags,
            _ => Route::Intercept,
        };
        let is_marked = self.settings.cookie.is_some() && !has_next;
        route::set_all(|hook| {
            let route = match &self.injector {
                _ if !self.settings.hooks.contains(hook) => forward,
                Some(injector) if injector.applies_to(hook) => Route::Intercept,
                _ => watched,
            };
            let passes = route != Route::Intercept
                && matches!(hook, Hook::Ioctl | Hook::Sendfile | Hook::Sendfile64);
            if passes && is_marked { Route::OwnCall } else { route }
        });
    }
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
    let words = sys::map_shared(settings.stats?, STATS_NAME, Stats::WORDS).ok()?;
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

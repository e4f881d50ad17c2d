//! What becomes of the calls of each hook. It is set when the settings are read, and every call
//! looks at it first.
//!
//! | route | flags 0 | other flags |
//! |---|---|---|
//! | `Uninitialized` | the settings are read first | the same |
//! | `Kernel` | kernel | kernel |
//! | `NextLibrary` | next library | next library |
//! | `KernelIfNoFlags` | kernel | intercepted |
//! | `NextIfNoFlags` | next library | intercepted |
//! | `Intercept` | intercepted | intercepted |

use cfr_engine::hook::Hook;
use cfr_sys::{NextExit, NextIoctl, NextSendfile, NextSymbol};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The next library's functions. They are statics of their own because hooks that are written in
/// instructions read them.
pub(crate) static NEXT_SYSCALL: NextSymbol = NextSymbol::new(c"syscall");
pub(crate) static NEXT_IOCTL: NextIoctl = NextIoctl::new();
pub(crate) static NEXT_SENDFILE: NextSendfile = NextSendfile::new(false);
pub(crate) static NEXT_SENDFILE64: NextSendfile = NextSendfile::new(true);
pub(crate) static NEXT_EXIT: NextExit = NextExit::new();

/// Looks the next library's functions up (dlsym(3), `RTLD_NEXT`).
pub(crate) fn find_next_functions() {
    NEXT_SYSCALL.resolve();
    NEXT_IOCTL.symbol().resolve();
    NEXT_SENDFILE.symbol().resolve();
    NEXT_SENDFILE64.symbol().resolve();
    NEXT_EXIT.symbol().resolve();
}

/// What becomes of the calls of one hook.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Route {
    /// The settings have not been read yet.
    Uninitialized = 0,
    /// To the kernel, with any flags.
    Kernel = 1,
    /// To the next library, with any flags.
    NextLibrary = 2,
    /// To the kernel with flags 0; intercepted with others.
    KernelIfNoFlags = 3,
    /// To the next library with flags 0; intercepted with others.
    NextIfNoFlags = 4,
    /// Through [`crate::observe`].
    Intercept = 5,
}

impl Route {
    /// The lowest flags that do not go to the kernel at once.
    const fn limit(self) -> u64 {
        match self {
            Route::Kernel => 1 << 32,
            Route::KernelIfNoFlags => 1,
            Route::Uninitialized | Route::NextLibrary | Route::NextIfNoFlags | Route::Intercept => {
                0
            }
        }
    }
}

/// The route of one hook, as its calls read it.
struct Entry {
    /// [`Route::limit`]: the one word that a call reads if it goes to the kernel at once.
    limit: AtomicU64,
    route: AtomicU8,
}

static ROUTES: [Entry; Hook::ALL.len()] = [const {
    Entry {
        limit: AtomicU64::new(Route::Uninitialized.limit()),
        route: AtomicU8::new(Route::Uninitialized as u8),
    }
}; Hook::ALL.len()];

/// Sets the route of every hook.
pub(crate) fn set_all(route: impl Fn(Hook) -> Route) {
    for (entry, hook) in ROUTES.iter().zip(Hook::ALL) {
        let route = route(hook);
        entry.route.store(route as u8, Ordering::Relaxed);
        entry.limit.store(route.limit(), Ordering::Relaxed);
    }
}

/// Returns the route of `hook`.
pub(crate) fn of(hook: Hook) -> Route {
    match ROUTES.get(hook as usize).map_or(0, |entry| entry.route.load(Ordering::Relaxed)) {
        1 => Route::Kernel,
        2 => Route::NextLibrary,
        3 => Route::KernelIfNoFlags,
        4 => Route::NextIfNoFlags,
        5 => Route::Intercept,
        _ => Route::Uninitialized,
    }
}

/// Reports whether every call of `hook` is intercepted.
#[inline(always)]
pub(crate) fn is_intercepted(hook: Hook) -> bool {
    ROUTES
        .get(hook as usize)
        .is_some_and(|entry| entry.route.load(Ordering::Relaxed) == Route::Intercept as u8)
}

/// Reports whether a call with these flags goes to the kernel at once: one relaxed load.
#[inline(always)]
pub(crate) fn bypasses(hook: Hook, flags: u32) -> bool {
    ROUTES
        .get(hook as usize)
        .is_some_and(|entry| u64::from(flags) < entry.limit.load(Ordering::Relaxed))
}

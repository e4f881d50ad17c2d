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
//! | `OwnCall` | kernel | kernel |
//!
//! The hooks `ioctl`, `sendfile` and `sendfile64` have no flags. They pass calls to the next library,
//! unless their route is `Intercept` or `OwnCall`.

use cfr_engine::hook::Hook;
use cfr_sys::NextSymbol;
use cfr_sys::errno::{Errno, ErrnoSet};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// The next library's functions. They are statics of their own because the hooks, which are written in
/// instructions, read them.
pub(crate) static NEXT_SYSCALL: NextSymbol = NextSymbol::new(c"syscall");
pub(crate) static NEXT_IOCTL: NextSymbol = NextSymbol::new(c"ioctl");
pub(crate) static NEXT_SENDFILE: NextSymbol = NextSymbol::new(c"sendfile");
pub(crate) static NEXT_SENDFILE64: NextSymbol = NextSymbol::new(c"sendfile64");
pub(crate) static NEXT_EXIT: NextSymbol = NextSymbol::new(c"_exit");

/// The address of pthread_testcancel(3), for the hook that is a cancellation point.
pub(crate) static TEST_CANCEL: AtomicUsize = AtomicUsize::new(NO_TEST_CANCEL);

/// The value of [`TEST_CANCEL`] if there is nothing to call. Not 0, for the reason that `SetOnce` gives.
pub(crate) const NO_TEST_CANCEL: usize = 1;

/// Looks the next library's functions up (dlsym(3), `RTLD_NEXT`).
pub(crate) fn find_next_functions() {
    if let Some(address) = cfr_sys::test_cancel_address() {
        TEST_CANCEL.store(address.get(), Ordering::Relaxed);
    }
    for symbol in [&NEXT_SYSCALL, &NEXT_IOCTL, &NEXT_SENDFILE, &NEXT_SENDFILE64, &NEXT_EXIT] {
        symbol.resolve();
    }
}

/// The errors of the kernel that the hook `copy_file_range` does not answer at once: after these the
/// library may copy, or tests for cancellation.
#[repr(transparent)]
pub(crate) struct HandledErrors([AtomicU64; 3]);

/// All, until the settings are read. Not 0, for the reason that `SetOnce` gives.
pub(crate) static HANDLED_ERRORS: HandledErrors =
    HandledErrors([const { AtomicU64::new(u64::MAX) }; 3]);

impl HandledErrors {
    /// The highest number that has a bit; a higher one is handled.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const LAST: u32 = 191;

    /// Sets the errors after which the library may copy.
    pub(crate) fn set(&self, fallback: ErrnoSet) {
        for (word, bits) in self.0.iter().zip(fallback.with(Errno::EINTR).bits()) {
            word.store(bits, Ordering::Relaxed);
        }
    }
}

/// What becomes of the calls of one hook.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Route {
    /// The settings have not been read yet. Not 0, for the reason that `SetOnce` gives.
    Uninitialized = 1,
    /// To the kernel, with any flags.
    Kernel = 2,
    /// To the next library, with any flags.
    NextLibrary = 3,
    /// To the kernel with flags 0; intercepted with others.
    KernelIfNoFlags = 4,
    /// To the next library with flags 0; intercepted with others.
    NextIfNoFlags = 5,
    /// Through [`cfr_observe::intercept`].
    Intercept = 6,
    /// By a system call of the library's own. It has the cookie, which the next library's would not
    /// have.
    OwnCall = 7,
}

impl Route {
    /// Reports whether a call without flags goes to the kernel at once.
    const fn bypasses_without_flags(self) -> bool {
        matches!(self, Route::Kernel | Route::KernelIfNoFlags)
    }
}

/// The route of one hook, as its calls read it.
#[repr(C)]
pub(crate) struct Entry {
    route: AtomicU8,
    /// [`Route::bypasses_without_flags`], as 0 or 1.
    bypasses_without_flags: AtomicU8,
}

pub(crate) static ROUTES: [Entry; Hook::ALL.len()] = [const {
    Entry {
        route: AtomicU8::new(Route::Uninitialized as u8),
        bypasses_without_flags: AtomicU8::new(0),
    }
}; Hook::ALL.len()];

/// Returns the place in [`ROUTES`], in bytes, of the byte that holds the route of `hook`.
pub(crate) const fn offset_of_route(hook: Hook) -> usize {
    hook as usize * size_of::<Entry>() + offset_of!(Entry, route)
}

/// Returns the place in [`ROUTES`], in bytes, of the byte that says whether a call of `hook` without
/// flags goes to the kernel at once.
pub(crate) const fn offset_of_bypass(hook: Hook) -> usize {
    hook as usize * size_of::<Entry>() + offset_of!(Entry, bypasses_without_flags)
}

/// Sets the route of every hook.
pub(crate) fn set_all(route: impl Fn(Hook) -> Route) {
    for (entry, hook) in ROUTES.iter().zip(Hook::ALL) {
        let route = route(hook);
        entry.route.store(route as u8, Ordering::Relaxed);
        let bypasses = route.bypasses_without_flags();
        entry.bypasses_without_flags.store(bypasses.into(), Ordering::Relaxed);
    }
}

/// Returns the route of `hook`.
pub(crate) fn of(hook: Hook) -> Route {
    match ROUTES.get(hook as usize).map_or(0, |entry| entry.route.load(Ordering::Relaxed)) {
        2 => Route::Kernel,
        3 => Route::NextLibrary,
        4 => Route::KernelIfNoFlags,
        5 => Route::NextIfNoFlags,
        6 => Route::Intercept,
        7 => Route::OwnCall,
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

//! The hooks: functions of the C library that this library stands in for. A hook reads its route
//! ([`crate::route`]), and encodes the answer as its C library function would. `exit.rs` replaces
//! two more functions, only to write summaries.

mod copy_file_range;
mod exit;
mod ioctl;
mod sendfile;
mod syscall;

use crate::calls::CopyFileRange;
use crate::observe::{Intercepted, intercept};
use crate::route::{self, Route};
use crate::runtime;
use cfr_engine::call::Answer;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, NextCopy, SavedCancelType, SavedErrno};
use core::ffi::{c_int, c_long};

/// Carries out a copy_file_range call that does not bypass the library. No frame with a destructor
/// may be here: restoring cancellation may unwind the stack.
#[cold]
#[inline(never)]
fn dispatch(hook: Hook, args: &Args) -> isize {
    if route::is_intercepted(hook) {
        intercept_copy(hook, args)
    } else {
        dispatch_by_flags(hook, args)
    }
}

#[inline(never)]
fn dispatch_by_flags(hook: Hook, args: &Args) -> isize {
    let next = || runtime::get().and_then(|runtime| runtime.next);
    let next = match initialized_route(hook) {
        Route::Intercept => None,
        Route::KernelIfNoFlags | Route::NextIfNoFlags if args.flags != 0 => None,
        Route::NextLibrary | Route::NextIfNoFlags => next(),
        // Still uninitialized: another thread, or the code that this signal handler interrupted, is
        // reading the settings.
        Route::Kernel | Route::KernelIfNoFlags | Route::Uninitialized => {
            return match sys::copy_file_range(args) {
                Ok(count) => encode(Ok(count)),
                Err(errno) => after_error(hook, args, errno),
            };
        }
    };
    let Some(next) = next else { return intercept_copy(hook, args) };
    let saved = SavedErrno::save();
    let result = call_next(hook, next, args);
    if result >= 0 {
        return result;
    }
    // If the library copies after this, errno must be what it was before.
    let errno = sys::errno();
    saved.restore();
    after_error(hook, args, errno)
}

/// Answers a call that was refused on its way around the library, or intercepts it if the library may
/// copy after this error.
#[cold]
#[inline(never)]
fn after_error(hook: Hook, args: &Args, errno: Errno) -> isize {
    let may_fall_back = matches!(route::of(hook), Route::KernelIfNoFlags | Route::NextIfNoFlags)
        && runtime::get().is_some_and(|runtime| runtime.settings.policy.may_fall_back_after(errno));
    if may_fall_back { intercept_copy(hook, args) } else { encode(Err(errno)) }
}

/// Calls the next library's copy_file_range. syscall(2) is no cancellation point, but that function
/// may be one.
fn call_next(hook: Hook, next: NextCopy, args: &Args) -> isize {
    if hook == Hook::CopyFileRange {
        return next.call(args);
    }
    let cancellation = SavedCancelType::defer();
    let result = next.call_with_cancel_disabled(args);
    cancellation.restore();
    result
}

fn intercept_copy(hook: Hook, args: &Args) -> isize {
    let Some(runtime) = runtime::get() else { return encode(sys::copy_file_range(args)) };
    intercept_with_errno_saved(|| intercept(&CopyFileRange::new(hook, args, runtime), runtime))
}

/// Carries out an intercepted call of a hook that is no cancellation point. `None` if the process has
/// no state, in which case nothing is intercepted.
#[inline(never)]
fn intercept_forwarded(call: &impl Intercepted) -> Option<isize> {
    let runtime = runtime::get()?;
    Some(intercept_with_errno_saved(|| intercept(call, runtime)))
}

/// Runs `intercept` with cancellation disabled, restores errno, and raises the signal that it
/// returns.
#[inline(always)]
fn intercept_with_errno_saved(intercept: impl FnOnce() -> (Answer, Option<i32>)) -> isize {
    let errno = SavedErrno::save();
    let cancellation = SavedCancelType::defer();
    let (answer, signal) = intercept();
    cancellation.restore();
    errno.restore();
    if let Some(signal) = signal {
        // Last of all: its handler may leave by siglongjmp(3), or the process may end here.
        sys::raise(signal);
    }
    encode(answer)
}

/// Returns the route of `hook`. Reads the settings first if that has not happened yet.
#[inline]
fn initialized_route(hook: Hook) -> Route {
    if route::of(hook) == Route::Uninitialized {
        runtime::initialize();
    }
    route::of(hook)
}

/// Ends a failed system call as the C library does: `result` is −errno.
extern "C" fn fail(result: c_long) -> c_long {
    sys::set_errno(Errno(c_int::try_from(result.wrapping_neg()).unwrap_or(0)));
    -1
}

/// Encodes an answer as a C function does: the result, or −1 and errno. No other Rust code does so;
/// [`fail`] is for system calls made by instruction.
#[inline(always)]
fn encode(answer: Answer) -> isize {
    match answer {
        // At most MAX_RW_COUNT or SSIZE_MAX: copy_file_range(2).
        Ok(count) => isize::try_from(count).unwrap_or(isize::MAX),
        Err(errno) => {
            sys::set_errno(errno);
            -1
        }
    }
}

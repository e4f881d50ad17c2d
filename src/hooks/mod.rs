//! The hooks: functions of the C library that this library stands in for. A hook reads its route
//! ([`crate::route`]), and answers as its C library function would. `exit.rs` replaces two more
//! functions, only to write summaries.

mod copy_file_range;
pub(crate) mod entry;
mod exit;
mod ioctl;
mod sendfile;
mod syscall;

use crate::route::{self, Route};
use crate::runtime;
use cfr_engine::call::Answer;
use cfr_engine::hook::Hook;
use cfr_observe::{CopyFileRange, Forwarded, ThisThread, intercept};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, SavedErrno};
use core::ffi::{c_int, c_long};
use entry::Frame;

/// Carries out a copy_file_range call that does not bypass the library.
fn dispatch(hook: Hook, frame: &mut Frame) {
    let args = frame.copy_arguments();
    if route::is_intercepted(hook) {
        intercept_copy(hook, frame, &args, None);
    } else {
        dispatch_by_flags(hook, frame, &args);
    }
}

#[inline(never)]
fn dispatch_by_flags(hook: Hook, frame: &mut Frame, args: &Args) {
    let next = || runtime::get().and_then(|runtime| runtime.next);
    let next = match initialized_route(hook) {
        Route::Intercept => None,
        Route::KernelIfNoFlags | Route::NextIfNoFlags if args.flags != 0 => None,
        Route::NextLibrary | Route::NextIfNoFlags => next(),
        Route::Kernel | Route::KernelIfNoFlags | Route::OwnCall => {
            return answer_from_kernel(hook, frame, args, sys::copy_file_range(args));
        }
        // Still uninitialized: another thread, or the code that this signal handler interrupted, is
        // reading the settings.
        Route::Uninitialized => {
            return answer_from_kernel(hook, frame, args, sys::copy_file_range_unmarked(args));
        }
    };
    let Some(next) = next else { return intercept_copy(hook, frame, args, None) };
    if hook == Hook::CopyFileRange {
        return frame.call_next(next.address(), Some(after_next_error));
    }
    // syscall(2) is no cancellation point, but that function may be one.
    let errno = SavedErrno::save();
    match next.call(args) {
        Ok(count) => frame.answer(Ok(count), errno, None),
        Err(error) => {
            errno.restore();
            after_error(hook, frame, args, error);
        }
    }
}

fn answer_from_kernel(hook: Hook, frame: &mut Frame, args: &Args, answer: Answer) {
    match answer {
        Ok(count) => frame.answer(Ok(count), SavedErrno::save(), None),
        Err(errno) => after_error(hook, frame, args, errno),
    }
}

/// Answers a call that the kernel has refused on its way around the library.
fn after_kernel_error(hook: Hook, frame: &mut Frame) {
    let args = frame.copy_arguments();
    let error = frame.error();
    after_error(hook, frame, &args, error);
}

/// Answers a call of the hook `copy_file_range` that the next library has refused.
extern "C" fn after_next_error(frame: &mut Frame) {
    let args = frame.copy_arguments();
    let error = frame.take_next_error();
    after_error(Hook::CopyFileRange, frame, &args, error);
}

/// Answers a call that was refused, or intercepts it if the library may copy after this error.
#[cold]
#[inline(never)]
fn after_error(hook: Hook, frame: &mut Frame, args: &Args, error: Errno) {
    let may_fall_back = matches!(route::of(hook), Route::KernelIfNoFlags | Route::NextIfNoFlags)
        && runtime::get()
            .is_some_and(|runtime| runtime.settings.policy.fallback_errors().contains(error));
    if may_fall_back {
        intercept_copy(hook, frame, args, Some(error));
    } else {
        frame.answer(Err(error), SavedErrno::save(), None);
    }
}

/// Carries out a call, which the kernel or the next library may have refused already. Not inlined
/// into its callers: of one instance the compiler inlines the whole flow.
#[inline(never)]
fn intercept_copy(hook: Hook, frame: &mut Frame, args: &Args, refused: Option<Errno>) {
    let errno = SavedErrno::save();
    let (answer, signal) = match runtime::get() {
        Some(runtime) => {
            let mut call = CopyFileRange::new(hook, args, &runtime.settings.policy);
            if let Some(error) = refused {
                call.set_refused(error, runtime);
            }
            intercept(&call, &ThisThread, runtime)
        }
        None => (sys::copy_file_range(args), None),
    };
    frame.answer(answer, errno, signal);
}

/// Carries out the call of another hook: by the library if its calls are intercepted, else by the
/// kernel if the call must have the cookie or there is no next library's function, or by that
/// function.
fn dispatch_forwarded(call: &impl Forwarded, frame: &mut Frame) {
    let errno = SavedErrno::save();
    let next = match (initialized_route(call.hook()), runtime::get()) {
        (Route::Intercept, Some(runtime)) => {
            let (answer, signal) = intercept(call, &ThisThread, runtime);
            return frame.answer(answer, errno, signal);
        }
        (Route::OwnCall, _) => None,
        _ => call.next(),
    };
    match next {
        Some(next) => frame.call_next(next, None),
        None => frame.answer(call.call_kernel(), errno, None),
    }
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
extern "C" fn fail(result: isize) -> c_long {
    sys::set_errno(error_of(result));
    -1
}

/// Decodes the kernel's result −errno.
fn error_of(result: isize) -> Errno {
    Errno(c_int::try_from(result.wrapping_neg()).unwrap_or(0))
}

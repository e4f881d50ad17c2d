//! The hooks: functions of the C library that this library stands in for. One file a hook, each
//! of which decodes its arguments, has [`crate::intercept`] or [`crate::pass_on`] carry the call out,
//! and encodes the answer as its C library function would.

mod copy_file_range;
mod exit;
mod ioctl;
mod sendfile;
mod syscall;

use crate::init;
use crate::intercept::{NEXT, POLICY, intercept};
use crate::route::{self, Gate};
use cfr_engine::call::Answer;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, NextCopy, SavedCancelType, SavedErrno};
use core::ffi::{c_int, c_long};

/// A call through a hook that is not simply open. No frame with a destructor stands here:
/// giving cancellation back may unwind.
#[cold]
#[inline(never)]
fn enter(hook: Hook, args: &Args) -> isize {
    match route::is_watched(hook) {
        true => watched(hook, args),
        false => enter_unwatched(hook, args),
    }
}

#[inline(never)]
fn enter_unwatched(hook: Hook, args: &Args) -> isize {
    if route::at(hook) == Gate::Unready {
        init::run();
    }
    let next = match route::at(hook) {
        Gate::Watch => None,
        Gate::ForwardPlain | Gate::NextPlain if args.flags != 0 => None,
        Gate::Next | Gate::NextPlain => NEXT.get(),
        // Unready still: another thread, or this one behind a signal, is reading the settings.
        Gate::Forward | Gate::ForwardPlain | Gate::Unready => {
            return match sys::copy_file_range(args) {
                Ok(count) => encode(Ok(count)),
                Err(errno) => refused(hook, args, errno),
            };
        }
    };
    let Some(next) = next else { return watched(hook, args) };
    let kept = SavedErrno::save();
    let result = to_next(hook, *next, args);
    if result >= 0 {
        return result;
    }
    // If the library copies after this, errno is to be what it was before.
    let errno = sys::errno();
    kept.restore();
    refused(hook, args, errno)
}

/// An error that a call has met on the straight way: its answer, or the reason to try another way.
#[cold]
#[inline(never)]
fn refused(hook: Hook, args: &Args, errno: Errno) -> isize {
    let looks_again = matches!(route::at(hook), Gate::ForwardPlain | Gate::NextPlain)
        && POLICY.get().is_some_and(|policy| policy.may_go_on_after(errno));
    if looks_again { watched(hook, args) } else { encode(Err(errno)) }
}

/// syscall(2) is no cancellation point, the next library's function may be one.
fn to_next(hook: Hook, next: NextCopy, args: &Args) -> isize {
    if hook == Hook::CopyFileRange {
        return next.call(args);
    }
    let cancellation = SavedCancelType::defer();
    let result = next.call_with_cancel_disabled(args);
    cancellation.restore();
    result
}

fn watched(hook: Hook, args: &Args) -> isize {
    let errno = SavedErrno::save();
    let cancellation = SavedCancelType::defer();
    let (answer, signal) = intercept(hook, args);
    cancellation.restore();
    errno.restore();
    if let Some(signal) = signal {
        // Last of all: its handler may leave by siglongjmp(3), or the process end here.
        sys::raise(signal);
    }
    encode(answer)
}

/// Whether the calls through a hook that only passes on are recorded.
#[inline]
fn watches(hook: Hook) -> bool {
    if route::at(hook) == Gate::Unready {
        init::run();
    }
    route::is_watched(hook)
}

/// Has `carry_out` pass a call on; its C library function is no cancellation point.
#[inline(never)]
fn passed_on(carry_out: impl FnOnce() -> Answer) -> isize {
    let errno = SavedErrno::save();
    let cancellation = SavedCancelType::defer();
    let answer = carry_out();
    cancellation.restore();
    errno.restore();
    encode(answer)
}

/// Ends a failed system call as the C library does: `result` is −errno.
extern "C" fn fail(result: c_long) -> c_long {
    sys::set_errno(Errno(c_int::try_from(result.wrapping_neg()).unwrap_or(0)));
    -1
}

/// The one place where an answer becomes −1 and errno.
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

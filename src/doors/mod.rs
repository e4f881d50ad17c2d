//! The doors: functions of the C library that this library stands in for. One file a door, each
//! of which decodes its arguments, has [`crate::intercept`] carry the call out, and encodes the
//! answer as its C library function would.

mod copy_file_range;
mod syscall;

use crate::gate::{self, Gate};
use crate::init;
use crate::intercept::{NEXT, intercept};
use cfr_core::call::Answer;
use cfr_core::door::Door;
use cfr_core::sys::{self, Args, Cancellation};

/// Whether nothing but the kernel is behind `door`.
#[inline(always)]
fn is_open(door: Door) -> bool {
    gate::is(door, Gate::Forward)
}

/// A call through a door that is not simply open. No frame with a destructor stands here:
/// giving cancellation back may unwind.
#[cold]
#[inline(never)]
fn enter(door: Door, args: &Args) -> isize {
    if gate::is(door, Gate::Unready) {
        init::run();
    }
    if gate::is(door, Gate::Next)
        && let Some(next) = NEXT.get()
    {
        if door == Door::CopyFileRange {
            return next.call(args);
        }
        // syscall(2) is no cancellation point, the next library's function is.
        let cancellation = Cancellation::hold_off();
        let result = next.call_uncancelled(args);
        cancellation.restore();
        return result;
    }
    if !gate::is(door, Gate::Watch) {
        return encode(sys::copy_file_range(args));
    }
    let errno = sys::errno();
    let cancellation = Cancellation::hold_off();
    let answer = intercept(door, args);
    cancellation.restore();
    sys::set_errno(errno);
    encode(answer)
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

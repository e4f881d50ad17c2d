//! The doors: functions of the C library that this library stands in for. One file a door, each
//! of which decodes its arguments, has [`crate::intercept`] carry the call out, and encodes the
//! answer as its C library function would.

mod copy_file_range;
mod syscall;

pub(crate) use syscall::set_next as set_next_syscall;

use crate::init;
use crate::intercept::{NEXT, intercept};
use cfr_core::call::Answer;
use cfr_core::door::Door;
use cfr_core::sys::{self, Args, Cancellation};
use core::sync::atomic::{AtomicU8, Ordering};

/// What happens to the calls that come through a door.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Gate {
    /// The settings were not read yet.
    Unready = 0,
    /// Straight to the kernel. Nothing else is looked at.
    Forward = 1,
    /// Straight to the next library.
    Next = 2,
    /// Through [`crate::intercept`].
    Watch = 3,
}

static GATES: [AtomicU8; Door::ALL.len()] =
    [const { AtomicU8::new(Gate::Unready as u8) }; Door::ALL.len()];

/// Sets what happens at `door`.
pub(crate) fn set(door: Door, gate: Gate) {
    if let Some(place) = GATES.get(door as usize) {
        place.store(gate as u8, Ordering::Relaxed);
    }
}

/// Whether nothing but the kernel is behind `door`: the one load of the unwatched path.
#[inline(always)]
fn is_open(door: Door) -> bool {
    gate(door) == Gate::Forward as u8
}

#[inline(always)]
fn gate(door: Door) -> u8 {
    GATES.get(door as usize).map_or(0, |gate| gate.load(Ordering::Relaxed))
}

/// A call through a door that is not simply open. No frame with a destructor stands here:
/// giving cancellation back may unwind.
#[cold]
#[inline(never)]
fn enter(door: Door, args: &Args) -> isize {
    if gate(door) == Gate::Unready as u8 {
        init::run();
    }
    let gate = gate(door);
    if gate == Gate::Next as u8
        && let Some(next) = NEXT.get()
    {
        return next.call(args);
    }
    if gate != Gate::Watch as u8 {
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

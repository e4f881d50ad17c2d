//! What happens at each door: set when the settings are read, looked at by every call.

use cfr_core::door::Door;
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

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

/// The next library's `syscall`, for the numbers that are not ours; NULL until it was looked for.
pub(crate) static NEXT_SYSCALL: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Sets what happens at `door`.
pub(crate) fn set(door: Door, gate: Gate) {
    if let Some(place) = GATES.get(door as usize) {
        place.store(gate as u8, Ordering::Relaxed);
    }
}

/// Whether this is what happens at `door`: one relaxed load.
#[inline(always)]
pub(crate) fn is(door: Door, gate: Gate) -> bool {
    GATES.get(door as usize).is_some_and(|place| place.load(Ordering::Relaxed) == gate as u8)
}

//! What happens at each hook: set when the settings are read, looked at by every call.

use cfr_engine::hook::Hook;
use cfr_sys::NextSymbol;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What happens to the calls that come through a hook.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Gate {
    /// The settings were not read yet.
    Unready = 0,
    /// Straight to the kernel, whatever the flags.
    Forward = 1,
    /// Straight to the next library, whatever the flags.
    Next = 2,
    /// Calls at flags 0 straight to the kernel, the others through [`crate::intercept`].
    ForwardPlain = 3,
    /// Calls at flags 0 straight to the next library, the others through [`crate::intercept`].
    NextPlain = 4,
    /// Through [`crate::intercept`].
    Watch = 5,
}

impl Gate {
    /// The lowest flags that do not go straight to the kernel.
    const fn limit(self) -> u64 {
        match self {
            Gate::Forward => 1 << 32,
            Gate::ForwardPlain => 1,
            Gate::Unready | Gate::Next | Gate::NextPlain | Gate::Watch => 0,
        }
    }
}

struct Place {
    /// [`Gate::limit`]: all that a call looks at that goes straight to the kernel.
    limit: AtomicU64,
    gate: AtomicU8,
}

static GATES: [Place; Hook::ALL.len()] = [const {
    Place { limit: AtomicU64::new(Gate::Unready.limit()), gate: AtomicU8::new(Gate::Unready as u8) }
}; Hook::ALL.len()];

/// The next library's `syscall`, for the numbers that are not ours.
pub(crate) static NEXT_SYSCALL: NextSymbol = NextSymbol::new(c"syscall");

/// Sets what happens at `hook`.
pub(crate) fn set(hook: Hook, gate: Gate) {
    if let Some(place) = GATES.get(hook as usize) {
        place.gate.store(gate as u8, Ordering::Relaxed);
        place.limit.store(gate.limit(), Ordering::Relaxed);
    }
}

/// Whether every call through `hook` is watched.
#[inline(always)]
pub(crate) fn is_watched(hook: Hook) -> bool {
    GATES
        .get(hook as usize)
        .is_some_and(|place| place.gate.load(Ordering::Relaxed) == Gate::Watch as u8)
}

/// What happens at `hook`.
pub(crate) fn at(hook: Hook) -> Gate {
    match GATES.get(hook as usize).map_or(0, |place| place.gate.load(Ordering::Relaxed)) {
        1 => Gate::Forward,
        2 => Gate::Next,
        3 => Gate::ForwardPlain,
        4 => Gate::NextPlain,
        5 => Gate::Watch,
        _ => Gate::Unready,
    }
}

/// Whether a call with these flags goes straight to the kernel: one relaxed load.
#[inline(always)]
pub(crate) fn is_open(hook: Hook, flags: u32) -> bool {
    GATES
        .get(hook as usize)
        .is_some_and(|place| u64::from(flags) < place.limit.load(Ordering::Relaxed))
}

//! Panics on purpose, for the tests: at each step of the flow of a call in turn.

#[cfg(feature = "panic-points")]
#[expect(clippy::panic, reason = "to panic is its job")]
pub(crate) fn panic_point(step: u64) {
    use core::sync::atomic::{AtomicU64, Ordering};
    static DUE: AtomicU64 = AtomicU64::new(0);
    const STEPS: u64 = 4;
    if DUE.load(Ordering::Relaxed) % STEPS == step {
        DUE.fetch_add(1, Ordering::Relaxed);
        panic!("panic point {step}");
    }
}

#[cfg(not(feature = "panic-points"))]
pub(crate) fn panic_point(_step: u64) {}

//! Targets that the calling thread has checked a moment ago.
//!
//! Asking the kernel about the target of a small copy between filesystems costs as much as the read.
//! What a thread knew at the end of its last copy still holds at its next one if that comes so soon
//! that no system call of the thread can have changed it in between. Another thread can change it
//! between a question and the write, too.

use cfr_sys as sys;
use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// The longest time from the end of a copy to the kernel's refusal of the next one, in nanoseconds, and
/// as a part of what the questions take. Measured on a virtual machine where they take 620: 550 for a
/// loop that only copies, 1,400 with an ioctl(2) in between that makes the target immutable. On a
/// machine with faster system calls all of these are shorter.
const MAX_GAP_NS: u64 = 800;
const MAX_GAP_IN_QUARTERS: u64 = 5;

/// How many threads are known. The others ask for each copy.
const THREADS: usize = 64;

/// What a thread knows. Only that thread writes it, also in signal handlers.
struct Checked {
    /// The thread's key; 0 if no thread has taken it.
    thread: AtomicUsize,
    fd: AtomicI32,
    /// When its last copy ended (CLOCK_MONOTONIC).
    ended_ns: AtomicU64,
}

/// Zeros at first, which take no space in the file: what ended at 0 is not a moment ago.
static CHECKED: [Checked; THREADS] = [const {
    Checked { thread: AtomicUsize::new(0), fd: AtomicI32::new(0), ended_ns: AtomicU64::new(0) }
}; THREADS];

/// The shortest time that the questions took in this process, in nanoseconds.
static ASKED_NS: AtomicU64 = AtomicU64::new(MAX_GAP_NS);

/// Returns what the calling thread knows. `None` if its place is another thread's.
fn own() -> Option<&'static Checked> {
    let key = sys::thread_key();
    let checked = CHECKED.get((key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) % THREADS)?;
    let owner = checked.thread.load(Ordering::Relaxed);
    let is_own = owner == key
        || owner == 0
            && checked
                .thread
                .compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
    is_own.then_some(checked)
}

/// Reports whether the calling thread has checked this descriptor a moment ago.
pub(crate) fn is_checked(fd: i32) -> bool {
    let max_gap_ns = ASKED_NS.load(Ordering::Relaxed) * MAX_GAP_IN_QUARTERS / 4;
    own().is_some_and(|checked| {
        // The time first: a signal handler that copies to another file changes both.
        let ended_ns = checked.ended_ns.load(Ordering::Relaxed);
        sys::monotonic_ns().wrapping_sub(ended_ns) <= max_gap_ns.min(MAX_GAP_NS)
            && checked.fd.load(Ordering::Relaxed) == fd
    })
}

/// Calls `ask`, which asks the kernel about a target, and notes how long that takes.
pub(crate) fn timed(ask: impl FnOnce() -> bool) -> bool {
    let begun_ns = sys::monotonic_ns();
    let is_writable = ask();
    ASKED_NS.fetch_min(sys::monotonic_ns().wrapping_sub(begun_ns), Ordering::Relaxed);
    is_writable
}

/// Notes that the calling thread has checked this descriptor, and that its copy to it has ended.
pub(crate) fn note(fd: i32) {
    if let Some(checked) = own() {
        checked.fd.store(fd, Ordering::Relaxed);
        checked.ended_ns.store(sys::monotonic_ns(), Ordering::Relaxed);
    }
}

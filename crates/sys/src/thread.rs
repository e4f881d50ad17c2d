//! The calling thread: errno, cancellation, signals, names and numbers.

use crate::errno::Errno;
use crate::raw::{reg, syscall, syscall0};
use core::ffi::c_int;

// The libc crate has none of them on linux-gnu.
unsafe extern "C-unwind" {
    fn pthread_testcancel();
    fn pthread_setcanceltype(kind: c_int, oldtype: *mut c_int) -> c_int;
    fn pthread_setcancelstate(state: c_int, oldstate: *mut c_int) -> c_int;
}

const PTHREAD_CANCEL_DEFERRED: c_int = 0;
const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// The thread's errno.
#[must_use]
#[inline]
pub fn errno() -> Errno {
    // SAFETY: the C library returns the address of the calling thread's errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: that address stands as long as the thread.
    Errno(unsafe { place.read() })
}

/// Sets the thread's errno.
#[inline]
pub fn set_errno(errno: Errno) {
    // SAFETY: the C library returns the address of the calling thread's errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: that address stands as long as the thread.
    unsafe { place.write(errno.0) };
}

/// The thread's errno as it was, to be given back.
#[must_use]
pub struct SavedErrno {
    place: *mut c_int,
    value: c_int,
}

impl SavedErrno {
    /// Notes it.
    #[inline]
    pub fn save() -> Self {
        // SAFETY: the C library returns the address of the calling thread's errno.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: that address stands as long as the thread.
        SavedErrno { place, value: unsafe { place.read() } }
    }

    /// Gives it back. To be called by the thread that noted it, which is held by the type: a
    /// pointer is not sent to another.
    #[inline]
    pub fn restore(self) {
        // SAFETY: the address stands as long as the thread, which is this one.
        unsafe { self.place.write(self.value) };
    }
}

/// pthread_testcancel(3): a pending cancellation takes effect here, and unwinds. No frame with a
/// destructor may stand around this call.
#[inline(always)]
pub fn test_cancel() {
    // SAFETY: any thread may call it; the promise about frames is the caller's.
    unsafe { pthread_testcancel() }
}

/// Cancellation held off: deferred to the next cancellation point, of which our code has none.
///
/// The cancelability *type* is changed, not the state: a host that leaves our frames by siglongjmp
/// from a signal handler keeps a thread that can be cancelled; and glibc 2.36 forgets the thread's
/// result when a pending cancellation takes effect as the state is given back.
///
/// Not a `Drop`: giving back may unwind (a thread with asynchronous cancelability), which must not
/// begin in a destructor.
#[must_use]
pub struct SavedCancelType(c_int);

impl SavedCancelType {
    /// Holds cancellation off for the calling thread.
    #[inline]
    pub fn defer() -> Self {
        let mut before = 0;
        // SAFETY: async-signal-safe (pthread_setcanceltype(3)); the old type goes into `before`.
        unsafe { pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &raw mut before) };
        Self(before)
    }

    /// Gives back the type from before. May unwind.
    #[inline]
    pub fn restore(self) {
        // As nearly every thread has it.
        if self.0 == PTHREAD_CANCEL_DEFERRED {
            return;
        }
        let mut deferred = 0;
        // SAFETY: the type is one that the C library gave us.
        unsafe { pthread_setcanceltype(self.0, &raw mut deferred) };
    }
}

/// Runs `work`, which may be a cancellation point, without its being one. To be called where
/// cancellation is held off, so that nothing unwinds at the end.
pub(crate) fn without_cancellation<R>(work: impl FnOnce() -> R) -> R {
    let mut before = 0;
    // SAFETY: async-signal-safe (pthread_setcancelstate(3)); the old state goes into `before`.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    let result = work();
    let mut disabled = 0;
    // SAFETY: the state is one that the C library gave us.
    unsafe { pthread_setcancelstate(before, &raw mut disabled) };
    result
}

/// gettid(2).
#[must_use]
pub fn gettid() -> i32 {
    syscall0(libc::SYS_gettid)
}

/// A number that tells this thread from all others that run: where its errno stands.
#[must_use]
#[inline]
pub fn thread_key() -> usize {
    // SAFETY: the C library's own, which takes nothing and is async-signal-safe.
    unsafe { libc::__errno_location() }.addr()
}

/// Lets another thread run (sched_yield(2)).
pub fn yield_now() {
    syscall0(libc::SYS_sched_yield);
}

/// The thread's name, at most 15 bytes (PR_GET_NAME(2const)).
#[must_use]
pub fn comm(buffer: &mut [u8; 16]) -> &[u8] {
    let registers = [reg(libc::PR_GET_NAME), buffer.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes at most 16 bytes, zero-terminated.
    let _ = unsafe { syscall(libc::SYS_prctl, registers) };
    // Sixteen bytes, the last of them zero: a byte of a word is zero where taking one borrows its high bit.
    let name = u128::from_le_bytes(*buffer);
    const ONES: u128 = u128::MAX / 0xff;
    let zeros = name.wrapping_sub(ONES) & !name & (ONES << 7);
    buffer.get(..zeros.trailing_zeros() as usize / 8).unwrap_or_default()
}

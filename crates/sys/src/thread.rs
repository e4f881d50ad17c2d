//! The calling thread: errno, cancellation, id and name.

use crate::errno::Errno;
use crate::raw::{reg, syscall, syscall0};
use core::ffi::c_int;

// The libc crate does not declare them on linux-gnu.
unsafe extern "C-unwind" {
    fn pthread_testcancel();
    fn pthread_setcanceltype(kind: c_int, oldtype: *mut c_int) -> c_int;
    fn pthread_setcancelstate(state: c_int, oldstate: *mut c_int) -> c_int;
}

const PTHREAD_CANCEL_DEFERRED: c_int = 0;
const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// Returns the thread's errno.
#[must_use]
#[inline]
pub fn errno() -> Errno {
    // SAFETY: the C library returns the address of the calling thread's errno.
    let address = unsafe { libc::__errno_location() };
    // SAFETY: the address is valid as long as the thread.
    Errno(unsafe { address.read() })
}

/// Sets the thread's errno.
#[inline]
pub fn set_errno(errno: Errno) {
    // SAFETY: the C library returns the address of the calling thread's errno.
    let address = unsafe { libc::__errno_location() };
    // SAFETY: the address is valid as long as the thread.
    unsafe { address.write(errno.0) };
}

/// A saved errno of the calling thread.
#[must_use]
pub struct SavedErrno {
    address: *mut c_int,
    value: c_int,
}

impl SavedErrno {
    #[inline]
    pub fn save() -> Self {
        // SAFETY: the C library returns the address of the calling thread's errno.
        let address = unsafe { libc::__errno_location() };
        // SAFETY: the address is valid as long as the thread.
        SavedErrno { address, value: unsafe { address.read() } }
    }

    /// Restores errno. It runs on the thread that saved it: the raw pointer keeps the type from
    /// being sent to another.
    #[inline]
    pub fn restore(self) {
        // SAFETY: the address is valid as long as the thread, which is this one.
        unsafe { self.address.write(self.value) };
    }
}

/// Acts on a pending cancellation (pthread_testcancel(3)), which unwinds the stack: no caller's
/// frame may have a destructor.
#[inline(always)]
pub fn test_cancel() {
    // SAFETY: any thread may call it; the caller vouches for the frames.
    unsafe { pthread_testcancel() }
}

/// A saved cancelability type; while it is saved, cancellation is deferred to the next cancellation
/// point, and our code has none.
///
/// The cancelability *type* is changed, not the state: a host that leaves our frames by
/// siglongjmp(3) from a signal handler keeps a thread that can be cancelled; and glibc 2.36 loses
/// the thread's result if a pending cancellation takes effect when the state is restored.
///
/// There is no `Drop`: restoring the type may unwind (a thread with asynchronous cancelability),
/// which must not begin in a destructor.
#[must_use]
pub struct SavedCancelType(c_int);

impl SavedCancelType {
    /// Defers cancellation of the calling thread and saves the type that it had.
    #[inline]
    pub fn defer() -> Self {
        let mut before = 0;
        // SAFETY: async-signal-safe (pthread_setcanceltype(3)); the old type is written to
        // `before`.
        unsafe { pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &raw mut before) };
        Self(before)
    }

    /// Restores the saved type. May unwind.
    #[inline]
    pub fn restore(self) {
        // Nearly every thread has the deferred type: no call is needed.
        if self.0 == PTHREAD_CANCEL_DEFERRED {
            return;
        }
        let mut deferred = 0;
        // SAFETY: the C library returned this type.
        unsafe { pthread_setcanceltype(self.0, &raw mut deferred) };
    }
}

/// Runs `work` with cancellation disabled, so that it is no cancellation point. Call it while
/// cancellation is deferred, so that restoring the state does not unwind.
pub(crate) fn without_cancellation<R>(work: impl FnOnce() -> R) -> R {
    let mut before = 0;
    // SAFETY: async-signal-safe (pthread_setcancelstate(3)); the old state is written to `before`.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    let result = work();
    let mut disabled = 0;
    // SAFETY: the C library returned this state.
    unsafe { pthread_setcancelstate(before, &raw mut disabled) };
    result
}

/// Returns the thread id (gettid(2)).
#[must_use]
pub fn gettid() -> i32 {
    syscall0(libc::SYS_gettid)
}

/// Returns a number that no other running thread has: the address of its errno.
#[must_use]
#[inline]
pub fn thread_key() -> usize {
    // SAFETY: __errno_location takes no argument and is async-signal-safe.
    unsafe { libc::__errno_location() }.addr()
}

/// Yields the CPU to another thread (sched_yield(2)).
pub fn yield_now() {
    syscall0(libc::SYS_sched_yield);
}

/// Returns the thread's name, at most 15 bytes (PR_GET_NAME(2const)).
#[must_use]
pub fn comm(buffer: &mut [u8; 16]) -> &[u8] {
    let registers = [reg(libc::PR_GET_NAME), buffer.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes at most 16 bytes, ending in a zero byte.
    let _ = unsafe { syscall(libc::SYS_prctl, registers) };
    // Finds the zero byte with one subtraction: a byte is zero if subtracting 1 from it borrows its
    // high bit.
    let name = u128::from_le_bytes(*buffer);
    const ONES: u128 = u128::MAX / 0xff;
    let zeros = name.wrapping_sub(ONES) & !name & (ONES << 7);
    buffer.get(..zeros.trailing_zeros() as usize / 8).unwrap_or_default()
}

//! The calling thread: errno, cancellation, id and name.

use crate::errno::Errno;
use crate::raw::{decode, reg, syscall, syscall0};
use crate::weak::weak_address;
use core::ffi::{c_int, c_long, c_void};
use core::num::NonZeroUsize;
use core::sync::atomic::AtomicI32;

/// The numbers of getpid(2), gettid(2) and tgkill(2), for code that is written in instructions.
pub const GETPID: c_long = libc::SYS_getpid;
pub const GETTID: c_long = libc::SYS_gettid;
pub const TGKILL: c_long = libc::SYS_tgkill;

const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// Returns the address of the calling thread's errno.
///
/// A resolver of an indirect function in another library may call a hook while the dynamic linker
/// relocates that library, before this one: then no function of the C library can be called yet.
/// Returns the address of a variable that stands for errno then.
#[inline]
fn errno_address() -> *mut c_int {
    type ErrnoLocationFn = unsafe extern "C" fn() -> *mut c_int;
    static NO_ERRNO: AtomicI32 = AtomicI32::new(0);
    let address = weak_address!("__errno_location");
    // SAFETY: a symbol with this name is a function of this type; NULL is None.
    let location = unsafe { core::mem::transmute::<*mut c_void, Option<ErrnoLocationFn>>(address) };
    match location {
        // SAFETY: any thread may call it at any time.
        Some(location) => unsafe { location() },
        None => NO_ERRNO.as_ptr(),
    }
}

/// Returns the thread's errno.
#[must_use]
#[inline]
pub fn errno() -> Errno {
    // SAFETY: the address is valid as long as the thread.
    Errno(unsafe { errno_address().read() })
}

/// Sets the thread's errno.
#[inline]
pub fn set_errno(errno: Errno) {
    // SAFETY: the address is valid as long as the thread.
    unsafe { errno_address().write(errno.0) };
}

/// Lets the calling thread run only while no other thread wants its processor (sched(7), `SCHED_IDLE`).
pub fn run_when_idle() -> Result<(), Errno> {
    // struct sched_param: the priority, which is 0 for this policy.
    let priority: c_int = 0;
    let registers = [0, reg(libc::SCHED_IDLE), &raw const priority as usize, 0, 0, 0];
    // SAFETY: the kernel reads one int.
    decode(unsafe { syscall(libc::SYS_sched_setscheduler, registers) }).map(|_| ())
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
        let address = errno_address();
        // SAFETY: the address is valid as long as the thread.
        SavedErrno { address, value: unsafe { address.read() } }
    }

    /// Returns the address of errno, and its saved value.
    #[inline]
    pub fn into_parts(self) -> (*mut c_int, c_int) {
        (self.address, self.value)
    }

    /// Restores errno. It runs on the thread that saved it: the raw pointer keeps the type from
    /// being sent to another.
    #[inline]
    pub fn restore(self) {
        // SAFETY: the address is valid as long as the thread, which is this one.
        unsafe { self.address.write(self.value) };
    }
}

/// Returns the address of pthread_testcancel(3), if copy_file_range is a cancellation point of this
/// process's C library: it is one of glibc's, and none of musl's. A program of musl may hold a lock
/// while it copies.
#[must_use]
pub fn test_cancel_address() -> Option<NonZeroUsize> {
    let is_glibc = !weak_address!("__libc_stack_end").is_null();
    NonZeroUsize::new(weak_address!("pthread_testcancel").addr()).filter(|_| is_glibc)
}

/// Runs `work`, a call of another library's function, with cancellation disabled, so that it is no
/// cancellation point. Call it while cancellation is deferred, so that restoring the state does not
/// unwind.
pub(crate) fn without_cancellation<R>(work: impl FnOnce() -> R) -> R {
    type SetState = unsafe extern "C" fn(c_int, *mut c_int) -> c_int;
    let address = weak_address!("pthread_setcancelstate");
    // SAFETY: a symbol with this name is a function of this type; NULL is None.
    let set_state = unsafe { core::mem::transmute::<*mut c_void, Option<SetState>>(address) };
    let Some(set_state) = set_state else { return work() };
    let mut before = 0;
    // SAFETY: async-signal-safe (pthread_setcancelstate(3)); the old state is written to `before`.
    unsafe { set_state(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    let result = work();
    let mut disabled = 0;
    // SAFETY: the C library returned this state.
    unsafe { set_state(before, &raw mut disabled) };
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
    errno_address().addr()
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
    name_in(buffer)
}

/// Returns the name in a buffer that [`comm`] has filled.
#[must_use]
#[inline(always)]
pub fn name_in(buffer: &[u8; 16]) -> &[u8] {
    // Finds the zero byte with one subtraction: a byte is zero if subtracting 1 from it borrows its
    // high bit.
    let name = u128::from_le_bytes(*buffer);
    const ONES: u128 = u128::MAX / 0xff;
    let zeros = name.wrapping_sub(ONES) & !name & (ONES << 7);
    buffer.get(..zeros.trailing_zeros() as usize / 8).unwrap_or_default()
}

//! The calling thread: errno, cancellation, signals, names and numbers.

use super::raw::{answer, reg, syscall};
use crate::errno::Errno;
use core::cell::Cell;
use core::ffi::c_int;
use core::mem::MaybeUninit;

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
pub(super) fn without_cancellation<R>(work: impl FnOnce() -> R) -> R {
    let mut before = 0;
    // SAFETY: async-signal-safe (pthread_setcancelstate(3)); the old state goes into `before`.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    let result = work();
    let mut disabled = 0;
    // SAFETY: the state is one that the C library gave us.
    unsafe { pthread_setcancelstate(before, &raw mut disabled) };
    result
}

/// getpid(2). Not cached: a child of vfork shares our memory but not our number.
#[must_use]
pub fn getpid() -> i32 {
    number(libc::SYS_getpid)
}

/// gettid(2).
#[must_use]
pub fn gettid() -> i32 {
    number(libc::SYS_gettid)
}

#[inline]
fn number(call: libc::c_long) -> i32 {
    // SAFETY: no arguments.
    let number = unsafe { syscall(call, [0; 6]) };
    #[expect(clippy::cast_possible_truncation, reason = "at most PID_MAX_LIMIT, 2^22")]
    let number = number as i32;
    number
}

/// A number that tells this thread from all others that run: where its errno stands.
#[must_use]
#[inline]
pub fn thread_key() -> usize {
    // SAFETY: the C library's own, which takes nothing and is async-signal-safe.
    unsafe { libc::__errno_location() }.addr()
}

/// Has the process ignore `signal` (signal(2)).
pub fn ignore(signal: c_int) {
    // SAFETY: no handler of ours is involved; async-signal-safe (signal-safety(7)).
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Lets another thread run (sched_yield(2)).
pub fn yield_now() {
    number(libc::SYS_sched_yield);
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

/// Whether the process has a limit on file sizes, so that a write may raise SIGXFSZ. `true` where
/// the kernel does not say.
#[must_use]
pub fn has_file_size_limit() -> bool {
    file_size_limit() != Ok(libc::RLIM_INFINITY)
}

/// The most bytes that a file may have for this process to write them (getrlimit(2),
/// `RLIMIT_FSIZE`); `u64::MAX` is no limit.
pub fn file_size_limit() -> Result<u64, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let resource = libc::RLIMIT_FSIZE as usize;
    let registers = [resource, &raw mut limit as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one struct rlimit.
    answer(unsafe { syscall(libc::SYS_getrlimit, registers) })?;
    Ok(limit.rlim_cur)
}

/// Waits until the monotonic clock says so many nanoseconds; handlers of signals that come meanwhile run
/// as ever (clock_nanosleep(2)).
pub fn sleep_until(ns: u64) {
    const SECOND_NS: u64 = 1_000_000_000;
    let until = libc::timespec {
        tv_sec: (ns / SECOND_NS).cast_signed(),
        tv_nsec: (ns % SECOND_NS).cast_signed(),
    };
    let (clock, absolute) = (reg(libc::CLOCK_MONOTONIC), reg(libc::TIMER_ABSTIME));
    let registers = [clock, absolute, (&raw const until) as usize, 0, 0, 0];
    // SAFETY: the struct stands until the call returns.
    while let Err(Errno::EINTR) = answer(unsafe { syscall(libc::SYS_clock_nanosleep, registers) }) {
    }
}

/// Sends `signal` to the calling thread, as the kernel does where a call of the thread's is at
/// fault (tgkill(2)).
pub fn raise(signal: c_int) {
    let registers = [reg(getpid()), reg(gettid()), reg(signal), 0, 0, 0];
    // SAFETY: no pointers.
    let _ = unsafe { syscall(libc::SYS_tgkill, registers) };
}

/// The signals that a write of ours could raise in the host, held back; a signal that our write
/// did raise is taken back when this is dropped, one that somebody sent meanwhile is not.
///
/// SIGPIPE: nobody reads; SIGXFSZ: the file size limit; SIGTTOU: a background job's terminal
/// (blocked, the write goes through: termios(3) on TOSTOP).
pub struct WriteSignalGuard {
    mask: u64,
    pending: u64,
    raised: Cell<bool>,
}

const RAISED_BY_WRITE: u64 = bit(libc::SIGPIPE) | bit(libc::SIGXFSZ) | bit(libc::SIGTTOU);

const fn bit(signal: c_int) -> u64 {
    1 << (signal - 1)
}

impl WriteSignalGuard {
    /// Holds the three signals back in the calling thread.
    #[must_use]
    pub fn new() -> Self {
        let mut guard = WriteSignalGuard { mask: 0, pending: 0, raised: Cell::new(false) };
        let block = RAISED_BY_WRITE;
        let registers = [
            reg(libc::SIG_BLOCK),
            &raw const block as usize,
            &raw mut guard.mask as usize,
            size_of::<u64>(),
            0,
            0,
        ];
        // SAFETY: the kernel reads one 64-bit set and writes one.
        let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
        let registers = [&raw mut guard.pending as usize, size_of::<u64>(), 0, 0, 0, 0];
        // SAFETY: the kernel writes one 64-bit set.
        let _ = unsafe { syscall(libc::SYS_rt_sigpending, registers) };
        guard
    }

    /// To be told what each write of `len` bytes returned: only one that found no reader or hit a
    /// limit, maybe after a part, has raised a signal.
    #[inline]
    pub fn record(&self, done: Result<usize, Errno>, len: usize) {
        if matches!(done, Err(Errno::EPIPE | Errno::EFBIG)) || done.is_ok_and(|count| count < len) {
            self.raised.set(true);
        }
    }
}

impl Default for WriteSignalGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WriteSignalGuard {
    fn drop(&mut self) {
        // One that was pending before is the host's: it stays.
        let ours = RAISED_BY_WRITE & !self.pending & !bit(libc::SIGTTOU);
        let ours = if self.raised.get() { ours } else { 0 };
        let mut pending = MaybeUninit::<u64>::zeroed();
        let registers = [pending.as_mut_ptr() as usize, size_of::<u64>(), 0, 0, 0, 0];
        // SAFETY: the kernel writes one 64-bit set.
        let _ = unsafe { syscall(libc::SYS_rt_sigpending, registers) };
        // SAFETY: zeroed at first, so it is a number whatever the kernel did.
        let raised = unsafe { pending.assume_init() } & ours;
        if raised != 0 {
            take_back_any(raised);
        }
        let registers =
            [reg(libc::SIG_SETMASK), &raw const self.mask as usize, 0, size_of::<u64>(), 0, 0];
        // SAFETY: the kernel reads one 64-bit set, the one it gave us.
        let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
    }
}

/// Takes back a signal that a call of ours has just raised in this thread, where it is held back.
pub(super) fn take_back(signal: c_int) {
    take_back_any(bit(signal));
}

fn take_back_any(raised: u64) {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let registers =
        [&raw const raised as usize, 0, &raw const at_once as usize, size_of::<u64>(), 0, 0];
    // SAFETY: the kernel reads one 64-bit set and one timespec.
    let _ = unsafe { syscall(libc::SYS_rt_sigtimedwait, registers) };
}

/// Signals held back while bytes are moved in pieces: their handlers must not find the call half
/// done, and one that is waiting ends it early, as it ends the kernel's copy (signal(7)).
pub struct BlockedSignals {
    /// The thread's mask before that; `None` where none are held.
    mask: Option<u64>,
}

/// Those that a fault of the thread itself raises: held back, they would be deadly.
const FAULTS: u64 = bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGILL)
    | bit(libc::SIGFPE)
    | bit(libc::SIGTRAP)
    | bit(libc::SIGSYS);
/// The C library's own, for cancellation and for changing users in all threads at once: they never
/// run anything of the host's, and who sends the second waits.
const OF_THE_C_LIBRARY: u64 = bit(32) | bit(33);

impl BlockedSignals {
    /// Holds them back in the calling thread.
    #[must_use]
    pub fn new() -> Self {
        let mut mask = 0u64;
        let all = !(FAULTS | OF_THE_C_LIBRARY);
        let registers = [
            reg(libc::SIG_BLOCK),
            &raw const all as usize,
            &raw mut mask as usize,
            size_of::<u64>(),
            0,
            0,
        ];
        // SAFETY: the kernel reads one 64-bit set and writes one.
        let held = answer(unsafe { syscall(libc::SYS_rt_sigprocmask, registers) });
        BlockedSignals { mask: held.is_ok().then_some(mask) }
    }

    /// Holds none back: nothing is seen to be waiting.
    #[must_use]
    pub fn none() -> Self {
        BlockedSignals { mask: None }
    }

    /// Whether they are held back.
    #[must_use]
    pub fn are_blocked(&self) -> bool {
        self.mask.is_some()
    }

    /// Whether a signal is waiting that the host would take now: not one that it holds back itself
    /// or ignores.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        let Some(mask) = self.mask else { return false };
        let mut pending = 0u64;
        let registers = [&raw mut pending as usize, size_of::<u64>(), 0, 0, 0, 0];
        // SAFETY: the kernel writes one 64-bit set.
        let _ = unsafe { syscall(libc::SYS_rt_sigpending, registers) };
        let waiting = pending & !mask;
        waiting != 0 && (1..=64).any(|signal| waiting & bit(signal) != 0 && !is_ignored(signal))
    }
}

impl Default for BlockedSignals {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        let Some(mask) = self.mask else { return };
        let registers =
            [reg(libc::SIG_SETMASK), &raw const mask as usize, 0, size_of::<u64>(), 0, 0];
        // SAFETY: the kernel reads one 64-bit set, the one it gave us.
        let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
    }
}

/// Whether the process takes no notice of `signal`: ignored, or left to a default action that is
/// none (signal(7)).
fn is_ignored(signal: c_int) -> bool {
    const NO_ACTION: u64 =
        bit(libc::SIGCHLD) | bit(libc::SIGCONT) | bit(libc::SIGURG) | bit(libc::SIGWINCH);
    // struct sigaction of the kernel: handler, flags, restorer where there is one, mask.
    let mut action = [0usize; 4];
    let registers = [reg(signal), 0, action.as_mut_ptr() as usize, size_of::<u64>(), 0, 0];
    // SAFETY: the kernel writes one struct sigaction, four words or three.
    let known = answer(unsafe { syscall(libc::SYS_rt_sigaction, registers) }).is_ok();
    let [handler, ..] = action;
    known && (handler == libc::SIG_IGN || handler == libc::SIG_DFL && NO_ACTION & bit(signal) != 0)
}

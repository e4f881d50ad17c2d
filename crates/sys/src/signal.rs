//! Signals of the calling thread: blocked during a copy or a write of the log, pending, raised.

use crate::errno::Errno;
use crate::process::getpid;
use crate::raw::{answer, reg, syscall};
use crate::thread::gettid;
use core::cell::Cell;
use core::ffi::c_int;
use core::mem::MaybeUninit;

/// Has the process ignore `signal` (signal(2)).
pub fn ignore(signal: c_int) {
    // SAFETY: no handler of ours is involved; async-signal-safe (signal-safety(7)).
    unsafe { libc::signal(signal, libc::SIG_IGN) };
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
pub(crate) fn take_back(signal: c_int) {
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

//! Signals of the calling thread: which are blocked during a copy or a write of the log, which are
//! pending, and raising one.

use crate::errno::Errno;
use crate::process::{exit, getpid};
use crate::raw::{decode, reg, syscall};
use crate::thread::gettid;
use core::cell::Cell;
use core::ffi::c_int;
use core::mem::MaybeUninit;

/// Sets the disposition of `signal` to SIG_IGN for the process (signal(2)).
pub fn ignore(signal: c_int) {
    // SAFETY: no handler is installed; async-signal-safe (signal-safety(7)).
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Gives a signal its default action (signal(2)).
pub fn reset(signal: c_int) {
    // SAFETY: no handler is installed; async-signal-safe (signal-safety(7)).
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Sends `signal` to the calling thread (tgkill(2)), as the kernel does for an error of the
/// thread's own call.
pub fn raise(signal: c_int) {
    let registers = [reg(getpid()), reg(gettid()), reg(signal), 0, 0, 0];
    // SAFETY: no pointers.
    let _ = unsafe { syscall(libc::SYS_tgkill, registers) };
}

/// Makes `signal` end the system call that a thread is in, with EINTR or a short count, and do nothing
/// else (sigaction(2), without `SA_RESTART`).
pub fn interrupt_calls_on(signal: c_int) {
    extern "C" fn do_nothing(_: c_int) {}
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    let handler: extern "C" fn(c_int) = do_nothing;
    // SAFETY: zero is a valid value of every field.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = handler as usize;
    // SAFETY: the action is valid, and the old one is not asked for.
    unsafe { libc::sigaction(signal, &raw const *action, core::ptr::null_mut()) };
}

/// Ends the process by SIGABRT, as abort(3) does, or by exit_group(2) if that is blocked or handled.
pub fn abort() -> ! {
    raise(libc::SIGABRT);
    exit(128 + libc::SIGABRT)
}

/// Blocks the signals that a write of the library could raise in the host. If such a write did
/// raise one, it is discarded on drop; one that another process sent meanwhile stays.
///
/// SIGPIPE: no reader; SIGXFSZ: RLIMIT_FSIZE; SIGTTOU: the terminal of a background job (if it is
/// blocked, the write succeeds: termios(3) on TOSTOP).
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
    /// Blocks SIGPIPE, SIGXFSZ and SIGTTOU in the calling thread.
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

    /// Records the result of each write of `len` bytes: a write has raised a signal only if it
    /// failed with EPIPE or EFBIG, or was short.
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
        // A signal that was pending before is the host's: it stays pending.
        let ours = RAISED_BY_WRITE & !self.pending & !bit(libc::SIGTTOU);
        let ours = if self.raised.get() { ours } else { 0 };
        let mut pending = MaybeUninit::<u64>::zeroed();
        let registers = [pending.as_mut_ptr() as usize, size_of::<u64>(), 0, 0, 0, 0];
        // SAFETY: the kernel writes one 64-bit set.
        let _ = unsafe { syscall(libc::SYS_rt_sigpending, registers) };
        // SAFETY: zeroed before, so it is a valid number even if the call failed.
        let raised = unsafe { pending.assume_init() } & ours;
        if raised != 0 {
            discard_any(raised);
        }
        let registers =
            [reg(libc::SIG_SETMASK), &raw const self.mask as usize, 0, size_of::<u64>(), 0, 0];
        // SAFETY: the kernel reads one 64-bit set, which it returned before.
        let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
    }
}

/// Discards a signal if it is pending and blocked, as one that a call of ours has just raised in this
/// thread (sigtimedwait(2)).
pub fn discard_pending(signal: c_int) {
    discard_any(bit(signal));
}

fn discard_any(raised: u64) {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let registers =
        [&raw const raised as usize, 0, &raw const at_once as usize, size_of::<u64>(), 0, 0];
    // SAFETY: the kernel reads one 64-bit set and one timespec.
    let _ = unsafe { syscall(libc::SYS_rt_sigtimedwait, registers) };
}

/// Signals blocked during a copy in pieces: a handler must not find a call half done, and a pending
/// signal ends the copy early, as it ends the kernel's copy (signal(7)).
pub struct BlockedSignals {
    /// The thread's mask before; `None` if no signal is blocked.
    mask: Option<u64>,
}

/// Signals that an error of the thread itself raises. If they were blocked, the kernel would kill
/// the process.
const SYNCHRONOUS: u64 = bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGILL)
    | bit(libc::SIGFPE)
    | bit(libc::SIGTRAP)
    | bit(libc::SIGSYS);
/// Signals 32 and 33 of glibc, for cancellation and for setuid(2) in all threads. They run no code
/// of the host, and the sender of 33 waits for all threads.
const GLIBC_INTERNAL: u64 = bit(32) | bit(33);

impl BlockedSignals {
    /// Blocks all signals but those above in the calling thread.
    #[must_use]
    pub fn new() -> Self {
        let mut mask = 0u64;
        let all = !(SYNCHRONOUS | GLIBC_INTERNAL);
        let registers = [
            reg(libc::SIG_BLOCK),
            &raw const all as usize,
            &raw mut mask as usize,
            size_of::<u64>(),
            0,
            0,
        ];
        // SAFETY: the kernel reads one 64-bit set and writes one.
        let blocked = decode(unsafe { syscall(libc::SYS_rt_sigprocmask, registers) });
        BlockedSignals { mask: blocked.is_ok().then_some(mask) }
    }

    /// Blocks no signal; none is ever reported as pending.
    #[must_use]
    pub fn none() -> Self {
        BlockedSignals { mask: None }
    }

    /// Reports whether signals are blocked.
    #[must_use]
    pub fn are_blocked(&self) -> bool {
        self.mask.is_some()
    }

    /// Reports whether a signal is pending that the host would handle now: not one that the host
    /// itself blocks or ignores.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        let Some(mask) = self.mask else { return false };
        let mut pending = 0u64;
        let registers = [&raw mut pending as usize, size_of::<u64>(), 0, 0, 0, 0];
        // SAFETY: the kernel writes one 64-bit set.
        let _ = unsafe { syscall(libc::SYS_rt_sigpending, registers) };
        let unblocked = pending & !mask;
        unblocked != 0 && (1..=64).any(|signal| unblocked & bit(signal) != 0 && !is_ignored(signal))
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
        // SAFETY: the kernel reads one 64-bit set, which it returned before.
        let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
    }
}

/// The signals that a thread blocks.
#[derive(Clone, Copy)]
pub struct SignalMask(u64);

impl SignalMask {
    /// Blocks these signals in the calling thread, and returns its mask before (sigprocmask(2)).
    #[must_use]
    pub fn block(signals: &[c_int]) -> SignalMask {
        let block = signals.iter().fold(0, |all, &signal| all | bit(signal));
        let mut before = 0u64;
        let registers = [
            reg(libc::SIG_BLOCK),
            &raw const block as usize,
            &raw mut before as usize,
            size_of::<u64>(),
            0,
            0,
        ];
        // SAFETY: the kernel reads one 64-bit set and writes one.
        let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
        SignalMask(before)
    }

    /// Makes this the mask of the calling thread again.
    pub fn restore(self) {
        let registers =
            [reg(libc::SIG_SETMASK), &raw const self.0 as usize, 0, size_of::<u64>(), 0, 0];
        // SAFETY: the kernel reads one 64-bit set, which it returned before.
        let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
    }
}

/// Signals whose default action is nothing (signal(7)).
const NO_ACTION: u64 =
    bit(libc::SIGCHLD) | bit(libc::SIGCONT) | bit(libc::SIGURG) | bit(libc::SIGWINCH);

/// Signals whose default action is to stop the process (signal(7)).
const STOPS: u64 =
    bit(libc::SIGSTOP) | bit(libc::SIGTSTP) | bit(libc::SIGTTIN) | bit(libc::SIGTTOU);

/// Reports whether [`raise`] ends the process if it sends one of these signals, given as bits: bit 0 is
/// signal 1. One does if it is neither handled nor ignored nor blocked (signal(7)). The first process
/// of a pid namespace gets no such signal (pid_namespaces(7)).
#[must_use]
pub fn ends_process(signals: u64) -> bool {
    let deadly = signals & !NO_ACTION & !STOPS;
    if deadly == 0 || getpid() == 1 {
        return false;
    }
    let mut blocked = 0u64;
    let registers = [reg(libc::SIG_BLOCK), 0, &raw mut blocked as usize, size_of::<u64>(), 0, 0];
    // SAFETY: the kernel writes one 64-bit set.
    let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, registers) };
    // SIGKILL is never blocked.
    let unblocked = deadly & !blocked;
    (1..=64).any(|signal| unblocked & bit(signal) != 0 && handler(signal) == Some(libc::SIG_DFL))
}

/// Reports whether `signal` has no effect in this process: it is ignored, or its default action is
/// to ignore it (signal(7)).
fn is_ignored(signal: c_int) -> bool {
    let handler = handler(signal);
    handler == Some(libc::SIG_IGN) || handler == Some(libc::SIG_DFL) && NO_ACTION & bit(signal) != 0
}

/// Returns the handler of `signal`, or what is in its place; `None` if the kernel does not say.
fn handler(signal: c_int) -> Option<usize> {
    // struct sigaction of the kernel: handler, flags, restorer (not on every architecture), mask.
    let mut action = [0usize; 4];
    let registers = [reg(signal), 0, action.as_mut_ptr() as usize, size_of::<u64>(), 0, 0];
    // SAFETY: the kernel writes one struct sigaction of at most four words.
    let known = decode(unsafe { syscall(libc::SYS_rt_sigaction, registers) }).is_ok();
    let [handler, ..] = action;
    known.then_some(handler)
}

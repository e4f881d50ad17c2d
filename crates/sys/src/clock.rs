//! The kernel's clocks, and sleeping.

use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};

/// Returns nanoseconds since 1970 (CLOCK_REALTIME), for the time of a line.
#[must_use]
pub fn realtime_ns() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

/// Returns nanoseconds of CLOCK_MONOTONIC, for durations.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

#[inline]
fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes one timespec. It goes through the C library, which reads the
    // clock in the vDSO without a system call, and it is async-signal-safe (signal-safety(7)).
    unsafe { libc::clock_gettime(id, &raw mut time) };
    // Wrapping, because another preloaded library's clock may return any value.
    let seconds = time.tv_sec.cast_unsigned();
    seconds.wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec.cast_unsigned())
}

/// Sleeps until CLOCK_MONOTONIC is at `ns` nanoseconds (clock_nanosleep(2)). If a signal arrives,
/// its handler runs and the sleep goes on.
pub fn sleep_until(ns: u64) {
    const SECOND_NS: u64 = 1_000_000_000;
    let until = libc::timespec {
        tv_sec: (ns / SECOND_NS).cast_signed(),
        tv_nsec: (ns % SECOND_NS).cast_signed(),
    };
    let (clock, absolute) = (reg(libc::CLOCK_MONOTONIC), reg(libc::TIMER_ABSTIME));
    let registers = [clock, absolute, (&raw const until) as usize, 0, 0, 0];
    // SAFETY: the struct is valid until the call returns.
    while let Err(Errno::EINTR) = decode(unsafe { syscall(libc::SYS_clock_nanosleep, registers) }) {
    }
}

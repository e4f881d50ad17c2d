//! The kernel's clocks, and sleeping.
//!
//! The C library's clock_gettime(3) is not used: another preloaded library, such as libfaketime, may
//! stand in for it. Under its clock a wait until a time would never end.

use crate::auxv::auxiliary_value;
use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};
use crate::vdso;
use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

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

/// Returns both clocks, CLOCK_REALTIME and CLOCK_MONOTONIC, read at one moment.
///
/// They differ by a number that changes only when the time is set (`wall_to_monotonic` in the kernel's
/// timekeeping.c), and their coarse twins differ by the same number. So if those, which are read after
/// the moment in a fifth of the time, differ by what is known, that is the difference.
#[must_use]
#[inline(never)]
pub fn both_ns() -> [u64; 2] {
    let monotonic_ns = monotonic_ns();
    let known = DIFFERENCE.load(Ordering::Relaxed);
    if known != UNKNOWN && coarse_difference() == known {
        [monotonic_ns.wrapping_add(known), monotonic_ns]
    } else {
        [realtime_after_change(), monotonic_ns]
    }
}

/// By how much CLOCK_REALTIME is ahead of CLOCK_MONOTONIC, as it was found last.
static DIFFERENCE: AtomicU64 = AtomicU64::new(UNKNOWN);

/// Nothing was found, or the clocks are not read in the vDSO: then a coarse one takes as long as another.
const UNKNOWN: u64 = 1;

#[inline]
fn coarse_difference() -> u64 {
    clock(libc::CLOCK_REALTIME_COARSE).wrapping_sub(clock(libc::CLOCK_MONOTONIC_COARSE))
}

/// Returns CLOCK_REALTIME, and finds the difference for the next reading.
#[cold]
#[inline(never)]
fn realtime_after_change() -> u64 {
    let realtime_ns = realtime_ns();
    let by_system_call = clock_gettime_by_system_call as ClockGettime as *mut c_void;
    if CLOCK_GETTIME.load(Ordering::Relaxed) != by_system_call {
        // Between two ticks both coarse clocks stand still.
        let before = clock(libc::CLOCK_MONOTONIC_COARSE);
        let difference = coarse_difference();
        let is_between_ticks = clock(libc::CLOCK_MONOTONIC_COARSE) == before;
        DIFFERENCE.store(if is_between_ticks { difference } else { UNKNOWN }, Ordering::Relaxed);
    }
    realtime_ns
}

#[inline]
fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let clock_gettime = CLOCK_GETTIME.load(Ordering::Relaxed);
    // SAFETY: only addresses of such functions are stored.
    let clock_gettime = unsafe { core::mem::transmute::<*mut c_void, ClockGettime>(clock_gettime) };
    // SAFETY: the function writes one timespec. It is async-signal-safe: it retries while the
    // kernel changes the time, and holds no lock.
    unsafe { clock_gettime(id, &raw mut time) };
    // Wrapping, because a system call filter may answer anything.
    let seconds = time.tv_sec.cast_unsigned();
    seconds.wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec.cast_unsigned())
}

type ClockGettime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;

/// The kernel's clock_gettime: the function in the vDSO, which reads the clock without a system
/// call, or else the system call. The first call looks it up: all threads and signal handlers that
/// do so at the same time store one address, and fork(2) keeps it.
static CLOCK_GETTIME: AtomicPtr<c_void> =
    AtomicPtr::new(find_clock_gettime as ClockGettime as *mut c_void);

#[cold]
unsafe extern "C" fn find_clock_gettime(id: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // valgrind and some sandboxes hide the vDSO.
    let clock_gettime = clock_gettime_in_vdso()
        .unwrap_or(clock_gettime_by_system_call as ClockGettime as *mut c_void);
    CLOCK_GETTIME.store(clock_gettime, Ordering::Relaxed);
    // SAFETY: the address of such a function.
    let clock_gettime = unsafe { core::mem::transmute::<*mut c_void, ClockGettime>(clock_gettime) };
    // SAFETY: the caller vouches for the timespec.
    unsafe { clock_gettime(id, time) }
}

fn clock_gettime_in_vdso() -> Option<*mut c_void> {
    const NAME: &[u8] = if cfg!(target_arch = "x86_64") {
        b"__vdso_clock_gettime\0"
    } else {
        b"__kernel_clock_gettime\0"
    };
    let base = auxiliary_value(libc::AT_SYSINFO_EHDR)? as *const u8;
    if base.is_null() {
        return None;
    }
    // SAFETY: the kernel's address.
    let image = unsafe { vdso::image(base) }?;
    let offset = vdso::find_function(image, NAME)?;
    Some(base.wrapping_add(offset).cast_mut().cast())
}

/// clock_gettime(2). Its arguments arrive where the kernel wants them; of the clock's number it reads
/// the lower half.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn clock_gettime_by_system_call(
    id: libc::clockid_t,
    time: *mut libc::timespec,
) -> c_int {
    naked_asm!(
        ".cfi_startproc",
        "mov eax, {number}",
        "syscall",
        "ret",
        ".cfi_endproc",
        number = const libc::SYS_clock_gettime,
    )
}

/// clock_gettime(2), as on x86-64.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn clock_gettime_by_system_call(
    id: libc::clockid_t,
    time: *mut libc::timespec,
) -> c_int {
    naked_asm!(
        ".cfi_startproc",
        "mov x8, #{number}",
        "svc 0",
        "ret",
        ".cfi_endproc",
        number = const libc::SYS_clock_gettime,
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A difference that does not hold any more is what is left when the time was set.
    #[test]
    fn both_clocks_are_read_at_one_moment() {
        for stale in [UNKNOWN, 0, 12_345, u64::MAX, UNKNOWN] {
            DIFFERENCE.store(stale, Ordering::Relaxed);
            for _ in 0..1000 {
                let before = [realtime_ns(), monotonic_ns()];
                let both = both_ns();
                let after = [realtime_ns(), monotonic_ns()];
                for ((before, now), after) in before.into_iter().zip(both).zip(after) {
                    assert!(before <= now && now <= after, "{before} {now} {after}");
                }
            }
        }
    }

    #[test]
    fn both_ways_read_one_clock() {
        let by_system_call = || {
            let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: the timespec is ours.
            let result =
                unsafe { clock_gettime_by_system_call(libc::CLOCK_MONOTONIC, &raw mut time) };
            assert_eq!(result, 0);
            time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
        };
        let mut last = by_system_call();
        for _ in 0..1000 {
            for now in [monotonic_ns(), by_system_call()] {
                assert!(now >= last, "{now} < {last}");
                last = now;
            }
        }
    }
}

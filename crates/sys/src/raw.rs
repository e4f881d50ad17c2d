//! Makes system calls by instruction.

use crate::errno::Errno;
use core::arch::asm;

/// Makes system call `number` and returns the kernel's result register: a count or a handle, or −1
/// to −4095 for an error.
///
/// # Safety
///
/// The arguments must be valid for the call: a pointer that the kernel writes through must point to
/// writable memory of the length that the call's manual page gives.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn syscall(number: libc::c_long, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the x86-64 kernel ABI (syscall(2), "Architecture calling conventions"): number in
    // rax, arguments in rdi rsi rdx r10 r8 r9, result in rax; rcx and r11 are overwritten. The red
    // zone is not changed. The caller vouches for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Makes system call `number`, as on x86-64.
///
/// # Safety
///
/// As on x86-64.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) unsafe fn syscall(number: libc::c_long, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the arm64 kernel ABI (syscall(2), "Architecture calling conventions"): number in x8,
    // arguments in x0 to x5, result in x0. The caller vouches for the arguments.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] => result,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    result
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "libcfr makes system calls by instruction: add this architecture to crates/sys/src/raw.rs and src/hooks/syscall.rs"
);

/// Makes system call `number`, which takes no argument and returns a small number (getpid(2)).
#[inline]
pub(crate) fn syscall0(number: libc::c_long) -> i32 {
    // SAFETY: no arguments.
    let number = unsafe { syscall(number, [0; 6]) };
    #[expect(clippy::cast_possible_truncation, reason = "at most PID_MAX_LIMIT, 2^22")]
    let number = number as i32;
    number
}

/// Decodes the kernel's result register.
#[inline(always)]
pub(crate) fn decode(result: isize) -> Result<usize, Errno> {
    match usize::try_from(result) {
        Ok(count) => Ok(count),
        // An error is −1 to −4095, so the cast back is exact.
        #[expect(clippy::cast_possible_truncation, reason = "at most 4095")]
        Err(_) => Err(Errno(result.wrapping_neg() as i32)),
    }
}

/// Sign-extends an `int` argument, as the kernel expects it in a register.
#[inline(always)]
pub(crate) fn reg(value: i32) -> usize {
    #[expect(clippy::cast_sign_loss, reason = "the register holds the bits")]
    let bits = value as isize as usize;
    bits
}

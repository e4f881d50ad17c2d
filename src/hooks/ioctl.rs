//! The hook `ioctl`: ioctl(2) with the requests that share blocks, FICLONE, FICLONERANGE and
//! FIDEDUPERANGE.
//!
//! Every other request goes on with its arguments as they came, to the next library's `ioctl`, or to
//! the kernel if that function is not known yet. The function is written in instructions so that such
//! a request costs at most ten more. Requests of the same type, which are btrfs's, are looked at
//! first: one that almost is a request that shares blocks is warned of.
#![expect(unsafe_code, reason = "exports a C symbol and makes system calls by instruction")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use super::entry::{Frame, enter};
use super::{dispatch_forwarded, fail, initialized_route};
use crate::route::{NEXT_IOCTL, Route};
use crate::runtime;
use cfr_engine::hook::Hook;
use cfr_engine::near_miss::REFLINK_TYPE;
use cfr_observe::{ReflinkIoctl, warn_of_near_miss};
use cfr_sys::{FICLONE, FICLONERANGE, FIDEDUPERANGE, IOCTL, IoctlArg};
use core::arch::naked_asm;
use core::ffi::{c_int, c_ulong, c_void};

/// ioctl(2). On both architectures a variadic function gets its third argument in the same register
/// as a function with three parameters.
///
/// # Safety
///
/// The argument must be valid for the request.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: usize) -> c_int {
    naked_asm!(
        ".cfi_startproc",
        // As in the kernel, the low 32 bits of the request count. Its type is in bits 8 to 15. Not rax:
        // its low byte is an argument of a variadic function.
        "mov r11d, esi",
        "shr r11d, 8",
        "cmp r11b, {reflink_type}",
        "je 2f",
        "jmp {pass_on}",
        "2:",
        "lea r11, [rip + {answer}]",
        "jmp {enter}",
        ".cfi_endproc",
        reflink_type = const REFLINK_TYPE,
        pass_on = sym pass_on,
        answer = sym answer,
        enter = sym enter,
    )
}

/// Passes a call on to the next library, or to the kernel, as it came.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn pass_on() {
    naked_asm!(
        ".cfi_startproc",
        "mov r11, qword ptr [rip + {next}]",
        "test r11, r11",
        "je 2f",
        "jmp r11",
        "2:",
        "mov eax, {number}",
        "syscall",
        "cmp rax, -4095",
        "jae 3f",
        "ret",
        "3:",
        "mov rdi, rax",
        "jmp {fail}",
        ".cfi_endproc",
        number = const IOCTL,
        next = sym NEXT_IOCTL,
        fail = sym fail,
    )
}

/// ioctl(2): see the version for x86-64.
///
/// # Safety
///
/// As for the version for x86-64.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: usize) -> c_int {
    naked_asm!(
        ".cfi_startproc",
        "ubfx w16, w1, #8, #8",
        "cmp w16, #{reflink_type}",
        "b.eq 2f",
        "b {pass_on}",
        "2:",
        "adrp x16, {answer}",
        "add x16, x16, :lo12:{answer}",
        "b {enter}",
        ".cfi_endproc",
        reflink_type = const REFLINK_TYPE,
        pass_on = sym pass_on,
        answer = sym answer,
        enter = sym enter,
    )
}

/// As on x86-64.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn pass_on() {
    naked_asm!(
        ".cfi_startproc",
        "adrp x16, {next}",
        "ldr x16, [x16, :lo12:{next}]",
        "cbz x16, 2f",
        "br x16",
        "2:",
        "mov x8, #{number}",
        "svc 0",
        "cmn x0, #4095",
        "b.cs 3f",
        "ret",
        "3:",
        "b {fail}",
        ".cfi_endproc",
        number = const IOCTL,
        next = sym NEXT_IOCTL,
        fail = sym fail,
    )
}

extern "C" fn answer(frame: &mut Frame) {
    let [fd, request, argument, ..] = frame.arguments();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "as the kernel does"
    )]
    let (fd, known) = (fd as c_int, request as u32);
    if matches!(known, FICLONE | FICLONERANGE | FIDEDUPERANGE) {
        let (hook, argument, next) = (Hook::Ioctl, IoctlArg::new(argument), Some(&NEXT_IOCTL));
        dispatch_forwarded(&ReflinkIoctl { hook, fd, request, argument, next }, frame);
    } else {
        if initialized_route(Hook::Ioctl) == Route::Intercept
            && let Some(runtime) = runtime::get()
        {
            warn_of_near_miss(runtime, fd, known);
        }
        frame.call_next(pass_on as *const c_void, None);
    }
}

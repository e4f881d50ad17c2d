//! The hook `ioctl`: ioctl(2) with the requests that share blocks, FICLONE, FICLONERANGE and
//! FIDEDUPERANGE.
//!
//! Every other request goes on with its arguments as they came, to the next library's `ioctl`, or to
//! the kernel if that function is not known yet. The function is written in instructions so that such
//! a request costs at most ten more.
#![expect(unsafe_code, reason = "exports a C symbol and makes system calls by instruction")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use super::entry::{Frame, enter};
use super::{dispatch_forwarded, fail};
use crate::calls::ReflinkIoctl;
use crate::route::NEXT_IOCTL;
use cfr_sys::{FICLONE, FICLONERANGE, FIDEDUPERANGE, IOCTL, IoctlArg};
use core::arch::naked_asm;
use core::ffi::{c_int, c_ulong};

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
        // As in the kernel, the low 32 bits of the request count.
        "cmp esi, {ficlone}",
        "je 4f",
        "cmp esi, {ficlonerange}",
        "je 4f",
        "cmp esi, {fideduperange}",
        "je 4f",
        // Not rax: its low byte is an argument of a variadic function.
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
        "4:",
        "lea r11, [rip + {answer}]",
        "jmp {enter}",
        ".cfi_endproc",
        ficlone = const FICLONE,
        ficlonerange = const FICLONERANGE,
        fideduperange = const FIDEDUPERANGE,
        number = const IOCTL,
        answer = sym answer,
        enter = sym enter,
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
        "movz w16, #({ficlone} & 0xffff)",
        "movk w16, #({ficlone} >> 16), lsl #16",
        "cmp w1, w16",
        "b.eq 4f",
        "movz w16, #({ficlonerange} & 0xffff)",
        "movk w16, #({ficlonerange} >> 16), lsl #16",
        "cmp w1, w16",
        "b.eq 4f",
        "movz w16, #({fideduperange} & 0xffff)",
        "movk w16, #({fideduperange} >> 16), lsl #16",
        "cmp w1, w16",
        "b.eq 4f",
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
        "4:",
        "adrp x16, {answer}",
        "add x16, x16, :lo12:{answer}",
        "b {enter}",
        ".cfi_endproc",
        ficlone = const FICLONE,
        ficlonerange = const FICLONERANGE,
        fideduperange = const FIDEDUPERANGE,
        number = const IOCTL,
        answer = sym answer,
        enter = sym enter,
        next = sym NEXT_IOCTL,
        fail = sym fail,
    )
}

extern "C" fn answer(frame: &mut Frame) {
    let [fd, request, argument, ..] = frame.arguments();
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "an int")]
    let fd = fd as c_int;
    dispatch_forwarded(&ReflinkIoctl { fd, request, argument: IoctlArg::new(argument) }, frame);
}

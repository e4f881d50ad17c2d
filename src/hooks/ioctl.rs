//! The hook `ioctl`: ioctl(2) with the requests that share blocks, FICLONE, FICLONERANGE and
//! FIDEDUPERANGE.
//!
//! Every other request goes on with its arguments as they came, to the next library's `ioctl`, or to
//! the kernel if that function is not known yet. The function is written in instructions so that such
//! a request costs at most ten more.
#![expect(unsafe_code, reason = "exports a C symbol and makes system calls by instruction")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use super::{encode, fail, initialized_route, intercept_forwarded};
use crate::calls::ReflinkIoctl;
use crate::route::{NEXT_IOCTL, Route};
use cfr_engine::hook::Hook;
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
        // As in the kernel, the low 32 bits of the request count.
        "cmp esi, {ficlone}",
        "je {intercepted}",
        "cmp esi, {ficlonerange}",
        "je {intercepted}",
        "cmp esi, {fideduperange}",
        "je {intercepted}",
        "mov rax, qword ptr [rip + {next}]",
        "test rax, rax",
        "je 2f",
        "jmp rax",
        "2:",
        "mov eax, {number}",
        "syscall",
        "cmp rax, -4095",
        "jae 3f",
        "ret",
        "3:",
        "mov rdi, rax",
        "jmp {fail}",
        ficlone = const FICLONE,
        ficlonerange = const FICLONERANGE,
        fideduperange = const FIDEDUPERANGE,
        number = const IOCTL,
        intercepted = sym intercepted,
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
        "b {intercepted}",
        ficlone = const FICLONE,
        ficlonerange = const FICLONERANGE,
        fideduperange = const FIDEDUPERANGE,
        number = const IOCTL,
        intercepted = sym intercepted,
        next = sym NEXT_IOCTL,
        fail = sym fail,
    )
}

extern "C-unwind" fn intercepted(fd: c_int, request: usize, argument: usize) -> c_int {
    let call = ReflinkIoctl { fd, request, argument: IoctlArg::new(argument) };
    let is_intercepted = initialized_route(Hook::Ioctl) == Route::Intercept;
    let result = match is_intercepted.then(|| intercept_forwarded(&call)).flatten() {
        Some(result) => result,
        None => match call.call_next() {
            Some(result) => return result,
            None => encode(call.call_kernel()),
        },
    };
    c_int::try_from(result).unwrap_or(c_int::MAX)
}

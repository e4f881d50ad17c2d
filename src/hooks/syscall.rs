//! The hook `syscall`: syscall(2) for the number of copy_file_range(2).
//!
//! Every other number goes on with all six arguments, the stack and errno as they came: to the next
//! library's `syscall`, so that other preloads see what they would see without this one, or to the
//! kernel if that function is not known yet. The function is written in instructions because it must
//! have no stack frame: clone(2), for example, returns on another stack.
#![expect(unsafe_code, reason = "exports a C symbol and makes system calls by instruction")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use super::{after_error, dispatch, encode, fail};
use crate::route::{self, NEXT_SYSCALL};
use cfr_engine::hook::Hook;
use cfr_sys::{self as sys, Args, COPY_FILE_RANGE, OffsetPointer};
use core::arch::naked_asm;
use core::ffi::{c_int, c_long, c_uint};

/// syscall(2). On both architectures a variadic function gets seven integers in the same registers
/// and stack slots as a function with seven parameters.
///
/// # Safety
///
/// The arguments must be valid for the system call of that number.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    arg1: c_long,
    arg2: c_long,
    arg3: c_long,
    arg4: c_long,
    arg5: c_long,
    arg6: c_long,
) -> c_long {
    naked_asm!(
        // As in the kernel, the low 32 bits of the number count.
        "cmp edi, {copy_file_range}",
        "je {intercepted}",
        "mov rax, qword ptr [rip + {next}]",
        "test rax, rax",
        "je 2f",
        "jmp rax",
        "2:",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov r10, r8",
        "mov r8, r9",
        "mov r9, qword ptr [rsp + 8]",
        "syscall",
        "cmp rax, -4095",
        "jae 3f",
        "ret",
        "3:",
        "mov rdi, rax",
        "jmp {fail}",
        copy_file_range = const COPY_FILE_RANGE,
        intercepted = sym intercepted,
        next = sym NEXT_SYSCALL,
        fail = sym fail,
    )
}

/// syscall(2): see the version for x86-64.
///
/// # Safety
///
/// As for the version for x86-64.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    arg1: c_long,
    arg2: c_long,
    arg3: c_long,
    arg4: c_long,
    arg5: c_long,
    arg6: c_long,
) -> c_long {
    naked_asm!(
        "cmp w0, #{copy_file_range}",
        "b.eq 4f",
        "adrp x16, {next}",
        "ldr x16, [x16, :lo12:{next}]",
        "cbz x16, 2f",
        "br x16",
        "2:",
        "mov x8, x0",
        "mov x0, x1",
        "mov x1, x2",
        "mov x2, x3",
        "mov x3, x4",
        "mov x4, x5",
        "mov x5, x6",
        "svc 0",
        "cmn x0, #4095",
        "b.cs 3f",
        "ret",
        "3:",
        "b {fail}",
        "4:",
        "b {intercepted}",
        copy_file_range = const COPY_FILE_RANGE,
        intercepted = sym intercepted,
        next = sym NEXT_SYSCALL,
        fail = sym fail,
    )
}

/// copy_file_range(2) by syscall(2). The upper halves of arguments of type `int` are ignored.
extern "C-unwind" fn intercepted(
    _number: c_long,
    fd_in: c_long,
    off_in: *mut i64,
    fd_out: c_long,
    off_out: *mut i64,
    len: usize,
    flags: c_long,
) -> isize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as the kernel does"
    )]
    let args = Args {
        fd_in: fd_in as c_int,
        off_in: OffsetPointer::new(off_in),
        fd_out: fd_out as c_int,
        off_out: OffsetPointer::new(off_out),
        len,
        flags: flags as c_uint,
    };
    if !route::bypasses(Hook::Syscall, args.flags) {
        return dispatch(Hook::Syscall, &args);
    }
    match sys::copy_file_range(&args) {
        Ok(count) => encode(Ok(count)),
        Err(errno) => after_error(Hook::Syscall, &args, errno),
    }
}

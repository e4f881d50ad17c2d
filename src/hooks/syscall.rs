//! The hook `syscall`: syscall(2) for the number of copy_file_range(2).
//!
//! Every other number goes on with all six arguments, the stack and errno as they came: to the next
//! library's `syscall`, so that other preloads see what they would see without this one, or to the
//! kernel if that function is not known yet. The function is written in instructions because it must
//! have no stack frame: clone(2), for example, returns on another stack.
#![expect(unsafe_code, reason = "exports a C symbol and makes system calls by instruction")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use super::entry::{Frame, enter};
use super::{after_kernel_error, dispatch, fail};
use crate::route::{self, NEXT_SYSCALL, ROUTES};
use cfr_engine::hook::Hook;
use cfr_sys::{COOKIE, COPY_FILE_RANGE};
use core::arch::naked_asm;
use core::ffi::c_long;

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
        ".cfi_startproc",
        // As in the kernel, the low 32 bits of the number count.
        "cmp edi, {copy_file_range}",
        "je 4f",
        // Not rax: its low byte is an argument of a variadic function.
        "mov r11, qword ptr [rip + {next}]",
        "test r11, r11",
        "je 2f",
        "jmp r11",
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
        // The arguments of copy_file_range(2) in their own registers.
        "4:",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov rcx, r8",
        "mov r8, r9",
        "mov r9d, dword ptr [rsp + 8]",
        "test r9d, r9d",
        "jne 6f",
        "cmp byte ptr [rip + {routes} + {bypass}], 0",
        "je 6f",
        "mov r10, rcx",
        "mov r9, qword ptr [rip + {cookie}]",
        "mov eax, {copy_file_range}",
        "syscall",
        "cmp rax, -4095",
        "jae 5f",
        "ret",
        "5:",
        "mov rcx, r10",
        "lea r11, [rip + {answer_error}]",
        "jmp {enter}",
        "6:",
        "lea r11, [rip + {answer}]",
        "jmp {enter}",
        ".cfi_endproc",
        copy_file_range = const COPY_FILE_RANGE,
        cookie = sym COOKIE,
        next = sym NEXT_SYSCALL,
        fail = sym fail,
        routes = sym ROUTES,
        bypass = const route::offset_of_bypass(Hook::Syscall),
        answer = sym answer,
        answer_error = sym answer_error,
        enter = sym enter,
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
        ".cfi_startproc",
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
        // The arguments of copy_file_range(2) in their own registers.
        "4:",
        "mov x0, x1",
        "mov x1, x2",
        "mov x2, x3",
        "mov x3, x4",
        "mov x4, x5",
        "mov w5, w6",
        "cbnz w5, 6f",
        "adrp x16, {routes} + {bypass}",
        "add x16, x16, :lo12:{routes} + {bypass}",
        "ldrb w16, [x16]",
        "cbz w16, 6f",
        "mov x17, x0",
        "adrp x5, {cookie}",
        "ldr x5, [x5, :lo12:{cookie}]",
        "mov x8, #{copy_file_range}",
        "svc 0",
        "cmn x0, #4095",
        "b.hs 5f",
        "ret",
        "5:",
        "mov x6, x0",
        "mov x0, x17",
        "adrp x16, {answer_error}",
        "add x16, x16, :lo12:{answer_error}",
        "b {enter}",
        "6:",
        "adrp x16, {answer}",
        "add x16, x16, :lo12:{answer}",
        "b {enter}",
        ".cfi_endproc",
        copy_file_range = const COPY_FILE_RANGE,
        cookie = sym COOKIE,
        next = sym NEXT_SYSCALL,
        fail = sym fail,
        routes = sym ROUTES,
        bypass = const route::offset_of_bypass(Hook::Syscall),
        answer = sym answer,
        answer_error = sym answer_error,
        enter = sym enter,
    )
}

extern "C" fn answer(frame: &mut Frame) {
    dispatch(Hook::Syscall, frame);
}

extern "C" fn answer_error(frame: &mut Frame) {
    after_kernel_error(Hook::Syscall, frame);
}

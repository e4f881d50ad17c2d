//! The hook `copy_file_range`: the C library's wrapper of copy_file_range(2).
//!
//! The function is written in instructions because it is a cancellation point: pthread_testcancel(3)
//! may unwind the stack, and no Rust frame may be on it then.
#![expect(unsafe_code, reason = "exports a C symbol and makes system calls by instruction")]
#![expect(unreachable_pub, reason = "cbindgen and the linker look for what is public")]

use super::entry::{Frame, enter, test_cancel};
use super::{after_kernel_error, dispatch};
use crate::route::{self, ROUTES};
#[cfg(target_arch = "x86_64")]
use crate::route::{HANDLED_ERRORS, HandledErrors, NO_TEST_CANCEL, TEST_CANCEL};
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use cfr_sys::{COOKIE, COPY_FILE_RANGE, ssize_t};
use core::arch::naked_asm;
use core::ffi::{c_int, c_uint};

/// Copies up to `len` bytes from `fd_in` to `fd_out`, by the rules of copy_file_range(2) or of the
/// dialect in force (libcfr(7)).
///
/// `off_in` and `off_out` point to offsets in bytes, which move by the bytes copied, or are NULL
/// to use the file offsets of the descriptors. `flags` is 0 or, if the dialect knows it, one of
/// COPY_FR_COPY, COPY_FR_REFLINK and COPY_FR_DEDUP. The default dialect knows all three.
///
/// Returns the bytes copied or shared, which may be fewer than `len`; 0 at the end of the source;
/// or -1 with errno set: EFAULT if a pointer cannot be used, EOPNOTSUPP or EXDEV if blocks cannot
/// be shared, EILSEQ if ranges to be deduplicated differ, and the errors of copy_file_range(2).
/// This function is a cancellation point.
/// cbindgen:postfix=CFR_ONLY_IN_LCFR(copy_file_range)
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn copy_file_range(
    fd_in: c_int,
    off_in: *mut i64,
    fd_out: c_int,
    off_out: *mut i64,
    len: usize,
    flags: c_uint,
) -> ssize_t {
    body!()
}

/// The same function, by the name that a program calls if it includes `cfr.h`: the C library does not
/// have it, so that such a program cannot be linked without this library.
/// cbindgen:ignore
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cfr_copy_file_range_needs_lcfr(
    fd_in: c_int,
    off_in: *mut i64,
    fd_out: c_int,
    off_out: *mut i64,
    len: usize,
    flags: c_uint,
) -> ssize_t {
    body!()
}

macro_rules! body {
    () => {
        instructions!(
            routes = sym ROUTES,
            bypass = const route::offset_of_bypass(Hook::CopyFileRange),
            number = const COPY_FILE_RANGE,
            cookie = sym COOKIE,
            eintr = const Errno::EINTR.0,
            test_cancel = sym test_cancel,
            answer = sym answer,
            answer_error = sym answer_error,
            enter = sym enter,
        )
    };
}

use body;

/// A call without flags that bypasses the library is made here. If it was interrupted it has copied
/// nothing, so nothing is lost if that was a cancellation. The cookie stands beside the flags, 0.
#[cfg(target_arch = "x86_64")]
macro_rules! instructions {
    ($($operands:tt)*) => {
        naked_asm!(
            ".weak __errno_location",
            ".cfi_startproc",
            "test r9d, r9d",
            "jne 5f",
            "cmp byte ptr [rip + {routes} + {bypass}], 0",
            "je 5f",
            // test_cancel, for the five other arguments: this is the path that must be short.
            "cmp qword ptr [rip + {cancel_address}], {no_cancel}",
            "je 4f",
            "push rdi",
            ".cfi_adjust_cfa_offset 8",
            "push rsi",
            ".cfi_adjust_cfa_offset 8",
            "push rdx",
            ".cfi_adjust_cfa_offset 8",
            "push rcx",
            ".cfi_adjust_cfa_offset 8",
            "push r8",
            ".cfi_adjust_cfa_offset 8",
            "call [rip + {cancel_address}]",
            "pop r8",
            ".cfi_adjust_cfa_offset -8",
            "pop r10",
            ".cfi_adjust_cfa_offset -8",
            "pop rdx",
            ".cfi_adjust_cfa_offset -8",
            "pop rsi",
            ".cfi_adjust_cfa_offset -8",
            "pop rdi",
            ".cfi_adjust_cfa_offset -8",
            "2:",
            "mov r9, qword ptr [rip + {cookie}]",
            "mov eax, {number}",
            "syscall",
            "cmp rax, -4095",
            "jae 3f",
            "ret",
            // An error after which nothing more is tried is answered here.
            "3:",
            "mov ecx, eax",
            "neg ecx",
            "cmp ecx, {last_error}",
            "ja 7f",
            "bt dword ptr [rip + {errors}], ecx",
            "jc 7f",
            "mov rax, [rip + __errno_location@GOTPCREL]",
            "test rax, rax",
            "je 7f",
            "push rcx",
            ".cfi_adjust_cfa_offset 8",
            "call rax",
            "pop rcx",
            ".cfi_adjust_cfa_offset -8",
            "mov [rax], ecx",
            "mov rax, -1",
            "ret",
            "7:",
            "mov rax, rcx",
            "neg rax",
            "mov rcx, r10",
            "cmp rax, -{eintr}",
            "jne 6f",
            "call {test_cancel}",
            "6:",
            "lea r11, [rip + {answer_error}]",
            "jmp {enter}",
            "4:",
            "mov r10, rcx",
            "jmp 2b",
            "5:",
            "call {test_cancel}",
            "lea r11, [rip + {answer}]",
            "jmp {enter}",
            ".cfi_endproc",
            cancel_address = sym TEST_CANCEL,
            no_cancel = const NO_TEST_CANCEL,
            errors = sym HANDLED_ERRORS,
            last_error = const HandledErrors::LAST,
            $($operands)*
        )
    };
}

/// As on x86-64.
#[cfg(target_arch = "aarch64")]
macro_rules! instructions {
    ($($operands:tt)*) => {
        naked_asm!(
            ".cfi_startproc",
            "stp x29, x30, [sp, #-16]!",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset 29, -16",
            ".cfi_offset 30, -8",
            "bl {test_cancel}",
            "cbnz w5, 3f",
            "adrp x16, {routes} + {bypass}",
            "add x16, x16, :lo12:{routes} + {bypass}",
            "ldrb w16, [x16]",
            "cbz w16, 3f",
            "adrp x5, {cookie}",
            "ldr x5, [x5, :lo12:{cookie}]",
            "mov x17, x0",
            "mov x8, #{number}",
            "svc 0",
            "cmn x0, #4095",
            "b.hs 2f",
            ".cfi_remember_state",
            "ldp x29, x30, [sp], #16",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore 29",
            ".cfi_restore 30",
            "ret",
            ".cfi_restore_state",
            "2:",
            "mov x6, x0",
            "mov x0, x17",
            "cmn x6, #{eintr}",
            "b.ne 4f",
            "bl {test_cancel}",
            "4:",
            "adrp x16, {answer_error}",
            "add x16, x16, :lo12:{answer_error}",
            "b 5f",
            "3:",
            "adrp x16, {answer}",
            "add x16, x16, :lo12:{answer}",
            "5:",
            "ldp x29, x30, [sp], #16",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore 29",
            ".cfi_restore 30",
            "b {enter}",
            ".cfi_endproc",
            $($operands)*
        )
    };
}

use instructions;

extern "C" fn answer(frame: &mut Frame) {
    dispatch(Hook::CopyFileRange, frame);
}

extern "C" fn answer_error(frame: &mut Frame) {
    after_kernel_error(Hook::CopyFileRange, frame);
}

//! The way of a call from the host's frame into Rust and back, written in instructions.
//!
//! A thread that is cancelled unwinds its stack (pthreads(7)), and a Rust frame must not be unwound.
//! So [`enter`] defers cancellation before the first Rust function, and what may unwind comes after
//! the last one: giving back the thread's cancelability type, calling the next library, and raising
//! a signal. The *type* is changed, not the state: a host that leaves our frames by siglongjmp(3)
//! from a signal handler keeps a thread that can be cancelled; and glibc 2.36 loses the thread's
//! result if a pending cancellation takes effect when the state is restored. Only the next library's
//! function is called with the state changed, if Rust calls it (`cfr_sys::NextCopy::call`).
//!
//! A C library without these functions, or a process without threads, has nothing to defer.

use super::error_of;
use crate::route::{NO_TEST_CANCEL, TEST_CANCEL};
use cfr_engine::call::Answer;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, GETPID, GETTID, OffsetPointer, SavedErrno, TGKILL};
use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use core::mem::offset_of;

/// A Rust function that carries out the call of a hook, in place of the C library's function.
pub(crate) type Handler = extern "C" fn(&mut Frame);

/// One call on its way through [`enter`].
#[repr(C)]
pub(crate) struct Frame {
    /// The integer arguments, as the host passed them in registers.
    arguments: [usize; 6],
    /// On entry a word of the hook's own: what the kernel has returned, if the hook has made the system
    /// call already, or where the arguments after the sixth are. Afterwards what the hook returns.
    result: isize,
    /// Where errno is stored last of all, after a signal's handler.
    errno_address: *mut c_int,
    errno: c_int,
    /// A signal to raise in the calling thread; 0 for none.
    signal: c_int,
    /// A function that answers the call with the same arguments; NULL for none.
    next: *const c_void,
    /// The handler for an error of that function.
    on_error: Option<Handler>,
    handler: Handler,
    /// The thread's cancelability type.
    cancel_type: c_int,
}

impl Frame {
    /// Returns the arguments, as many as the hook has.
    pub(crate) fn arguments(&self) -> [usize; 6] {
        self.arguments
    }

    /// Returns the arguments of copy_file_range(2). The upper halves of arguments of type `int` are
    /// not looked at.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "as the kernel does"
    )]
    pub(crate) fn copy_arguments(&self) -> Args {
        let [fd_in, off_in, fd_out, off_out, len, flags] = self.arguments;
        Args {
            fd_in: fd_in as c_int,
            off_in: OffsetPointer::new(off_in as *mut i64),
            fd_out: fd_out as c_int,
            off_out: OffsetPointer::new(off_out as *mut i64),
            len,
            flags: flags as u32,
        }
    }

    /// Returns the error that the kernel has answered the call with.
    pub(crate) fn error(&self) -> Errno {
        error_of(self.result)
    }

    /// Returns where the arguments after the sixth are, for a function that has such.
    pub(crate) fn more_arguments(&self) -> *const usize {
        core::ptr::with_exposed_provenance(self.result.cast_unsigned())
    }

    /// Answers the call: the result, or −1 and errno, which else gets the value that it had. Then
    /// `signal` is raised.
    #[inline(always)]
    pub(crate) fn answer(&mut self, answer: Answer, errno: SavedErrno, signal: Option<c_int>) {
        (self.errno_address, self.errno) = errno.into_parts();
        self.signal = signal.unwrap_or(0);
        self.result = match answer {
            // At most MAX_RW_COUNT or SSIZE_MAX: copy_file_range(2).
            Ok(count) => isize::try_from(count).unwrap_or(isize::MAX),
            Err(errno) => {
                self.errno = errno.0;
                -1
            }
        };
    }

    /// Has the function at `next` answer the call, as if the host had called it. If that fails with −1
    /// and there is `on_error`, that handler answers instead.
    pub(crate) fn call_next(&mut self, next: *const c_void, on_error: Option<Handler>) {
        (self.errno_address, self.errno) = SavedErrno::save().into_parts();
        self.next = next;
        self.on_error = on_error;
    }

    /// Puts errno back to its value before the next library was called, and returns the error of that
    /// call.
    pub(crate) fn take_next_error(&self) -> Errno {
        let error = sys::errno();
        sys::set_errno(Errno(self.errno));
        error
    }
}

/// Acts on a pending cancellation (pthread_testcancel(3)), which may unwind the stack. The
/// registers that hold arguments, and rax, stay as they are.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(crate) extern "C" fn test_cancel() {
    naked_asm!(
        ".cfi_startproc",
        "cmp qword ptr [rip + {address}], {none}",
        "je 2f",
        "sub rsp, 64",
        ".cfi_adjust_cfa_offset 64",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        "mov [rsp + 48], rax",
        "call [rip + {address}]",
        "mov rdi, [rsp]",
        "mov rsi, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "mov rcx, [rsp + 24]",
        "mov r8, [rsp + 32]",
        "mov r9, [rsp + 40]",
        "mov rax, [rsp + 48]",
        "add rsp, 64",
        ".cfi_adjust_cfa_offset -64",
        "2:",
        "ret",
        ".cfi_endproc",
        address = sym TEST_CANCEL,
        none = const NO_TEST_CANCEL,
    )
}

/// As on x86-64: x0 to x6 stay as they are.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(crate) extern "C" fn test_cancel() {
    naked_asm!(
        ".cfi_startproc",
        "adrp x16, {address}",
        "ldr x16, [x16, :lo12:{address}]",
        "cmp x16, #{none}",
        "b.eq 2f",
        "stp x29, x30, [sp, #-80]!",
        ".cfi_def_cfa_offset 80",
        ".cfi_offset 29, -80",
        ".cfi_offset 30, -72",
        "mov x29, sp",
        "stp x0, x1, [sp, #16]",
        "stp x2, x3, [sp, #32]",
        "stp x4, x5, [sp, #48]",
        "str x6, [sp, #64]",
        "blr x16",
        "ldp x0, x1, [sp, #16]",
        "ldp x2, x3, [sp, #32]",
        "ldp x4, x5, [sp, #48]",
        "ldr x6, [sp, #64]",
        "ldp x29, x30, [sp], #80",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore 29",
        ".cfi_restore 30",
        "2:",
        "ret",
        ".cfi_endproc",
        address = sym TEST_CANCEL,
        none = const NO_TEST_CANCEL,
    )
}

/// The stack of [`enter`]: the frame, and on x86-64 the return address that the host has pushed.
#[cfg(target_arch = "x86_64")]
const STACK: usize = size_of::<Frame>();
#[cfg(target_arch = "x86_64")]
const _: () = assert!((STACK + 8).is_multiple_of(16), "the stack must be aligned at a call");

/// Carries a call out by a handler. A hook jumps here as soon as it has left its own stack frame, so
/// that the return address is the host's: with the host's arguments in their registers, the handler in
/// r11, and in rax the kernel's error, if the handler answers errors.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(crate) extern "C" fn enter() {
    naked_asm!(
        ".weak pthread_setcanceltype",
        ".cfi_startproc",
        "sub rsp, {stack}",
        ".cfi_adjust_cfa_offset {stack}",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        "mov [rsp + {result}], rax",
        // Defers cancellation, and lets the handler answer.
        "2:",
        "mov [rsp + {handler}], r11",
        "xor edi, edi",
        "mov [rsp + {signal}], edi",
        "mov [rsp + {next}], rdi",
        "mov [rsp + {on_error}], rdi",
        "mov [rsp + {cancel_type}], edi",
        "mov rax, [rip + pthread_setcanceltype@GOTPCREL]",
        "test rax, rax",
        "je 3f",
        "lea rsi, [rsp + {cancel_type}]",
        "call rax",
        "3:",
        "mov rdi, rsp",
        "call [rsp + {handler}]",
        // Gives back the type, which may unwind. Nearly every thread has the deferred type, 0.
        "mov edi, [rsp + {cancel_type}]",
        "test edi, edi",
        "je 4f",
        "lea rsi, [rsp + {cancel_type}]",
        "call [rip + pthread_setcanceltype@GOTPCREL]",
        "4:",
        "cmp qword ptr [rsp + {next}], 0",
        "jne 6f",
        "cmp dword ptr [rsp + {signal}], 0",
        "jne 7f",
        "5:",
        "mov rax, [rsp + {result}]",
        "mov rcx, [rsp + {errno_address}]",
        "mov edx, [rsp + {errno}]",
        "mov [rcx], edx",
        // The offset is absolute from here on: LLVM's assembler adjusts it from its value before
        // `.cfi_restore_state`.
        ".cfi_remember_state",
        "add rsp, {stack}",
        ".cfi_def_cfa_offset 8",
        "ret",
        // Calls the next library as the host would: rax is the number of vector registers of a variadic
        // function's arguments.
        ".cfi_restore_state",
        "6:",
        "mov rdi, [rsp]",
        "mov rsi, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "mov rcx, [rsp + 24]",
        "mov r8, [rsp + 32]",
        "mov r9, [rsp + 40]",
        "xor eax, eax",
        "call [rsp + {next}]",
        "mov r11, [rsp + {on_error}]",
        "test r11, r11",
        "je 8f",
        "test rax, rax",
        "js 2b",
        "8:",
        ".cfi_remember_state",
        "add rsp, {stack}",
        ".cfi_def_cfa_offset 8",
        "ret",
        // Sends the signal to this thread (tgkill(2)). Its handler may leave by siglongjmp(3) or unwind.
        ".cfi_restore_state",
        "7:",
        "mov eax, {getpid}",
        "syscall",
        "mov edi, eax",
        "mov eax, {gettid}",
        "syscall",
        "mov esi, eax",
        "mov edx, [rsp + {signal}]",
        "mov eax, {tgkill}",
        "syscall",
        "jmp 5b",
        ".cfi_endproc",
        stack = const STACK,
        result = const offset_of!(Frame, result),
        errno_address = const offset_of!(Frame, errno_address),
        errno = const offset_of!(Frame, errno),
        signal = const offset_of!(Frame, signal),
        next = const offset_of!(Frame, next),
        on_error = const offset_of!(Frame, on_error),
        handler = const offset_of!(Frame, handler),
        cancel_type = const offset_of!(Frame, cancel_type),
        getpid = const GETPID,
        gettid = const GETTID,
        tgkill = const TGKILL,
    )
}

/// The stack of [`enter`]: its caller's frame pointer and return address, and the frame.
#[cfg(target_arch = "aarch64")]
const STACK: usize = (SAVED + size_of::<Frame>()).next_multiple_of(16);
#[cfg(target_arch = "aarch64")]
const SAVED: usize = 16;

/// Carries a call out by a handler: as on x86-64, with the handler in x16, and the kernel's error in
/// x6.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(crate) extern "C" fn enter() {
    naked_asm!(
        ".weak pthread_setcanceltype",
        ".cfi_startproc",
        "stp x29, x30, [sp, #-{stack}]!",
        ".cfi_def_cfa_offset {stack}",
        ".cfi_offset 29, -{stack}",
        ".cfi_offset 30, -({stack} - 8)",
        "mov x29, sp",
        "stp x0, x1, [sp, {saved}]",
        "stp x2, x3, [sp, {saved} + 16]",
        "stp x4, x5, [sp, {saved} + 32]",
        "str x6, [sp, {result}]",
        // Defers cancellation, and lets the handler answer.
        "2:",
        "str x16, [sp, {handler}]",
        "str wzr, [sp, {signal}]",
        "str xzr, [sp, {next}]",
        "str xzr, [sp, {on_error}]",
        "str wzr, [sp, {cancel_type}]",
        "adrp x16, :got:pthread_setcanceltype",
        "ldr x16, [x16, :got_lo12:pthread_setcanceltype]",
        "cbz x16, 3f",
        "mov w0, wzr",
        "add x1, sp, {cancel_type}",
        "blr x16",
        "3:",
        "add x0, sp, {saved}",
        "ldr x16, [sp, {handler}]",
        "blr x16",
        // Gives back the type, which may unwind. Nearly every thread has the deferred type, 0.
        "ldr w0, [sp, {cancel_type}]",
        "cbz w0, 4f",
        "add x1, sp, {cancel_type}",
        "adrp x16, :got:pthread_setcanceltype",
        "ldr x16, [x16, :got_lo12:pthread_setcanceltype]",
        "blr x16",
        "4:",
        "ldr x16, [sp, {next}]",
        "cbnz x16, 6f",
        "ldr w2, [sp, {signal}]",
        "cbnz w2, 7f",
        "5:",
        "ldr x0, [sp, {result}]",
        "ldr x1, [sp, {errno_address}]",
        "ldr w2, [sp, {errno}]",
        "str w2, [x1]",
        "8:",
        ".cfi_remember_state",
        "ldp x29, x30, [sp], {stack}",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore 29",
        ".cfi_restore 30",
        "ret",
        // Calls the next library as the host would.
        ".cfi_restore_state",
        "6:",
        "ldp x0, x1, [sp, {saved}]",
        "ldp x2, x3, [sp, {saved} + 16]",
        "ldp x4, x5, [sp, {saved} + 32]",
        "blr x16",
        "ldr x16, [sp, {on_error}]",
        "cbz x16, 8b",
        "tbz x0, 63, 8b",
        "b 2b",
        // Sends the signal to this thread (tgkill(2)). Its handler may leave by siglongjmp(3) or unwind.
        "7:",
        "mov x8, {getpid}",
        "svc 0",
        "mov w3, w0",
        "mov x8, {gettid}",
        "svc 0",
        "mov w1, w0",
        "mov w0, w3",
        "mov x8, {tgkill}",
        "svc 0",
        "b 5b",
        ".cfi_endproc",
        stack = const STACK,
        saved = const SAVED,
        result = const SAVED + offset_of!(Frame, result),
        errno_address = const SAVED + offset_of!(Frame, errno_address),
        errno = const SAVED + offset_of!(Frame, errno),
        signal = const SAVED + offset_of!(Frame, signal),
        next = const SAVED + offset_of!(Frame, next),
        on_error = const SAVED + offset_of!(Frame, on_error),
        handler = const SAVED + offset_of!(Frame, handler),
        cancel_type = const SAVED + offset_of!(Frame, cancel_type),
        getpid = const GETPID,
        gettid = const GETTID,
        tgkill = const TGKILL,
    )
}

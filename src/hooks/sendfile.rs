//! The hooks `sendfile` and `sendfile64`: sendfile(2) into regular files and block devices, which
//! many programs still copy with.
#![expect(unsafe_code, reason = "exports C symbols and reads the host's registers")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use super::dispatch_forwarded;
use super::entry::{Frame, enter};
use crate::route::{self, NEXT_SENDFILE, NEXT_SENDFILE64, ROUTES, Route};
use cfr_engine::hook::Hook;
use cfr_observe::{AsMade, Sendfile};
use cfr_sys::{NextSymbol, OffsetPointer};
use core::arch::naked_asm;
use core::ffi::c_int;

/// A call that is neither intercepted nor made here goes to the next library's function, if it is
/// known.
#[cfg(target_arch = "x86_64")]
macro_rules! instructions {
    ($($operands:tt)*) => {
        naked_asm!(
            ".cfi_startproc",
            "cmp byte ptr [rip + {routes} + {route}], {intercept}",
            "jae 2f",
            "mov rax, [rip + {next}]",
            "test rax, rax",
            "je 2f",
            "jmp rax",
            "2:",
            "lea r11, [rip + {answer}]",
            "jmp {enter}",
            ".cfi_endproc",
            routes = sym ROUTES,
            intercept = const Route::Intercept as u8,
            enter = sym enter,
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
            "adrp x16, {routes} + {route}",
            "add x16, x16, :lo12:{routes} + {route}",
            "ldrb w16, [x16]",
            "cmp w16, #{intercept}",
            "b.hs 2f",
            "adrp x16, {next}",
            "ldr x16, [x16, :lo12:{next}]",
            "cbz x16, 2f",
            "br x16",
            "2:",
            "adrp x16, {answer}",
            "add x16, x16, :lo12:{answer}",
            "b {enter}",
            ".cfi_endproc",
            routes = sym ROUTES,
            intercept = const Route::Intercept as u8,
            enter = sym enter,
            $($operands)*
        )
    };
}

/// sendfile(2).
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sendfile(
    out_fd: c_int,
    in_fd: c_int,
    offset: *mut i64,
    count: usize,
) -> isize {
    instructions!(
        route = const route::offset_of_route(Hook::Sendfile),
        next = sym NEXT_SENDFILE,
        answer = sym answer,
    )
}

/// sendfile(2) with 64-bit offsets. On the architectures of this library `off_t` has 64 bits too, so
/// both are the same.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sendfile64(
    out_fd: c_int,
    in_fd: c_int,
    offset: *mut i64,
    count: usize,
) -> isize {
    instructions!(
        route = const route::offset_of_route(Hook::Sendfile64),
        next = sym NEXT_SENDFILE64,
        answer = sym answer64,
    )
}

extern "C" fn answer(frame: &mut Frame) {
    send(Hook::Sendfile, &NEXT_SENDFILE, frame);
}

extern "C" fn answer64(frame: &mut Frame) {
    send(Hook::Sendfile64, &NEXT_SENDFILE64, frame);
}

fn send(hook: Hook, next: &'static NextSymbol, frame: &mut Frame) {
    let [out_fd, in_fd, offset, count, ..] = frame.arguments();
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "each an int")]
    let (out_fd, in_fd) = (out_fd as c_int, in_fd as c_int);
    let offset = OffsetPointer::new(offset as *mut i64);
    let call = Sendfile { hook, out_fd, in_fd, offset, count, next: Some(next), kernel: AsMade };
    dispatch_forwarded(&call, frame);
}

//! What a program without std must define: an allocator, what happens after a panic, and how an unwinder
//! passes its frames.
//!
//! No panic is left in the released library (tests/repository/panics.rs). The handler is for builds by
//! another compiler, whose optimizer may not see that a check cannot fail. It is defined here because an
//! undefined symbol would end every program at load.
#![expect(unsafe_code, reason = "defines symbols by instruction")]

use cfr_sys::{self as sys, NoHeap};
use core::panic::PanicInfo;

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    sys::abort()
}

// Without link-time optimisation (the profile dev) functions of core refer to the unwinder, which is not
// linked. Nothing panics its way through their frames; what passes them is a cancellation or another
// language's exception, and it goes on to the next frame: _URC_CONTINUE_UNWIND is 8. Both symbols are
// local to the library.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".hidden rust_eh_personality",
    ".weak rust_eh_personality",
    "rust_eh_personality:",
    "mov eax, 8",
    "ret",
    ".hidden _Unwind_Resume",
    ".weak _Unwind_Resume",
    "_Unwind_Resume:",
    "ud2",
);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".hidden rust_eh_personality",
    ".weak rust_eh_personality",
    "rust_eh_personality:",
    "mov w0, #8",
    "ret",
    ".hidden _Unwind_Resume",
    ".weak _Unwind_Resume",
    "_Unwind_Resume:",
    "udf #0",
);

//! How a process leaves: exit(3) and a return from `main` come by here in the end, `_exit` and `_Exit`
//! first of all. Only for the summary; nothing else is done to them.
#![expect(unsafe_code, reason = "exports C symbols, and a function for the dynamic linker to call")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use crate::route::NEXT_EXIT;
use crate::summary;
use core::ffi::c_int;

/// Called when the process ends by exit(3), after the functions of atexit(3).
#[used]
// SAFETY: the section holds pointers to functions of this type (elf(5), `.fini_array`).
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = {
    extern "C" fn at_exit() {
        summary::write();
    }
    at_exit
};

/// _exit(2).
#[unsafe(no_mangle)]
pub extern "C" fn _exit(status: c_int) -> ! {
    leave(status)
}

/// _Exit(3), which is the same.
#[unsafe(no_mangle)]
pub extern "C" fn _Exit(status: c_int) -> ! {
    leave(status)
}

fn leave(status: c_int) -> ! {
    summary::write();
    NEXT_EXIT.call(status)
}

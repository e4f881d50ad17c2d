//! The ends of a process at which its summary is written: exit(3), a return from `main`, `_exit` and
//! `_Exit`. Nothing else is done there.
#![expect(unsafe_code, reason = "exports C symbols, and a function for the dynamic linker to call")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use crate::route::NEXT_EXIT;
use crate::summary;
use cfr_sys as sys;
use core::ffi::c_int;

/// Runs when the process ends by exit(3), after the functions of atexit(3).
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
    summarize_and_exit(status)
}

/// _Exit(3), which does the same as _exit(2).
#[unsafe(no_mangle)]
pub extern "C" fn _Exit(status: c_int) -> ! {
    summarize_and_exit(status)
}

fn summarize_and_exit(status: c_int) -> ! {
    summary::write();
    sys::call_next_exit(&NEXT_EXIT, status)
}

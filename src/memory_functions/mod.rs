//! The memory functions that compiled code calls: memcpy, memmove, memset, memcmp, bcmp and strlen.
//!
//! Those of a process may belong to a sanitizer, which follows the memory of the program. It knows
//! nothing of the library's locks, so ThreadSanitizer would report a race for each page of the log
//! that two threads use in turn. These are hidden: only this library calls them.
#![expect(unsafe_code, reason = "the linker knows these functions by their names")]

use core::arch::global_asm;

#[cfg(target_arch = "x86_64")]
global_asm!(include_str!("x86_64.s"));
#[cfg(target_arch = "aarch64")]
global_asm!(include_str!("aarch64.s"));

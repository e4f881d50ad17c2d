//! The cookie: a number that tells the launcher's seccomp filter which calls the library has made.
//!
//! It is the upper half of the sixth argument of copy_file_range(2), sendfile(2) and the ioctl(2)
//! requests that share blocks. In the kernel `flags` has 32 bits, and the other two have no sixth
//! argument (`SYSCALL_DEFINE6(copy_file_range)` and `SYSCALL_DEFINE4(sendfile64)` in
//! fs/read_write.c, `SYSCALL_DEFINE3(ioctl)` in fs/ioctl.c): without a filter it changes nothing.

use core::sync::atomic::{AtomicUsize, Ordering};

/// The cookie, in the upper half of the word; 0 if there is none. The hooks that are written in
/// instructions load it.
// Not in .bss, although it is 0: there it would cost a page fault in every process that copies.
#[unsafe(link_section = ".data")]
pub static COOKIE: AtomicUsize = AtomicUsize::new(0);

/// Sets the cookie of all later calls.
pub fn set_cookie(cookie: u32) {
    COOKIE.store((cookie as usize) << u32::BITS, Ordering::Relaxed);
}

/// Returns the sixth argument of a call of the library's own whose other bits there are 0.
#[inline(always)]
pub(crate) fn cookie() -> usize {
    COOKIE.load(Ordering::Relaxed)
}

//! The user who runs the tests.

/// Reports whether the tests run as root.
pub fn is_root() -> bool {
    // SAFETY: no arguments.
    unsafe { libc::geteuid() == 0 }
}

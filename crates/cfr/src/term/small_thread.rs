//! Threads of the launcher that run beside the program.

use std::thread::Builder;

/// Their stack, in bytes. With Rust's 2 MiB each, a few would not fit below a limit on the address space
/// (RLIMIT_AS) below which the program runs.
const STACK: usize = 256 << 10;

/// Returns what starts a thread with a small stack. Starting it fails if the user may have no more
/// threads, or if there is no room for it.
pub(crate) fn small_thread() -> Builder {
    Builder::new().stack_size(STACK)
}

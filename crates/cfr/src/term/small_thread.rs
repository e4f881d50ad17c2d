//! Threads of the launcher that run beside the program, and the memory that they may take.

use cfr_sys as sys;
use std::io;
use std::thread::{Builder, JoinHandle};

/// Their stack, in bytes. With Rust's 2 MiB each, a few would not fit below a limit on the address space
/// (RLIMIT_AS) below which the program runs.
const STACK: usize = 256 << 10;

/// The memory that is left for what must succeed, in bytes: Rust ends a process that cannot allocate.
const RESERVE: usize = 1 << 20;

/// Starts a thread with a small stack. Fails if the user may have no more threads, or if there is no
/// room for it.
pub(crate) fn small_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    check_room(STACK)?;
    Builder::new().stack_size(STACK).spawn(work)
}

/// Fails with ENOMEM if `bytes` more would leave too little memory for the launcher.
pub(crate) fn check_room(bytes: usize) -> io::Result<()> {
    sys::spare_addresses();
    let reserved = Vec::<u8>::new().try_reserve_exact(bytes.saturating_add(RESERVE));
    reserved.map_err(|_| io::ErrorKind::OutOfMemory.into())
}

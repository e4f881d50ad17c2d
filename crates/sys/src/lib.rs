//! Linux system calls, errno, signals and the host's pointers: the only crate with unsafe code
//! beside the hooks.
//!
//! System calls are made by instruction, not through the C library: its `syscall` is one of our own
//! hooks, and its wrappers are cancellation points, set errno and may be replaced by another
//! preloaded library. Each function documents the arguments that it accepts. No function allocates,
//! locks or sets errno, so each may be called in a signal handler.
//!
//! A file uses only files that are above it in this list.
#![no_std]
#![doc(html_no_source)]
#![expect(unsafe_code, reason = "makes the system calls; every block says on what it relies")]

#[cfg(test)]
extern crate std;

pub mod errno;

pub mod signal_name;

mod raw;

mod cookie;

mod weak;

mod text;

mod once;

mod try_lock;

mod thread;

mod auxv;

mod environment;

mod vdso;

mod clock;

pub mod other_process;

mod process;

mod signal;

mod file;

mod mapping;

mod memory;

mod fd_info;

mod reader;

mod page_cache;

mod fiemap;

mod pipe;

mod copy_file_range;

mod ioctl;

mod sendfile;

mod range;

mod next_library;

pub mod seccomp;

pub use libc::{SIGXFSZ, ssize_t};

pub use clock::{both_ns, monotonic_ns, realtime_ns, sleep_until};
pub use cookie::{COOKIE, set_cookie};
pub use copy_file_range::{
    Args, COPY_FILE_RANGE, MAX_RW_COUNT, OffsetPointer, copy_file_range, copy_file_range_unmarked,
    read_checked_offset, read_offset, read_writable_offset, write_checked_offset, write_offset,
};
pub use environment::{Environment, environment};
pub use fd_info::{
    FileKind, Filesystem, FilesystemKind, OpenFlags, Seals, Stat, are_limits_compared, filesystem,
    has_swap_space, is_copy_file_range_missing, is_nocow, is_one_swap_file, is_same_description,
    open_flags, seals, stat, zero_length_copy, zero_length_copy_at,
};
pub use fiemap::{
    DataMap, FiemapMode, Sharing, has_blocks_from, is_beyond_filesystem, shares_blocks,
};
pub use file::{
    Identity, Opened, Readiness, close, close_from, duplicate_high, file_offset, file_size, getcwd,
    identify, is_terminal, open_append, readlink_fd, readlink_fd_in, reopen, set_file_offset, wait,
    wait_writable, write, write_at_end, write_no_wait,
};
pub use ioctl::{
    FICLONE, FICLONERANGE, FIDEDUPERANGE, FileCloneRange, FileDedupeRange, FileDedupeRangeInfo,
    IOCTL, IoctlArg, ioctl,
};
pub use mapping::{
    Mark, STATS_REQUEST, map_bytes, map_shared, map_shared_by_supervisor, map_value,
    map_zeroed_on_fork, prefetch_for_write,
};
pub use memory::{Buffers, NoHeap, spare_addresses};
pub use next_library::{NextCopy, NextSymbol, call_next_exit, call_next_ioctl, call_next_sendfile};
pub use once::{Current, MadeOnce, OnceBytes, OnceRef, SetOnce};
pub use page_cache::{page_size, pages_of, pages_present, populate};
pub use pipe::Pipe;
pub use process::{
    NO_LIMIT, execfn, exit, file_size_limit, getpid, has_ended, is_secure, pid_namespace,
};
pub use range::{
    Deduped, Range, clone_range, copy_range, dedupe_range, extend, kernel_allows_writing,
    preallocate, punch_hole, read_at, write_at,
};
pub use reader::Reader;
pub use sendfile::sendfile;
pub use signal::{
    BlockedSignals, SignalMask, WriteSignalGuard, abort, discard_pending, ends_process, ignore,
    interrupt_calls_on, raise, reset,
};
pub use text::Text;
pub use thread::{
    GETPID, GETTID, SavedErrno, TGKILL, comm, errno, gettid, name_in, run_when_idle, set_errno,
    test_cancel_address, thread_key, yield_now,
};
pub use try_lock::{TryLock, TryLockGuard};

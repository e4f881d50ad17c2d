//! Every system call, every touch of errno and every foreign pointer: the unsafe floor of the house.
//!
//! System calls are made by instruction, not through the C library: its `syscall` is one of our
//! own hooks, its wrappers are cancellation points, set errno and may be another preload's. Each
//! function here says in its type what it may be given; none of them allocates, locks or sets
//! errno, so each may be called in a signal handler.
//!
//! A file uses only what stands above it in this list.
#![no_std]
#![doc(html_no_source)]
#![expect(unsafe_code, reason = "makes the system calls; every block says on what it relies")]

#[cfg(test)]
extern crate std;

pub mod errno;
pub mod signal_name;

mod copy;
mod fd_info;
mod fiemap;
mod file;
mod host;
mod memory;
mod next;
mod pages;
mod pipe;
mod raw;
mod reader;
mod share;
mod text;
mod thread;
mod transfer;

pub use libc::{SIGXFSZ, ssize_t};

pub use copy::{
    Args, COPY_FILE_RANGE, NextCopy, OffsetPointer, copy_file_range, read_offset,
    read_writable_offset, write_checked_offset, write_offset,
};
pub use fd_info::{
    FileKind, Filesystem, FilesystemKind, OpenFlags, Stat, filesystem, is_copy_file_range_missing,
    is_immutable, is_same_description, is_swap_file, open_flags, seals, stat, zero_length_copy,
    zero_length_copy_at,
};
pub use fiemap::{FiemapMode, Sharing, is_beyond_filesystem, next_data, shares_blocks};
pub use file::{
    Identity, Opened, Readiness, close, duplicate_high, file_offset, getcwd, identify, is_terminal,
    open_append, readlink_fd, set_file_offset, wait_writable, write, write_at_end, write_no_wait,
};
pub use host::{
    environment, execfn, exit, is_secure, map_shared, map_zeroed_on_fork, monotonic_ns,
    next_copy_file_range, realtime_ns,
};
pub use memory::{Arena, Buffers, OnceBytes, SetOnce};
pub use next::{NextExit, NextIoctl, NextSendfile, NextSymbol};
pub use pages::{pages_of, pages_present};
pub use pipe::Pipe;
pub use reader::Reader;
pub use share::{
    FICLONE, FICLONERANGE, FIDEDUPERANGE, FileCloneRange, FileDedupeRange, FileDedupeRangeInfo,
    IOCTL, IoctlArg, ioctl, sendfile,
};
pub use text::Text;
pub use thread::{
    BlockedSignals, SavedCancelType, SavedErrno, WriteSignalGuard, comm, errno, file_size_limit,
    getpid, gettid, has_file_size_limit, ignore, raise, set_errno, sleep_until, test_cancel,
    thread_key, yield_now,
};
pub use transfer::{
    Deduped, Range, clone_range, copy_range, dedupe_range, extend, preallocate, punch_hole,
    read_at, write_at,
};

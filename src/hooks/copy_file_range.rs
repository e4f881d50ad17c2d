//! The hook `copy_file_range`: the C library's wrapper of copy_file_range(2).
#![expect(unsafe_code, reason = "exports a C symbol")]
#![expect(unreachable_pub, reason = "cbindgen and the linker look for what is public")]

use super::{after_error, dispatch, encode};
use crate::route;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, OffsetPointer, ssize_t};
use core::ffi::{c_int, c_uint};

/// Copies `len` bytes from `fd_in` to `fd_out` as copy_file_range(2) tells, or as the dialect in
/// force has it.
///
/// `off_in` and `off_out` point to offsets in bytes, which move by the bytes copied, or are NULL
/// for the descriptors' own offsets. `flags` is 0, or one of COPY_FR_COPY, COPY_FR_REFLINK and
/// COPY_FR_DEDUP where the dialect knows them, as the default does: libcfr(7).
///
/// Returns the bytes copied or shared, maybe fewer than `len`, and 0 at the end of the source; or
/// -1 with errno set: EFAULT for a pointer that cannot be used, EOPNOTSUPP and EXDEV where blocks
/// cannot be shared, EILSEQ where ranges that were to be deduplicated differ, and those of
/// copy_file_range(2). A cancellation point.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn copy_file_range(
    fd_in: c_int,
    off_in: *mut i64,
    fd_out: c_int,
    off_out: *mut i64,
    len: usize,
    flags: c_uint,
) -> ssize_t {
    let kept = Args {
        fd_in,
        off_in: OffsetPointer::new(off_in),
        fd_out,
        off_out: OffsetPointer::new(off_out),
        len,
        flags,
    };
    sys::test_cancel();
    let args = kept.from_memory();
    if !route::bypasses(Hook::CopyFileRange, args.flags) {
        return dispatch(Hook::CopyFileRange, &kept);
    }
    match sys::copy_file_range(&args) {
        Ok(count) => encode(Ok(count)),
        Err(errno) => after_interrupt_or_error(&kept, errno),
    }
}

#[cold]
#[inline(never)]
fn after_interrupt_or_error(args: &Args, errno: Errno) -> isize {
    if errno == Errno::EINTR {
        // Nothing was copied, so nothing is lost if a cancellation interrupted the call.
        sys::test_cancel();
    }
    after_error(Hook::CopyFileRange, args, errno)
}

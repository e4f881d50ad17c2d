//! The hook `copy_file_range`: the C library's wrapper of copy_file_range(2).
#![expect(unsafe_code, reason = "exports a C symbol")]
#![expect(unreachable_pub, reason = "cbindgen and the linker look for what is public")]

use super::{after_error, dispatch, encode};
use crate::route;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, OffsetPointer, ssize_t};
use core::ffi::{c_int, c_uint};

/// Copies up to `len` bytes from `fd_in` to `fd_out`, by the rules of copy_file_range(2) or of the
/// dialect in force (libcfr(7)).
///
/// `off_in` and `off_out` point to offsets in bytes, which move by the bytes copied, or are NULL
/// to use the file offsets of the descriptors. `flags` is 0 or, if the dialect knows it, one of
/// COPY_FR_COPY, COPY_FR_REFLINK and COPY_FR_DEDUP. The default dialect knows all three.
///
/// Returns the bytes copied or shared, which may be fewer than `len`; 0 at the end of the source;
/// or -1 with errno set: EFAULT if a pointer cannot be used, EOPNOTSUPP or EXDEV if blocks cannot
/// be shared, EILSEQ if ranges to be deduplicated differ, and the errors of copy_file_range(2).
/// This function is a cancellation point.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn copy_file_range(
    fd_in: c_int,
    off_in: *mut i64,
    fd_out: c_int,
    off_out: *mut i64,
    len: usize,
    flags: c_uint,
) -> ssize_t {
    let given = Args {
        fd_in,
        off_in: OffsetPointer::new(off_in),
        fd_out,
        off_out: OffsetPointer::new(off_out),
        len,
        flags,
    };
    sys::test_cancel();
    let args = given.from_memory();
    if !route::bypasses(Hook::CopyFileRange, args.flags) {
        return dispatch(Hook::CopyFileRange, &given);
    }
    match sys::copy_file_range(&args) {
        Ok(count) => encode(Ok(count)),
        Err(errno) => after_interrupt_or_error(&given, errno),
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

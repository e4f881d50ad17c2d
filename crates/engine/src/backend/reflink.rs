//! Sharing a range's blocks, by FICLONERANGE: all of it, or nothing.

use super::CopyResult;
use crate::call::Method;
use crate::diag::trace_syscall;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Range};

/// Shares the range. EOPNOTSUPP where the filesystem cannot, EXDEV between two of them, EINVAL for
/// a range that does not go by blocks.
pub(crate) fn reflink(range: Range) -> CopyResult {
    // To the ioctl a length of 0 is all that there is.
    if range.len == 0 {
        return CopyResult::done(0, Method::None);
    }
    let shared = sys::clone_range(&range);
    trace_syscall("ioctl FICLONERANGE", range.fd_out, &shared);
    match shared {
        Ok(()) => CopyResult::done(range.len, Method::Reflink),
        // Kernels before 4.5 know the request of btrfs only.
        Err(Errno::ENOTTY | Errno::ENOSYS) => CopyResult::refused(Errno::EOPNOTSUPP),
        Err(errno) => CopyResult::refused(errno),
    }
}

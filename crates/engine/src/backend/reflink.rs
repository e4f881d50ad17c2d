//! Shares the blocks of a range by FICLONERANGE: all of them or none.

use super::CopyResult;
use crate::call::Method;
use crate::diag::trace_syscall;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Range};

/// Shares the range. EOPNOTSUPP if the filesystem does not support it, EXDEV between two
/// filesystems, EINVAL if the range is not block-aligned.
pub(crate) fn reflink(range: Range) -> CopyResult {
    // To the ioctl a length of 0 means up to the end of the source.
    if range.len == 0 {
        return CopyResult::done(0, Method::None);
    }
    let shared = sys::clone_range(&range);
    trace_syscall("ioctl FICLONERANGE", range.fd_out, &shared);
    match shared {
        Ok(()) => CopyResult::done(range.len, Method::Reflink),
        // Kernels before 4.5 have the request for btrfs only.
        Err(Errno::ENOTTY | Errno::ENOSYS) => CopyResult::refused(Errno::EOPNOTSUPP),
        Err(errno) => CopyResult::refused(errno),
    }
}

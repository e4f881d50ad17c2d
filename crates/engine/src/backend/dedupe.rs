//! Shares the blocks of two identical ranges by FIDEDUPERANGE. The kernel compares them while it
//! locks both files.

use super::CopyResult;
use crate::call::Method;
use crate::diag::trace_syscall;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, BlockedSignals, Deduped, Range};

/// Shares as much of the range as is identical from its start on; the kernel takes at most 1 GiB in
/// one call. EILSEQ if the first bytes differ, or if the target, of `target_size` bytes, does not
/// have the range; EOPNOTSUPP if the filesystem does not support it; EINVAL if the range is not
/// block-aligned.
pub(crate) fn dedupe(range: Range, target_size: u64, signals: &BlockedSignals) -> CopyResult {
    let mut bytes = 0;
    while bytes < range.len && !(bytes > 0 && signals.has_pending()) {
        let rest = range.after(bytes);
        let deduped = sys::dedupe_range(&rest);
        trace_syscall("ioctl FIDEDUPERANGE", rest.fd_in, &deduped);
        let refusal = match deduped {
            // The rest is shorter than a block and does not end both files.
            Ok(Deduped::Same(0)) => Errno::EINVAL,
            Ok(Deduped::Same(more)) => {
                bytes = bytes.saturating_add(more.min(rest.len));
                continue;
            }
            Ok(Deduped::Differs) => Errno::EILSEQ,
            Err(Errno::EINVAL) if rest.off_out.saturating_add(rest.len) > target_size => {
                Errno::EILSEQ
            }
            Err(Errno::ENOTTY | Errno::ENOSYS) => Errno::EOPNOTSUPP,
            Err(errno) => errno,
        };
        if bytes == 0 {
            return CopyResult::refused(refusal);
        }
        break;
    }
    CopyResult::done(bytes, if bytes > 0 { Method::Dedupe } else { Method::None })
}

/// Refuses a range without a whole block: with the error that the kernel returns for a request of 0
/// bytes, which makes its other checks, or else with EINVAL.
pub(crate) fn dedupe_no_block(range: Range) -> CopyResult {
    let check = sys::dedupe_range(&range.first(0));
    trace_syscall("ioctl FIDEDUPERANGE of 0 bytes", range.fd_in, &check);
    CopyResult::refused(check.err().unwrap_or(Errno::EINVAL))
}

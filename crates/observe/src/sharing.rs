//! Whether a range shares its blocks (`CFR_SHARED`).

use cfr_engine::call::{Call, Offset, Request};
use cfr_engine::diag::{is_traced, log_trace};
use cfr_sys::{self as sys, Sharing};

/// Asks the filesystem whether the range that was written shares its blocks (FIEMAP). `None` if it
/// does not say, or if the range has no blocks.
#[cold]
pub(crate) fn sharing(call: &Call, bytes: u64) -> Option<(Sharing, u64)> {
    if bytes == 0 {
        return None;
    }
    let start = match (call.request, call.off_out) {
        (Request::Clone, _) => 0,
        (_, Offset::At(bytes)) => bytes.cast_unsigned(),
        (_, Offset::File) => sys::file_offset(call.fd_out).ok()?.saturating_sub(bytes),
        (_, Offset::BadAddress(_)) => return None,
    };
    let sharing = sys::shares_blocks(call.fd_out, start, bytes).ok().flatten();
    if is_traced() {
        let whether = sharing.map(|(sharing, _)| sharing);
        log_trace(format_args!("FIEMAP {}: {whether:?}", call.fd_out));
    }
    sharing
}

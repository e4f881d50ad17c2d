//! Ways to move bytes beside the kernel's copy_file_range. Each takes a [`Range`] that was checked,
//! and returns a [`CopyResult`]; none touches a file offset or a caller's pointer.
//!
//! A file uses only files above it in this list.

mod find_holes;

mod piece_size;

mod pipe;

mod zeros;

mod copy;

mod make_hole;

mod dedupe;

mod reflink;

mod verify;

pub(crate) use copy::{BUFFER_LEN, Transport, copy};
pub(crate) use dedupe::{dedupe, dedupe_no_block};
pub(crate) use find_holes::Holes;
pub(crate) use reflink::reflink;
pub(crate) use verify::{Comparison, verify};

use crate::call::Method;
#[cfg(doc)]
use cfr_sys::Range;
use cfr_sys::errno::Errno;

/// The result of moving a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CopyResult {
    /// Bytes from its start that are in the target.
    pub(crate) bytes: u64,
    /// The error that ended it early.
    pub(crate) error: Option<Errno>,
    pub(crate) method: Method,
    /// Bytes that the kernel counts as written by this process (`wchar` of /proc/PID/io).
    pub(crate) accounted: u64,
}

impl CopyResult {
    /// Creates the result of sharing blocks, without an error.
    fn done(bytes: u64, method: Method) -> CopyResult {
        CopyResult { bytes, error: None, method, accounted: 0 }
    }

    /// Replaces an error for which `means_it` holds by EOPNOTSUPP.
    pub(crate) fn unsupported_if(self, means_it: impl FnOnce(Errno) -> bool) -> CopyResult {
        match self.error {
            Some(errno) if means_it(errno) => CopyResult { error: Some(Errno::EOPNOTSUPP), ..self },
            _ => self,
        }
    }

    /// Creates the result of a request that the kernel refused.
    fn refused(errno: Errno) -> CopyResult {
        CopyResult { bytes: 0, error: Some(errno), method: Method::Kernel, accounted: 0 }
    }
}

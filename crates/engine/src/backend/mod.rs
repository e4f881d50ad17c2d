//! How bytes are moved where the kernel's copy_file_range is not simply asked: each way takes a
//! [`Range`] that was checked, tries, and says what came of it. None of them touches a file offset
//! or a caller's pointer.

mod layout;
mod piece_size;
mod pipe;
mod zeros;

mod copy;
mod dedupe;
mod hole;
mod reflink;
mod verify;

pub(crate) use copy::{BUFFER_LEN, Transport, copy};
pub(crate) use dedupe::{dedupe, dedupe_no_block};
pub(crate) use layout::Holes;
pub(crate) use reflink::reflink;
pub(crate) use verify::{Comparison, verify};

use crate::call::Method;
#[cfg(doc)]
use cfr_sys::Range;
use cfr_sys::errno::Errno;

/// What came of moving a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CopyResult {
    /// Bytes from its start that are where they should be.
    pub(crate) bytes: u64,
    /// What ended it before its end, if it was an error.
    pub(crate) error: Option<Errno>,
    /// How they moved.
    pub(crate) method: Method,
}

impl CopyResult {
    /// So many bytes, and no error.
    fn done(bytes: u64, method: Method) -> CopyResult {
        CopyResult { bytes, error: None, method }
    }

    /// The same, where an error that means EOPNOTSUPP is that.
    pub(crate) fn unsupported_if(self, means_it: impl FnOnce(Errno) -> bool) -> CopyResult {
        match self.error {
            Some(errno) if means_it(errno) => CopyResult { error: Some(Errno::EOPNOTSUPP), ..self },
            _ => self,
        }
    }

    /// Nothing, because whoever was asked refused.
    fn refused(errno: Errno) -> CopyResult {
        CopyResult { bytes: 0, error: Some(errno), method: Method::Kernel }
    }
}

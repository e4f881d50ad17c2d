//! All that was found out, before anybody says how it is to be written.

use super::fact::Fact;
use super::filesystem::{Place, Refusal};
use super::pairs::Pair;
use std::path::PathBuf;

/// What a probe has found.
pub(super) struct Report {
    /// Of the kernel.
    pub(super) kernel: Vec<Fact>,
    /// Of the C library.
    pub(super) c_library: Vec<Fact>,
    /// Of each path that could be probed.
    pub(super) places: Vec<Place>,
    /// Of each two of them on different filesystems.
    pub(super) pairs: Vec<Pair>,
    /// The paths that could not be probed.
    pub(super) refused: Vec<(PathBuf, Refusal)>,
}

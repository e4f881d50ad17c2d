//! The results of a probe, which text and JSON are made from.

use super::fact::Fact;
use super::filesystem::{ProbedPath, Refusal};
use super::pairs::FilesystemPair;
use std::path::PathBuf;

/// The results of a probe.
pub(super) struct ProbeReport {
    pub(super) kernel: Vec<Fact>,
    pub(super) c_library: Vec<Fact>,
    pub(super) probed: Vec<ProbedPath>,
    /// Every two paths on different filesystems.
    pub(super) pairs: Vec<FilesystemPair>,
    pub(super) refused: Vec<(PathBuf, Refusal)>,
}

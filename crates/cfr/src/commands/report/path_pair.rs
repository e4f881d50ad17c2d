//! The source and the target of a copy.

use super::shown_name::is_cut;
use serde::Serialize;

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct PathPair {
    pub(super) source: Option<Box<str>>,
    pub(super) target: Option<Box<str>>,
    /// Whether the end of one was cut in the log: more than one pair of files can have this row.
    cut: bool,
}

impl PathPair {
    pub(super) fn new(source: Option<Box<str>>, target: Option<Box<str>>) -> PathPair {
        let cut = [&source, &target].into_iter().flatten().any(|path| is_cut(path));
        PathPair { source, target, cut }
    }
}

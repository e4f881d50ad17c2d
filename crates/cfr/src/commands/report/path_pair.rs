//! The source and the target of a copy.

use serde::Serialize;

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct PathPair {
    pub(super) source: Option<Box<str>>,
    pub(super) target: Option<Box<str>>,
}

//! Names of files and directories that are made for a while.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Returns a name that cannot be guessed, because another user can make files in the directory too.
pub(crate) fn unique_name(prefix: &str) -> String {
    // Its keys are random.
    format!("{prefix}{:016x}", RandomState::new().hash_one(()))
}

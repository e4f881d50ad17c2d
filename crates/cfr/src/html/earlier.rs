//! Files that a page may replace.

use crate::term::failure::{Failure, printable};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// The first bytes of each page.
const START: &[u8] = b"<!DOCTYPE html>";

/// Checks that the path does not name a regular file with other content than a page: a slip such as
/// `--html a -- cp a b` must not remove the user's file. Other errors are found when it is opened.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let begins_otherwise = || {
        let mut first = Vec::new();
        let mut file = File::open(path)?.take(START.len() as u64);
        file.read_to_end(&mut first).map(|len| len > 0 && first != START)
    };
    let is_regular = fs::metadata(path).is_ok_and(|file| file.is_file());
    if is_regular && begins_otherwise().unwrap_or(false) {
        let path = printable(path);
        return Err(Failure::new(format!(
            "cannot write {path}: it exists and is not an earlier page"
        )));
    }
    Ok(())
}

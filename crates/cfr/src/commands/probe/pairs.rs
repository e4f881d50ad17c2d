//! What becomes of a copy from one filesystem to another.

use super::fact::{Fact, Finding};
use super::filesystem::Place;
use super::trials::{UNIT, arrived, content, filled, range};
use crate::term::failure::plain;
use crate::term::status_line;
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use std::path::PathBuf;

/// Two paths on different filesystems.
pub(super) struct Pair {
    /// The source's.
    pub(super) from: PathBuf,
    /// The target's.
    pub(super) to: PathBuf,
    /// What was found out.
    pub(super) facts: [Fact; 2],
}

/// Every ordered pair of places on different filesystems.
pub(super) fn probe(places: &[Place]) -> Vec<Pair> {
    let pairs = places.iter().flat_map(|from| places.iter().map(move |to| (from, to)));
    let pairs = pairs.filter(|(from, to)| from.device != to.device);
    pairs.map(|(from, to)| pair(from, to)).collect()
}

fn pair(from: &Place, to: &Place) -> Pair {
    status_line::show(&format!("copy from another filesystem: {}", plain(&to.path)));
    let copy = tried(from, to, |range| sys::copy_range(range).map(|copied| copied as u64));
    let reflink = tried(from, to, |range| sys::clone_range(range).map(|()| range.len));
    Pair {
        from: from.path.clone(),
        to: to.path.clone(),
        facts: [
            Fact { key: "copy_file_range", label: "copy_file_range", finding: copy },
            Fact { key: "reflink", label: "reflink", finding: reflink },
        ],
    }
}

fn tried(from: &Place, to: &Place, call: impl Fn(&sys::Range) -> Result<u64, Errno>) -> Finding {
    let trial = || {
        let bytes = content(UNIT);
        let (source, target) = (filled(&from.directory, &bytes)?, to.directory.file()?);
        match call(&range(&source, &target, UNIT)) {
            Ok(copied) => arrived(copied, &bytes, &target),
            Err(errno) => Ok(Finding::refused(errno)),
        }
    };
    trial().unwrap_or_else(Finding::untried)
}

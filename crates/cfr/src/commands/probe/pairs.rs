//! Copies from one filesystem to another.

use super::fact::{Fact, Finding};
use super::filesystem::ProbedPath;
use super::trials::{UNIT, check_copy, content, file_with, range};
use crate::term::failure::printable;
use crate::term::status_line;
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use std::path::PathBuf;

/// Two paths on different filesystems.
pub(super) struct FilesystemPair {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) facts: [Fact; 2],
}

/// Probes every ordered pair of paths on different filesystems.
pub(super) fn probe(paths: &[ProbedPath]) -> Vec<FilesystemPair> {
    let pairs = paths
        .iter()
        .flat_map(|from| paths.iter().map(move |to| (from, to)))
        .filter(|(from, to)| from.device != to.device);
    pairs.map(|(from, to)| pair(from, to)).collect()
}

fn pair(from: &ProbedPath, to: &ProbedPath) -> FilesystemPair {
    status_line::show(&format!("copy from another filesystem: {}", printable(&to.path)));
    let copy = try_call(from, to, |range| sys::copy_range(range).map(|copied| copied as u64));
    let reflink = try_call(from, to, |range| sys::clone_range(range).map(|()| range.len));
    FilesystemPair {
        from: from.path.clone(),
        to: to.path.clone(),
        facts: [
            Fact { key: "copy_file_range", label: "copy_file_range", finding: copy },
            Fact { key: "reflink", label: "reflink", finding: reflink },
        ],
    }
}

fn try_call(
    from: &ProbedPath,
    to: &ProbedPath,
    call: impl Fn(&sys::Range) -> Result<u64, Errno>,
) -> Finding {
    let trial = || {
        let bytes = content(UNIT);
        let (source, target) = (file_with(&from.directory, &bytes)?, to.directory.file()?);
        match call(&range(&source, &target, UNIT)) {
            Ok(copied) => check_copy(copied, &bytes, &target),
            Err(errno) => Ok(Finding::refused(errno)),
        }
    };
    trial().unwrap_or_else(Finding::untried)
}

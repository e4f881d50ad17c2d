//! The filesystem of a path: its properties, and the results of the trials on it.

use super::fact::{Fact, Finding, errno};
use super::temporary::Directory;
use super::{largest, mount, trials};
use crate::term::failure::printable;
use crate::term::status_line;
use cfr_sys::errno::Errno;
use rustix::fs::{fstat, fstatfs, fstatvfs};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A path that was probed.
pub(super) struct ProbedPath {
    /// The path as the user gave it.
    pub(super) path: PathBuf,
    pub(super) facts: Vec<Fact>,
    /// The directory, for trials between filesystems.
    pub(super) directory: Directory,
    /// The device of the filesystem: two paths on one filesystem have the same.
    pub(super) device: OsString,
}

/// An operation to try.
struct Trial {
    key: &'static str,
    label: &'static str,
    /// Runs the trial; the error is one of its preparation.
    run: fn(&Directory) -> Result<Finding, Errno>,
}

/// All trials, in the order of the report.
const TRIALS: [Trial; 10] = [
    Trial { key: "copy_file_range", label: "copy_file_range", run: trials::copies },
    Trial { key: "copy_shares_blocks", label: "copy shares blocks", run: trials::shares },
    Trial { key: "copy_keeps_holes", label: "copy keeps holes", run: trials::keeps_holes },
    Trial { key: "largest_copy", label: "largest single copy", run: largest::copy },
    Trial { key: "reflink", label: "reflink", run: trials::reflinks },
    Trial { key: "reflink_alignment", label: "reflink alignment", run: trials::reflink_alignment },
    Trial { key: "dedupe", label: "dedupe", run: trials::dedupes },
    Trial { key: "largest_dedupe", label: "largest single dedupe", run: largest::dedupe },
    Trial { key: "reports_holes", label: "reports holes", run: trials::reports_holes },
    Trial { key: "punches_holes", label: "punches holes", run: trials::punches_holes },
];

/// The reason why a path could not be probed.
pub(super) struct Refusal {
    pub(super) errno: Errno,
    /// The error in words, without the path.
    pub(super) message: String,
}

/// Probes the filesystem of a directory, or of the directory that holds a file.
pub(super) fn probe(path: &Path) -> Result<ProbedPath, Refusal> {
    let refused = |errno: Errno| Refusal { errno, message: errno.to_string() };
    let real = path.canonicalize().map_err(|error| refused(errno(&error)))?;
    let directory = match real.parent() {
        Some(parent) if !real.is_dir() => parent,
        _ => real.as_path(),
    };
    let directory = Directory::open(directory).map_err(refused)?;
    // Without this file, every trial would report the same error.
    directory.file().map_err(|errno| Refusal {
        errno,
        message: format!("cannot create a file there: {errno}"),
    })?;
    let (mut facts, device) = described(&directory).map_err(refused)?;
    for trial in &TRIALS {
        status_line::show(&format!("{}: {}", trial.label, printable(path)));
        let finding = (trial.run)(&directory).unwrap_or_else(Finding::untried);
        facts.push(Fact { key: trial.key, label: trial.label, finding });
    }
    Ok(ProbedPath { path: path.to_owned(), facts, directory, device })
}

/// Returns the facts that need no trial, and the filesystem's device.
fn described(directory: &Directory) -> Result<(Vec<Fact>, OsString), Errno> {
    let converted = |error: rustix::io::Errno| Errno(error.raw_os_error());
    let mount = mount::of(directory);
    let device = match &mount {
        Some(mount) => mount.device.clone(),
        None => fstat(directory).map_err(converted)?.st_dev.to_string().into(),
    };
    let (kind, point) = match mount {
        Some(mount) => (Finding::name(mount.kind), Finding::name(mount.point)),
        None => {
            let magic = fstatfs(directory).map_err(converted)?.f_type;
            let missing = "not in /proc/self/mountinfo";
            let kind = Finding::name(format!("0x{magic:x}")).with_note(missing);
            (kind, Finding::unknown(missing))
        }
    };
    let block = fstatvfs(directory).map_err(converted)?.f_frsize;
    let facts = vec![
        Fact { key: "filesystem", label: "filesystem", finding: kind },
        Fact { key: "mount_point", label: "mounted at", finding: point },
        Fact { key: "block_size", label: "block size", finding: Finding::bytes(block) },
    ];
    Ok((facts, device))
}

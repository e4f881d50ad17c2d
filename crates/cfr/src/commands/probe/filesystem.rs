//! What the filesystem of one path is and what it can do.

use super::fact::{Fact, Finding, errno};
use super::temporary::Directory;
use super::{largest, mount, trials};
use crate::term::failure::plain;
use crate::term::status_line;
use cfr_sys::errno::Errno;
use rustix::fs::{fstat, fstatfs, fstatvfs};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A path that could be probed.
pub(super) struct Place {
    /// As the user gave it.
    pub(super) path: PathBuf,
    /// What was found out.
    pub(super) facts: Vec<Fact>,
    /// For trials between filesystems.
    pub(super) directory: Directory,
    /// Equal for two places of one filesystem.
    pub(super) device: OsString,
}

/// One thing to try.
struct Trial {
    key: &'static str,
    label: &'static str,
    /// Tries it; an error is one of the preparations.
    run: fn(&Directory) -> Result<Finding, Errno>,
}

/// All of them, in the order of the report.
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

/// Why a path could not be probed.
pub(super) struct Refusal {
    /// What stood in the way.
    pub(super) errno: Errno,
    /// In words, the path not among them.
    pub(super) message: String,
}

/// Probes the filesystem of a directory, or of the directory that a file stands in.
pub(super) fn probe(path: &Path) -> Result<Place, Refusal> {
    let refused = |errno: Errno| Refusal { errno, message: errno.to_string() };
    let real = path.canonicalize().map_err(|error| refused(errno(&error)))?;
    let directory = match real.parent() {
        Some(parent) if !real.is_dir() => parent,
        _ => real.as_path(),
    };
    let directory = Directory::open(directory).map_err(refused)?;
    // One file more, so that what stands in the way of all of them is said once.
    directory.file().map_err(|errno| Refusal {
        errno,
        message: format!("no file can be made there: {errno}"),
    })?;
    let (mut facts, device) = described(&directory).map_err(refused)?;
    for trial in &TRIALS {
        status_line::show(&format!("{}: {}", trial.label, plain(path)));
        let finding = (trial.run)(&directory).unwrap_or_else(Finding::untried);
        facts.push(Fact { key: trial.key, label: trial.label, finding });
    }
    Ok(Place { path: path.to_owned(), facts, directory, device })
}

/// What there is to know without trying, and the filesystem's device.
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
            let unsaid = "/proc/self/mountinfo does not say";
            let kind = Finding::name(format!("0x{magic:x}")).with_note(unsaid);
            (kind, Finding::unknown(unsaid))
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

//! Finds that the log file was given another name, as logrotate does: its lines then go into a new one.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the name of the log file is looked at, and for how long it must have been free, or that of
/// an empty file, before the log goes on there: a program that replaces the log, as a rotation does, may
/// give the name to a file of its own.
const NAME_INTERVAL: Duration = Duration::from_millis(250);
const ROTATED: Duration = Duration::from_secs(1);

/// The file that the log has open, and its name.
pub(super) struct Rotation {
    path: PathBuf,
    /// Device and inode of the file.
    file: Option<(u64, u64)>,
    /// When its name was looked at last.
    looked: Instant,
    /// Since when the name has been free for a new log.
    moved: Option<Instant>,
}

impl Rotation {
    /// Begins with the file that has this name now.
    pub(super) fn new(path: PathBuf) -> Rotation {
        let file = path.metadata().ok().as_ref().map(identity);
        Rotation { path, file, looked: Instant::now(), moved: None }
    }

    /// Notes the file that was opened by the name, if none was.
    pub(super) fn note_opened(&mut self) {
        if self.file.is_none() {
            self.file = self.path.metadata().ok().as_ref().map(identity);
        }
    }

    /// Reports whether the next line must open the name anew.
    pub(super) fn is_due(&mut self) -> bool {
        if self.file.is_none() || self.looked.elapsed() < NAME_INTERVAL {
            return false;
        }
        self.looked = Instant::now();
        let found = self.path.metadata().ok();
        let is_other = found.as_ref().map(identity) != self.file;
        let is_new = found.is_none_or(|found| found.is_file() && found.len() == 0);
        if !(is_other && is_new) {
            self.moved = None;
        } else if self.moved.get_or_insert(self.looked).elapsed() >= ROTATED {
            (self.file, self.moved) = (None, None);
            return true;
        }
        false
    }
}

/// Returns the device and the inode of a file.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

//! A block device made of a file.

use super::{Run, find_program};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A loop device. The kernel detaches it when the value is dropped, or when the test program ends.
pub struct LoopDevice {
    path: PathBuf,
    /// The device detaches with its last close.
    _open: File,
}

impl LoopDevice {
    /// Makes a block device of the bytes of `image`. The error says why this machine has none.
    pub fn new(image: &Path) -> Result<LoopDevice, String> {
        let losetup = find_program("losetup").ok_or("losetup is not installed")?;
        let output = Run::bare(&losetup).args(["--find", "--show"]).args([image]).output();
        if output.status != Some(0) {
            return Err(format!("no loop device: {}", output.stderr.trim()));
        }
        let path = PathBuf::from(output.stdout.trim());
        let open = File::open(&path);
        Run::bare(&losetup).args(["--detach"]).args([&path]).ok();
        Ok(LoopDevice { path, _open: open.map_err(|error| format!("no loop device: {error}"))? })
    }

    /// Returns the path of the device.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

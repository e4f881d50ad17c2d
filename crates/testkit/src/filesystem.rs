//! Real filesystems on loop devices, mounted while a test runs.
//!
//! They are mounted in a mount namespace of the test's thread, and a loop device detaches with its
//! last mount. So the kernel removes them when the thread or the test program ends, even if it is
//! killed. The image files are deleted as soon as they are mounted.

use super::{Run, Scratch, find_program, skip};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The smallest round size from which mkfs.xfs makes a filesystem; mkfs.btrfs needs less.
const IMAGE_BYTES: u64 = 320 << 20;

/// A size that a test fills in a moment.
const SMALL_IMAGE_BYTES: u64 = 16 << 20;

/// The directory of the overlay's layers.
const OVERLAY_BASE: &str = "overlay-base";

/// The mounted filesystems. They are unmounted when the value is dropped.
pub struct Filesystems {
    mounted: Vec<(&'static str, PathBuf)>,
    // Dropped last: it holds the mount points.
    scratch: Scratch,
}

impl Filesystems {
    /// Mounts ext4, xfs, btrfs, tmpfs and overlay for the calling thread and the programs that it
    /// starts. A filesystem that cannot be mounted on this machine is left out and reported as a skip
    /// of `test`.
    pub fn mount(test: &str) -> Filesystems {
        Filesystems::mount_also(test, &[])
    }

    /// Mounts the same filesystems and those in `more`: `small-ext4` and `small-tmpfs`, which can be
    /// filled quickly, and `ext4-4k`, with blocks of 4096 bytes as on most disks (mkfs chooses smaller
    /// ones for an image of this size).
    pub fn mount_also(test: &str, more: &[&'static str]) -> Filesystems {
        let scratch = Scratch::new();
        let mut mounted = Vec::new();
        if let Err(reason) = enter_mount_namespace() {
            skip(test, &reason);
            return Filesystems { mounted, scratch };
        }
        for name in ["ext4", "xfs", "btrfs", "tmpfs", "overlay"].iter().chain(more).copied() {
            let point = scratch.file(name);
            fs::create_dir(&point).expect("a new directory");
            match mount(name, &point, &scratch) {
                Ok(()) => mounted.push((name, point)),
                Err(reason) => skip(test, &format!("{name}: {reason}")),
            }
        }
        Filesystems { mounted, scratch }
    }

    /// Returns the name and the mount point of each filesystem.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.mounted.iter().map(|(name, point)| (*name, point.as_path()))
    }

    /// Returns the mount point of the filesystem `name`, if it is mounted.
    pub fn get(&self, name: &str) -> Option<&Path> {
        self.iter().find(|(mounted, _)| *mounted == name).map(|(_, point)| point)
    }
}

impl Drop for Filesystems {
    fn drop(&mut self) {
        let base = self.scratch.file(OVERLAY_BASE);
        for point in self.mounted.drain(..).rev().map(|(_, point)| point).chain([base]) {
            let _ = run(Run::bare("umount").args(["--lazy", "--recursive"]).args([point]));
        }
    }
}

fn enter_mount_namespace() -> Result<(), String> {
    // SAFETY: no pointers; the namespace is the calling thread's alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(format!("no mount namespace: {}", std::io::Error::last_os_error()));
    }
    run(Run::bare("mount").args(["--make-rprivate", "/"]))
}

fn mount(name: &str, point: &Path, scratch: &Scratch) -> Result<(), String> {
    match name {
        "small-tmpfs" => {
            let options = ["-t", "tmpfs", "-o", "size=4M", "tmpfs"];
            run(Run::bare("mount").args(options).args([point]))
        }
        "tmpfs" => run(Run::bare("mount").args(["-t", "tmpfs", "tmpfs"]).args([point])),
        "overlay" => {
            // The upper layer must be on a filesystem that overlay accepts: a tmpfs of its own.
            let base = scratch.file(OVERLAY_BASE);
            fs::create_dir(&base).expect("a new directory");
            run(Run::bare("mount").args(["-t", "tmpfs", "tmpfs"]).args([&base]))?;
            let [lower, upper, work] = ["lower", "upper", "work"].map(|part| base.join(part));
            for part in [&lower, &upper, &work] {
                fs::create_dir(part).expect("a new directory");
            }
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                lower.display(),
                upper.display(),
                work.display()
            );
            let mount = Run::bare("mount").args(["-t", "overlay", "overlay", "-o", &options]);
            run(mount.args([point]))
        }
        _ => {
            let (kind, bytes) = match (name, name.strip_prefix("small-")) {
                (_, Some(kind)) => (kind, SMALL_IMAGE_BYTES),
                ("ext4-4k", None) => ("ext4", IMAGE_BYTES),
                (kind, None) => (kind, IMAGE_BYTES),
            };
            let tool = format!("mkfs.{kind}");
            let tool = find_program(&tool).ok_or(format!("{tool} is not installed"))?;
            let image = scratch.file(&format!("{name}.img"));
            File::create(&image).and_then(|file| file.set_len(bytes)).expect("an image");
            let options: &[&str] = match name {
                // Without blocks reserved for root: the tests run as root.
                "small-ext4" => &["-m", "0"],
                "ext4-4k" => &["-b", "4096"],
                _ => &[],
            };
            run(Run::bare(tool).args(options).args(["-q"]).args([&image]))?;
            let mounted = run(Run::bare("mount").args(["-o", "loop"]).args([&image, point]));
            let _ = fs::remove_file(&image);
            mounted
        }
    }
}

fn run(mut run: Run) -> Result<(), String> {
    let shown = format!("{:?}", run.command());
    let output = run.try_output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status == Some(0) {
        return Ok(());
    }
    Err(output.stderr.lines().next().unwrap_or("failed").to_owned())
}

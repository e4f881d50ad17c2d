//! Real filesystems on loop devices, for as long as a test runs.
//!
//! They are mounted in a mount namespace of the test's thread, and the loop devices detach with
//! their last mount: when the thread or the whole test program ends, however it ends, nothing is
//! left but the image files, and those are deleted as soon as they are mounted.

use super::{Scratch, find_program, skip};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Large enough for the smallest xfs and btrfs that their tools will make.
const IMAGE_BYTES: u64 = 320 << 20;

/// Small enough to be filled at once.
const SMALL_IMAGE_BYTES: u64 = 16 << 20;

/// Where the layers of the overlay are.
const OVERLAY_BASE: &str = "overlay-base";

/// The filesystems that could be mounted, each an empty directory.
pub struct Filesystems {
    mounted: Vec<(&'static str, PathBuf)>,
    /// Dropped last: the mount points stand in it.
    scratch: Scratch,
}

impl Filesystems {
    /// Mounts ext4, xfs, btrfs, tmpfs and overlay, for the calling thread and the programs that
    /// it starts. What cannot be mounted here is a skip of `test`.
    pub fn mount(test: &str) -> Filesystems {
        Filesystems::mount_also(test, &[])
    }

    /// The same, and some of `small-ext4` and `small-tmpfs`, which are soon full, and `ext4-4k`, whose
    /// blocks are those of most disks: mkfs makes smaller ones for an image of this size.
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

    /// Name and mount point of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.mounted.iter().map(|(name, point)| (*name, point.as_path()))
    }

    /// The mount point of one of them.
    pub fn get(&self, name: &str) -> Option<&Path> {
        self.iter().find(|(mounted, _)| *mounted == name).map(|(_, point)| point)
    }
}

impl Drop for Filesystems {
    fn drop(&mut self) {
        let base = self.scratch.file(OVERLAY_BASE);
        for point in self.mounted.drain(..).rev().map(|(_, point)| point).chain([base]) {
            let _ = Command::new("umount").args(["--lazy", "--recursive"]).arg(point).output();
        }
    }
}

fn enter_mount_namespace() -> Result<(), String> {
    // SAFETY: no pointers; the namespace is the calling thread's alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(format!("no mount namespace: {}", std::io::Error::last_os_error()));
    }
    run(Command::new("mount").args(["--make-rprivate", "/"]))
}

fn mount(name: &str, point: &Path, scratch: &Scratch) -> Result<(), String> {
    match name {
        "small-tmpfs" => {
            let options = ["-t", "tmpfs", "-o", "size=4M", "tmpfs"];
            run(Command::new("mount").args(options).arg(point))
        }
        "tmpfs" => run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(point)),
        "overlay" => {
            // Its upper layer must be a filesystem that overlay accepts, so it brings its own.
            let base = scratch.file(OVERLAY_BASE);
            fs::create_dir(&base).expect("a new directory");
            run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&base))?;
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
            run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(point))
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
            let mut make = Command::new(tool);
            if name == "small-ext4" {
                // Nothing is reserved for root, and so for the tests.
                make.args(["-m", "0"]);
            }
            if name == "ext4-4k" {
                make.args(["-b", "4096"]);
            }
            run(make.args(["-q"]).arg(&image))?;
            let mounted = run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(point));
            let _ = fs::remove_file(&image);
            mounted
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("failed").to_owned())
}

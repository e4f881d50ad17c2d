//! Temporary directories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// A new directory that is deleted when the value is dropped.
pub struct Scratch(PathBuf);

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

impl Scratch {
    /// Creates a directory in the system's directory for temporary files.
    pub fn new() -> Scratch {
        Scratch::below(&std::env::temp_dir())
    }

    /// Creates a directory in `parent`, for example a filesystem's mount point.
    pub fn below(parent: &Path) -> Scratch {
        // Some tests check what other users may read, which must not depend on the umask of the shell.
        static UMASK: Once = Once::new();
        // SAFETY: no pointers.
        UMASK.call_once(|| _ = unsafe { libc::umask(0o022) });
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("cfr-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a new directory");
        Scratch(path)
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Lets every user write to the directory.
    pub fn open_to_all(&self) {
        let mode = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&self.0, mode).expect("the test's own directory");
    }

    /// Creates a file with this content and returns its path.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, content).expect("can be written");
        path
    }

    /// Creates a file of `len` pseudo-random bytes, which do not compress, and returns its path.
    pub fn random(&self, name: &str, len: usize) -> PathBuf {
        let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ len as u64;
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 24) as u8
            })
            .collect();
        self.write(name, &bytes)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

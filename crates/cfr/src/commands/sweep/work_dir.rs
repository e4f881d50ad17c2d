//! The working directory of a run: the launcher's own, or a new one.

use super::live_runs;
use crate::term::failure::{Failure, describe, print_message, printable};
use crate::term::unique_name::unique_name;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The working directory of a run.
pub(super) enum WorkDir {
    /// The launcher's.
    Here(PathBuf),
    /// A new one, which is removed with this value.
    Fresh(Option<PathBuf>),
}

impl WorkDir {
    /// Creates a directory in the directory of temporary files.
    pub(super) fn fresh() -> Result<WorkDir, Failure> {
        let mut runs = live_runs::lock();
        let parent = temp_dir();
        let made = std::path::absolute(&parent).and_then(|parent| {
            let path = parent.join(unique_name("cfr-sweep-"));
            // Other users must not see what the program copies.
            DirBuilder::new().mode(0o700).create(&path).map(|()| path)
        });
        let made = made.map_err(|error| {
            let parent = printable(parent);
            Failure::new(format!("cannot create a directory in {parent}: {}", describe(&error)))
        })?;
        runs.add_directory(&made);
        Ok(WorkDir::Fresh(Some(made)))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            WorkDir::Here(path) => path,
            WorkDir::Fresh(made) => made.as_deref().unwrap_or(Path::new(".")),
        }
    }

    /// Keeps a new directory and returns its path.
    pub(super) fn keep(mut self) -> Option<PathBuf> {
        let WorkDir::Fresh(made) = &mut self else { return None };
        let mut runs = live_runs::lock();
        let path = made.take()?;
        runs.forget_directory(&path);
        Some(path)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        let WorkDir::Fresh(Some(made)) = self else { return };
        let removed = live_runs::remove(made);
        live_runs::lock().forget_directory(made);
        if let Err(error) = removed {
            print_message(format!("cannot remove {}: {}", printable(made), describe(&error)));
        }
    }
}

/// Returns the directory of temporary files: `$TMPDIR`, or /tmp if that is not set or empty.
pub(super) fn temp_dir() -> PathBuf {
    let directory = std::env::temp_dir();
    if directory.as_os_str().is_empty() { PathBuf::from("/tmp") } else { directory }
}

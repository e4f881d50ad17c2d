//! The directory that a run takes place in: the launcher's own, or a new one for each.

use super::cleanup;
use crate::term::failure::{Failure, plain, say, told};
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempDir};

/// A working directory.
pub(super) enum Place {
    /// The launcher's.
    Here(PathBuf),
    /// One that goes away with this value.
    Fresh(Option<TempDir>),
}

impl Place {
    /// A new directory below that of temporary files.
    pub(super) fn fresh() -> Result<Place, Failure> {
        let mut leftovers = cleanup::lock();
        let parent = std::env::temp_dir();
        let made = std::path::absolute(&parent)
            .and_then(|parent| Builder::new().prefix("cfr-sweep-").tempdir_in(parent));
        let made = made.map_err(|error| {
            let parent = plain(parent);
            Failure::new(format!("cannot make a directory in {parent}: {}", told(&error)))
        })?;
        leftovers.add_directory(made.path());
        Ok(Place::Fresh(Some(made)))
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        match self {
            Place::Here(path) => path,
            Place::Fresh(made) => made.as_ref().map_or(Path::new("."), TempDir::path),
        }
    }

    /// Leaves a new directory behind: its path.
    pub(super) fn keep(mut self) -> Option<PathBuf> {
        let Place::Fresh(made) = &mut self else { return None };
        let mut leftovers = cleanup::lock();
        let path = made.take()?.keep();
        leftovers.forget_directory(&path);
        Some(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Place::Fresh(Some(made)) = self else { return };
        let removed = cleanup::remove(made.path());
        cleanup::lock().forget_directory(made.path());
        // It is gone, or cannot be removed: what is said once is not tried again.
        made.disable_cleanup(true);
        if let Err(error) = removed {
            say(format!("cannot remove {}: {}", plain(made.path()), told(&error)));
        }
    }
}

//! What was found out about a program.

use super::image::{Image, Use};
use super::libraries::Missing;
use crate::program::locate::{Executable, Visibility};
use std::path::Path;

/// The facts, for either way to write them down.
pub(super) struct Report {
    /// The program, and the file that the kernel loads for it.
    pub(super) program: Executable,
    /// Whether a preload sees it.
    pub(super) visibility: Visibility,
    /// The file itself first, then libraries; none where it is for another machine.
    pub(super) images: Vec<Image>,
    /// Libraries that were not found.
    pub(super) missing: Vec<Missing>,
}

impl Report {
    /// What the user asked for.
    pub(super) fn asked(&self) -> &Path {
        self.program.scripts.first().unwrap_or(&self.program.file)
    }

    /// Why no preload sees it; `None` where one does.
    pub(super) fn unseen(&self) -> Option<&str> {
        match &self.visibility {
            Visibility::Unseen(why) | Visibility::Bypassed(why) | Visibility::Fatal(why) => {
                Some(why)
            }
            Visibility::Seen | Visibility::After(_) => None,
        }
    }

    /// Every use of a hook and the file that makes it.
    pub(super) fn uses(&self) -> impl Iterator<Item = (&Image, &Use)> {
        self.images.iter().flat_map(|image| image.uses.iter().map(move |hook| (image, hook)))
    }
}

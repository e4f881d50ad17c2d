//! The facts about a program, which text and JSON are made from.

use super::image::{HookUse, Image};
use super::libraries::Missing;
use crate::program::locate::{Executable, Visibility};
use std::path::Path;

/// The facts about a program.
pub(super) struct Inspection {
    /// The program, and the file that the kernel loads for it.
    pub(super) program: Executable,
    /// Whether a preload can see it.
    pub(super) visibility: Visibility,
    /// The file itself first, then its libraries; empty if it is for another machine.
    pub(super) images: Vec<Image>,
    pub(super) missing: Vec<Missing>,
}

impl Inspection {
    /// Returns the program that the user named.
    pub(super) fn asked(&self) -> &Path {
        self.program.scripts.first().unwrap_or(&self.program.file)
    }

    /// Returns the reason why no preload can see it; `None` if one can.
    pub(super) fn unseen(&self) -> Option<&str> {
        match &self.visibility {
            Visibility::Unseen(why) | Visibility::Bypassed(why) => Some(why),
            Visibility::Seen => None,
        }
    }

    /// Returns every use of a hook and the file that uses it.
    pub(super) fn uses(&self) -> impl Iterator<Item = (&Image, &HookUse)> {
        self.images.iter().flat_map(|image| image.uses.iter().map(move |hook| (image, hook)))
    }
}

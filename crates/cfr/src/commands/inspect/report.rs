//! The facts about a program, which text and JSON are made from.

use super::image::{HookUse, Image, ImportKind, Role};
use super::libraries::Missing;
use crate::program::elf::Elf;
use crate::program::locate::{Executable, Visibility};
use std::path::{Path, PathBuf};

/// The facts about a program.
pub(super) struct Inspection {
    /// The program, and the file that the kernel loads for it.
    pub(super) program: Executable,
    /// Whether a preload can see it.
    pub(super) visibility: Visibility,
    /// The file itself first, then its libraries; empty if it is for another machine.
    pub(super) images: Vec<Image>,
    pub(super) missing: Vec<Missing>,
    /// The C library that it is loaded with; `None` if it is static or the file was not found.
    pub(super) c_library: Option<PathBuf>,
}

/// What sees a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeenBy {
    Preload,
    Supervisor,
    /// One of them: it depends on what the program finds, loads or starts.
    Either,
}

impl SeenBy {
    /// Returns the word for it in text and JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            SeenBy::Preload => "preload",
            SeenBy::Supervisor => "supervisor",
            SeenBy::Either => "either",
        }
    }
}

/// A way to copy that the files of the program do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Other {
    /// Libraries that a file loads at run time.
    Libraries,
    /// Programs that a file starts.
    Programs,
    /// System calls with unknown numbers that a file makes by instruction or by syscall(3).
    SystemCalls,
}

/// A file that copies in another way, if it copies.
pub(super) struct OtherWay<'a> {
    pub(super) other: Other,
    pub(super) image: &'a Image,
    /// The functions and system calls that the file uses for it.
    pub(super) why: Vec<&'a str>,
    pub(super) seen_by: SeenBy,
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

    fn is_loaded(&self) -> bool {
        !matches!(self.visibility, Visibility::Unseen(_))
    }

    /// Reports whether the kernel starts the program with more privileges than its caller's.
    pub(super) fn is_privileged(&self) -> bool {
        let has_linker =
            matches!(&self.program.elf, Elf::Native(native) if native.linker.is_some());
        has_linker && !self.is_loaded()
    }

    /// Reports whether the supervisor sees the program: its filter stops the system calls of this
    /// machine, not those of 32-bit programs.
    pub(super) fn is_supervised(&self) -> bool {
        matches!(self.program.elf, Elf::Native(_))
    }

    /// Returns every use of a hook and the file that uses it.
    pub(super) fn uses(&self) -> impl Iterator<Item = (&Image, &HookUse)> {
        self.images.iter().flat_map(|image| image.uses.iter().map(move |hook| (image, hook)))
    }

    /// Returns what sees the calls of a hook; `None` if they are no copies.
    pub(super) fn hook_seen_by(&self, used: &HookUse) -> Option<SeenBy> {
        let seen_by = match used.how {
            _ if !self.is_loaded() => SeenBy::Supervisor,
            // dlsym(3) returns the library's hook, or the C library's function if the program asks
            // for the function of that library.
            ImportKind::ByName => SeenBy::Either,
            ImportKind::Strong | ImportKind::Weak => SeenBy::Preload,
        };
        used.copies().then_some(seen_by)
    }

    /// Returns the ways to copy that the files do not show. System calls with unknown numbers are none
    /// if something else says that the supervisor is needed. In Go the numbers of all are unknown.
    pub(super) fn other_ways(&self) -> impl Iterator<Item = OtherWay<'_>> {
        let libraries = self.images.iter().map(|image| OtherWay {
            other: Other::Libraries,
            image,
            why: image.loads.clone(),
            seen_by: if self.is_loaded() { SeenBy::Either } else { SeenBy::Supervisor },
        });
        let programs = self.images.iter().map(|image| OtherWay {
            other: Other::Programs,
            image,
            why: image.starts.iter().map(String::as_str).collect(),
            // The dynamic linker removes LD_PRELOAD from the environment of a privileged program.
            seen_by: if self.is_privileged() { SeenBy::Supervisor } else { SeenBy::Either },
        });
        let is_go = matches!(&self.program.elf, Elf::Native(native) if native.go);
        let is_silent = is_go || self.unseen().is_none();
        let unknown =
            move |image: &Image| is_silent && image.makes_unknown && image.calls.is_empty();
        let system_calls = self.images.iter().map(move |image| OtherWay {
            other: Other::SystemCalls,
            image,
            why: if unknown(image) { vec!["number unknown"] } else { Vec::new() },
            seen_by: SeenBy::Supervisor,
        });
        // A program that makes copies by it is known to copy. libcap and libseccomp pass numbers on, which
        // would make a tenth of all programs ones that may copy by them.
        let passes = |image: &Image| {
            let copies = |used: &HookUse| used.hook == "syscall" && used.copies();
            image.role == Role::Program && image.passes_unknown && !image.uses.iter().any(copies)
        };
        let functions = self.images.iter().map(move |image| OtherWay {
            other: Other::SystemCalls,
            image,
            why: if passes(image) { vec!["syscall, number unknown"] } else { Vec::new() },
            seen_by: if self.is_loaded() { SeenBy::Preload } else { SeenBy::Supervisor },
        });
        let system_calls = system_calls.chain(functions);
        libraries.chain(programs).chain(system_calls).filter(|way| !way.why.is_empty())
    }
}

//! One file of a process, the program or a library: what it takes from the C library, and what it
//! does without it.

use super::contents::{self, Contents};
use super::hooks::{MARKS, NAMES, is_for_copies};
use crate::program::elf::{self, Native, Source, Symbol};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Functions that load libraries, which no header names.
const LOADING: [&[u8]; 2] = [b"dlopen", b"dlmopen"];
/// Functions that find others by their names.
const FINDING: [&[u8]; 2] = [b"dlsym", b"dlvsym"];
/// Functions that start programs.
const STARTING: [&[u8]; 13] = [
    b"execl", b"execle", b"execlp", b"execv", b"execve", b"execveat", b"execvp", b"execvpe",
    b"fexecve", b"popen", b"posix_spawn", b"posix_spawnp", b"system",
];

/// The C library and what is part of it: they hold the hooks, and the instructions behind them.
const C_LIBRARY: [&str; 9] = [
    "ld-linux", "ld-musl", "libc.so", "libpthread.so", "librt.so", "libdl.so", "libm.so",
    "libutil.so", "libanl.so",
];

/// Whether a library of this name is a part of the C library.
pub(super) fn is_c_library(name: &OsStr) -> bool {
    let name = name.as_bytes();
    C_LIBRARY.iter().any(|part| name.starts_with(part.as_bytes()))
}

/// How a file comes to a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is imported, and must be there.
    Strong,
    /// It is imported, and need not be there.
    Weak,
    /// Its name stands in the file, which finds functions by their names.
    ByName,
}

/// A hook that a file uses.
#[derive(Debug)]
pub(super) struct Use {
    /// Its name.
    pub(super) hook: &'static str,
    /// How it comes to it.
    pub(super) how: How,
    /// What the file asks for there: names of [`MARKS`].
    pub(super) marks: Vec<&'static str>,
}

impl Use {
    /// Whether a copy goes through it, as far as the file tells.
    pub(super) fn copies(&self) -> bool {
        is_for_copies(self.hook) || !self.marks.is_empty()
    }
}

/// How a file comes into the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the program.
    Program,
    /// `LD_PRELOAD` or /etc/ld.so.preload names it.
    Preloaded,
    /// Some other file needs it.
    Needed,
}

/// A file.
#[derive(Debug)]
pub(super) struct Image {
    /// Where it is.
    pub(super) path: PathBuf,
    /// How it comes into the process.
    pub(super) role: Role,
    /// The hooks that it uses.
    pub(super) uses: Vec<Use>,
    /// The hooks that it has itself: who comes first answers.
    pub(super) defines: Vec<&'static str>,
    /// It can load libraries that no header names.
    pub(super) loads: bool,
    /// It can start programs.
    pub(super) starts: bool,
    /// Places with a system call by instruction.
    pub(super) places: u64,
    /// Which copies are made so.
    pub(super) calls: Vec<&'static str>,
    /// Not all of it could be looked through.
    pub(super) partial: bool,
}

impl Image {
    /// Looks at a file whose headers were read. `None` where its symbols cannot be.
    pub(super) fn read(
        path: PathBuf,
        role: Role,
        source: &Source,
        native: &Native,
    ) -> Option<Image> {
        let (mut imports, mut defines) = (Vec::new(), Vec::new());
        let (mut loads, mut finds, mut starts) = (false, false, false);
        let each = |Symbol { name, defined, weak }: Symbol<'_>| {
            loads |= !defined && LOADING.contains(&name);
            finds |= !defined && FINDING.contains(&name);
            starts |= !defined && STARTING.contains(&name);
            let Some(hook) = NAMES.into_iter().find(|hook| hook.as_bytes() == name) else {
                return;
            };
            match defined {
                true => defines.push(hook),
                false => imports.push((hook, if weak { How::Weak } else { How::Strong })),
            }
        };
        let read = elf::symbols(source, native, each);
        // A static program needs none.
        read.or(native.linker.is_none().then_some(()))?;
        let Contents { names, marks, places, calls, partial } = contents::search(source, native);
        let uses = NAMES.into_iter().filter_map(|hook| {
            let imported = imports.iter().find(|(import, _)| *import == hook);
            let named = finds && names.contains(&hook) && !defines.contains(&hook);
            let how = imported.map(|(_, how)| *how).or(named.then_some(How::ByName))?;
            let marks = MARKS.iter().filter(|mark| mark.hook == hook && marks.contains(&mark.name));
            Some(Use { hook, how, marks: marks.map(|mark| mark.name).collect() })
        });
        let uses = uses.collect();
        Some(Image { path, role, uses, defines, loads, starts, places, calls, partial })
    }
}

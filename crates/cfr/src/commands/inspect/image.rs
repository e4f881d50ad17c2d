//! One file of a process, the program or a library: what it imports from the C library, and which
//! system calls it makes itself.

use super::contents::{self, Contents};
use super::hooks::{MARKS, NAMES, is_for_copies};
use crate::program::elf::{self, ElfFile, Native, Symbol};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Functions that load libraries which no header names.
const LOADING: [&[u8]; 2] = [b"dlopen", b"dlmopen"];
/// Functions that find other functions by name.
const FINDING: [&[u8]; 2] = [b"dlsym", b"dlvsym"];
/// Functions that start programs.
const STARTING: [&[u8]; 13] = [
    b"execl", b"execle", b"execlp", b"execv", b"execve", b"execveat", b"execvp", b"execvpe",
    b"fexecve", b"popen", b"posix_spawn", b"posix_spawnp", b"system",
];

/// The C library and its parts: they hold the hooks, and the instructions behind them.
const C_LIBRARY: [&str; 10] = [
    "ld-linux", "ld-musl", "libc.so", "libc.musl-", "libpthread.so", "librt.so", "libdl.so",
    "libm.so", "libutil.so", "libanl.so",
];

/// Reports whether a library of this name is a part of the C library.
pub(super) fn is_c_library(name: &OsStr) -> bool {
    let name = name.as_bytes();
    C_LIBRARY.iter().any(|part| name.starts_with(part.as_bytes()))
}

/// How a file refers to a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImportKind {
    /// A strong import: the symbol must exist.
    Strong,
    /// A weak import: the symbol may be missing.
    Weak,
    /// The file holds its name and can find functions by name.
    ByName,
}

/// A hook that a file uses.
#[derive(Debug)]
pub(super) struct HookUse {
    pub(super) hook: &'static str,
    pub(super) how: ImportKind,
    /// What the file passes to the hook: names of [`MARKS`].
    pub(super) marks: Vec<&'static str>,
}

impl HookUse {
    /// Reports whether the file copies through the hook, as far as its content shows.
    pub(super) fn copies(&self) -> bool {
        is_for_copies(self.hook) || !self.marks.is_empty()
    }
}

/// Why a file is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the program.
    Program,
    /// `LD_PRELOAD` or /etc/ld.so.preload names it.
    Preloaded,
    /// Another file needs it.
    Needed,
}

/// A file of the process.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    pub(super) role: Role,
    pub(super) uses: Vec<HookUse>,
    /// The hooks that it defines itself. The definition that is loaded first gets the calls.
    pub(super) defines: Vec<&'static str>,
    /// Whether it can load libraries that no header names.
    pub(super) loads: bool,
    /// Whether it can start programs.
    pub(super) starts: bool,
    /// The number of system call instructions.
    pub(super) places: u64,
    /// The copying system calls that it makes by instruction.
    pub(super) calls: Vec<&'static str>,
    /// Whether a part of it could not be searched.
    pub(super) partial: bool,
}

impl Image {
    /// Examines a file whose headers were read. `None` if its symbols cannot be read.
    pub(super) fn read(
        path: PathBuf,
        role: Role,
        source: &ElfFile,
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
            if defined {
                defines.push(hook);
            } else {
                imports.push((hook, if weak { ImportKind::Weak } else { ImportKind::Strong }));
            }
        };
        let read = elf::symbols(source, native, each);
        // A static program has no dynamic symbols.
        read.or(native.linker.is_none().then_some(()))?;
        let Contents { names, marks, places, calls, partial } = contents::search(source, native);
        let uses = NAMES.into_iter().filter_map(|hook| {
            let imported = imports.iter().find(|(import, _)| *import == hook);
            let named = finds && names.contains(&hook) && !defines.contains(&hook);
            let how = imported.map(|(_, how)| *how).or(named.then_some(ImportKind::ByName))?;
            let marks = MARKS.iter().filter(|mark| mark.hook == hook && marks.contains(&mark.name));
            Some(HookUse { hook, how, marks: marks.map(|mark| mark.name).collect() })
        });
        let uses = uses.collect();
        Some(Image { path, role, uses, defines, loads, starts, places, calls, partial })
    }
}

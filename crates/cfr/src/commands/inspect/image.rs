//! One file of a process, the program or a library: what it imports from the C library, and which
//! system calls it makes itself.

use super::contents::{self, Contents, FoundMark, Passed, Slot};
use super::hooks::{CALLS, MARKS, NAMES, is_for_copies};
use crate::program::elf::{self, ElfFile, Native, Symbol};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Functions that load libraries which no header names.
const LOADING: [&str; 2] = ["dlopen", "dlmopen"];
/// Functions that find other functions by name.
const FINDING: [&str; 2] = ["dlsym", "dlvsym"];
/// Functions that start programs. fork(2) alone does not: the child is the same program.
const STARTING: [&str; 15] = [
    "execl", "execle", "execlp", "execv", "execve", "execveat", "execvp", "execvpe", "fexecve",
    "pidfd_spawn", "pidfd_spawnp", "popen", "posix_spawn", "posix_spawnp", "system",
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

/// Reports whether the library of this name is the C library itself.
pub(super) fn is_libc(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"libc.so")
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

/// A copying system call that a file makes by instruction.
#[derive(Debug)]
pub(super) struct InstructionCall {
    pub(super) name: &'static str,
    /// The requests of ioctl: names of [`MARKS`].
    pub(super) marks: Vec<&'static str>,
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
    /// The functions that it imports to load libraries which no header names.
    pub(super) loads: Vec<&'static str>,
    /// The functions and system calls by which it starts programs.
    pub(super) starts: Vec<String>,
    /// The number of system call instructions.
    pub(super) places: u64,
    /// The copying system calls that it makes by instruction.
    pub(super) calls: Vec<InstructionCall>,
    /// Whether the number of a system call that it makes by instruction is not known.
    pub(super) makes_unknown: bool,
    /// Whether the number that it passes to syscall(3) is not known.
    pub(super) passes_unknown: bool,
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
        let (mut loads, mut finds, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        let each = |Symbol { index, name, defined, weak }: Symbol<'_>| {
            if !defined {
                loads.extend(LOADING.into_iter().filter(|known| known.as_bytes() == name));
                finds.extend(FINDING.into_iter().filter(|known| known.as_bytes() == name));
                starts.extend(STARTING.into_iter().filter(|known| known.as_bytes() == name));
            }
            let Some(hook) = NAMES.into_iter().find(|hook| hook.as_bytes() == name) else {
                return;
            };
            if defined {
                defines.push(hook);
            } else {
                let kind = if weak { ImportKind::Weak } else { ImportKind::Strong };
                imports.push((hook, kind, index));
            }
        };
        let read = elf::symbols(source, native, each);
        // A static program has no dynamic symbols.
        read.or(native.linker.is_none().then_some(()))?;
        let mut slots = Vec::new();
        elf::slots(source, native, |address, symbol| {
            let import = imports.iter().find(|(_, _, index)| *index == symbol);
            slots.extend(import.map(|&(hook, ..)| Slot { hook, address }));
        });
        let contents = contents::search(source, native, &slots);
        let import = |hook| imports.iter().find(|(import, ..)| *import == hook);
        let uses = NAMES.into_iter().filter_map(|hook| {
            let named =
                !finds.is_empty() && contents.names.contains(&hook) && !defines.contains(&hook);
            let how = import(hook).map(|(_, how, _)| *how);
            let how = how.or(named.then_some(ImportKind::ByName))?;
            Some(HookUse { hook, how, marks: marks(&contents, hook, false) })
        });
        // The number of a call is a common number. It proves a call only in a file that imports the
        // function, and that does not pass it there.
        let proves = import("syscall").is_some() && marks(&contents, "syscall", false).is_empty();
        let numbers = if proves { marks(&contents, "syscall", true) } else { Vec::new() };
        let calls = CALLS.into_iter().filter_map(|(name, _)| {
            let marks = marks(&contents, name, true);
            let is_copy = contents.calls.contains(&name) && name != "ioctl"
                || numbers.iter().any(|number| number.strip_prefix("SYS_") == Some(name));
            (is_copy || !marks.is_empty()).then_some(InstructionCall { name, marks })
        });
        let by_instruction = contents.starts.iter().map(|name| format!("{name} by instruction"));
        Some(Image {
            path,
            role,
            uses: uses.collect(),
            defines,
            loads,
            starts: starts.into_iter().map(String::from).chain(by_instruction).collect(),
            places: contents.places,
            calls: calls.collect(),
            makes_unknown: contents.makes_unknown,
            passes_unknown: contents.passes_unknown,
            partial: contents.partial,
        })
    }
}

/// Returns the marks of a hook that the file passes to a system call instruction, or to the hook.
///
/// A mark whose receiver is unknown proves nothing of the hook if an instruction may make the same
/// call.
fn marks(contents: &Contents, hook: &str, by_instruction: bool) -> Vec<&'static str> {
    let of_hook = MARKS.iter().filter(|mark| mark.hook == hook).map(|mark| mark.name);
    let is_there = |name, passed| contents.marks.contains(&FoundMark { name, passed });
    let passed = if by_instruction { Passed::ToKernel } else { Passed::ToImport };
    let has_rival = contents.makes_unknown || hook == "ioctl" && contents.makes_ioctl;
    let is_passed = |name: &&'static str| {
        is_there(*name, passed) || is_there(*name, Passed::Unknown) && has_rival == by_instruction
    };
    of_hook.filter(is_passed).collect()
}

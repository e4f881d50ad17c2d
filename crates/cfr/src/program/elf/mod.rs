//! How an ELF file is loaded, and what it needs from libraries. Reads only its headers and its
//! dynamic section.
//!
//! A file uses only files above it in this list.

mod source;

mod dynamic;

pub(crate) use dynamic::{Dynamic, Symbol, slots, symbols};
pub(crate) use source::{ElfFile, open_regular};

use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endian, Endianness};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The machine of the launcher, and so of its library.
#[cfg(target_arch = "x86_64")]
const OUR_MACHINE: elf::Machine = elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const OUR_MACHINE: elf::Machine = elf::EM_AARCH64;

/// Returns the name of the launcher's machine.
pub(crate) fn our_machine() -> String {
    machine_name(OUR_MACHINE)
}

/// Sections of Go programs. The first is missing if the build ID is empty, the last in old
/// versions.
const OF_GO: [&[u8]; 3] = [b".note.go.buildid", b".gopclntab", b".go.buildinfo"];

/// An executable file.
#[derive(Debug)]
pub(crate) enum Elf {
    /// It is not ELF, or cannot be executed.
    Other,
    /// It is for this other machine or word size.
    Foreign(String),
    Native(Box<Native>),
}

/// An executable or a library for this machine.
#[derive(Debug, Default)]
pub(crate) struct Native {
    /// The path of its dynamic linker. Nothing can be preloaded if there is none.
    pub(crate) linker: Option<PathBuf>,
    /// Whether it is a Go program, which makes system calls without the C library.
    pub(crate) go: bool,
    pub(crate) segments: Vec<Segment>,
    /// The code: sections, or segments if there are no section headers. Segments may also hold
    /// constants.
    pub(crate) code: Vec<Extent>,
    /// `None` if it has no dynamic section, or one that cannot be read.
    pub(crate) dynamic: Option<Dynamic>,
}

/// A range of the file, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    address: u64,
    pub(crate) extent: Extent,
    pub(crate) writable: bool,
}

impl Native {
    /// Reports whether it is a dynamic linker, which obeys LD_PRELOAD if it is executed itself.
    /// `path` is its path, by which musl's is known: it has no name as a library.
    pub(crate) fn is_linker(&self, path: &Path) -> bool {
        let soname = self.dynamic.as_ref().and_then(|dynamic| dynamic.soname.as_deref());
        soname.is_some_and(|name| name.as_bytes().starts_with(b"ld-linux"))
            || self.linker.is_none() && is_musl(path)
    }

    /// Returns the address to which the byte at `offset` of the file is loaded.
    pub(crate) fn address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let into = offset.checked_sub(segment.extent.offset);
            segment.address.checked_add(into.filter(|into| *into < segment.extent.size)?)
        })
    }

    /// Returns the offset in the file of the byte that is loaded to `address`.
    pub(crate) fn offset(&self, address: u64) -> Option<u64> {
        dynamic::in_file(&self.segments, address).map(|range| range.start)
    }

    /// Reports whether its C library is musl.
    pub(crate) fn has_musl(&self) -> bool {
        self.linker.as_deref().is_some_and(is_musl)
    }
}

/// Reports whether a path is that of musl's dynamic linker, which is also its C library.
fn is_musl(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"ld-musl-"))
}

/// Reads the headers of a file. The result is [`Elf::Other`] if they cannot be read: the kernel
/// will report the error.
pub(crate) fn read(source: &ElfFile) -> Elf {
    if let Ok(header) = elf::FileHeader64::<Endianness>::parse(source) {
        return read_64(header, source).unwrap_or(Elf::Other);
    }
    match elf::FileHeader32::<Endianness>::parse(source) {
        Ok(header) => {
            let machine = header.endian().map(|endian| header.e_machine(endian));
            Elf::Foreign(match machine {
                Ok(elf::EM_386) => "32-bit x86".into(),
                Ok(elf::EM_X86_64) => "x32".into(),
                Ok(elf::EM_ARM) => "32-bit ARM".into(),
                _ => "32-bit".into(),
            })
        }
        Err(_) => Elf::Other,
    }
}

/// Reports whether the library at `path` defines `symbol`. `None` if it is not a library for this
/// machine.
pub(crate) fn defines(path: &Path, symbol: &str) -> Option<bool> {
    let source = ElfFile::open(path).ok()?;
    let Elf::Native(native) = read(&source) else {
        return None;
    };
    let mut found = false;
    symbols(&source, &native, |Symbol { name, defined, .. }| {
        found |= defined && name == symbol.as_bytes();
    })?;
    Some(found)
}

fn read_64(header: &elf::FileHeader64<Endianness>, source: &ElfFile) -> object::Result<Elf> {
    let endian = header.endian()?;
    let machine = header.e_machine(endian);
    if machine != OUR_MACHINE || endian.is_big_endian() {
        return Ok(Elf::Foreign(machine_name(machine)));
    }
    if !matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN) {
        return Ok(Elf::Other);
    }
    let mut native = Native::default();
    let headers = header.program_headers(endian, source)?;
    for segment in headers {
        if let Ok(Some(linker)) = segment.interpreter(endian, source) {
            native.linker = Some(OsStr::from_bytes(linker).into());
        }
        if segment.p_type(endian) == elf::PT_LOAD {
            let (offset, size) = segment.file_range(endian);
            let extent = Extent { offset, size };
            let flags = segment.p_flags(endian);
            native.segments.push(Segment {
                address: segment.p_vaddr(endian),
                extent,
                writable: flags.contains(elf::PF_W),
            });
            if flags.contains(elf::PF_X) {
                native.code.push(extent);
            }
        }
    }
    let entries = headers.iter().find_map(|segment| segment.dynamic(endian, source).ok()?);
    native.dynamic =
        entries.and_then(|entries| Dynamic::read(source, &native.segments, entries, endian));
    if let Ok(sections) = header.sections(endian, source) {
        let code = sections.iter().filter(|section| {
            section.sh_type(endian) == elf::SHT_PROGBITS
                && section.sh_flags(endian).contains(elf::SHF_EXECINSTR)
        });
        let code = code.filter_map(|section| section.file_range(endian));
        let code: Vec<_> = code.map(|(offset, size)| Extent { offset, size }).collect();
        if !code.is_empty() {
            native.code = code;
        }
        native.go = sections.iter().any(|section| {
            section.sh_type(endian) != elf::SHT_NOBITS
                && sections.section_name(endian, section).is_ok_and(|name| OF_GO.contains(&name))
        });
    }
    Ok(Elf::Native(native.into()))
}

fn machine_name(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86-64".into(),
        elf::EM_AARCH64 => "aarch64".into(),
        elf::EM_RISCV => "RISC-V".into(),
        elf::EM_PPC64 => "64-bit PowerPC".into(),
        elf::EM_S390 => "s390".into(),
        other => format!("ELF machine {}", other.0),
    }
}

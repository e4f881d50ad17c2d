//! What an ELF file says of how it is started. Reads only its headers and its dynamic section.

use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, ReadCache, ReadRef};
use std::fs::File;
use std::path::Path;

/// The machine that the launcher, and so the library beside it, was built for.
#[cfg(target_arch = "x86_64")]
const OUR_MACHINE: elf::Machine = elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const OUR_MACHINE: elf::Machine = elf::EM_AARCH64;

/// An executable file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Elf {
    /// Not ELF at all.
    Other,
    /// For another machine or of another word size, in words.
    Foreign(String),
    /// For this machine.
    Native(Native),
}

/// An executable for this machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Native {
    /// It names a dynamic linker: without one nothing can be preloaded.
    pub(crate) dynamic: bool,
    /// It was built by the Go compiler, which makes system calls by instruction.
    pub(crate) go: bool,
    /// The address sanitizer's runtime among its libraries: it must come first.
    pub(crate) needs_asan: Option<String>,
}

/// Reads the headers of the file at `path`. What cannot be read is [`Elf::Other`]: the kernel
/// will say what is wrong with it.
pub(crate) fn read(path: &Path) -> Elf {
    let Ok(file) = File::open(path) else {
        return Elf::Other;
    };
    let cache = ReadCache::new(file);
    let data = &cache;
    if let Ok(header) = elf::FileHeader64::<Endianness>::parse(data) {
        return read_64(header, data).unwrap_or(Elf::Other);
    }
    match elf::FileHeader32::<Endianness>::parse(data) {
        Ok(_) => Elf::Foreign("32-bit".into()),
        Err(_) => Elf::Other,
    }
}

/// Whether the library at `path` offers `symbol`. `None` where it is no library for this machine.
pub(crate) fn defines(path: &Path, symbol: &str) -> Option<bool> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let data = &cache;
    let header = elf::FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM).ok()?;
    Some(symbols.iter().any(|entry| {
        !entry.is_undefined(endian)
            && entry.name(endian, symbols.strings()).is_ok_and(|name| name == symbol.as_bytes())
    }))
}

fn read_64<'data, R: ReadRef<'data>>(
    header: &elf::FileHeader64<Endianness>,
    data: R,
) -> object::Result<Elf> {
    let endian = header.endian()?;
    let machine = header.e_machine(endian);
    if machine != OUR_MACHINE {
        return Ok(Elf::Foreign(machine_name(machine)));
    }
    let mut native = Native::default();
    for segment in header.program_headers(endian, data)? {
        native.dynamic |= segment.p_type(endian) == elf::PT_INTERP;
        native.needs_asan = native.needs_asan.or(needs_asan(header, segment, endian, data));
    }
    if let Ok(sections) = header.sections(endian, data) {
        native.go = sections.iter().any(|section| {
            sections.section_name(endian, section).is_ok_and(|name| name == b".note.go.buildid")
                && section.sh_type(endian) == elf::SHT_NOTE
        });
    }
    Ok(Elf::Native(native))
}

/// The name of the address sanitizer's runtime, if this is the dynamic segment and names it.
fn needs_asan<'data, R: ReadRef<'data>>(
    header: &elf::FileHeader64<Endianness>,
    segment: &elf::ProgramHeader64<Endianness>,
    endian: Endianness,
    data: R,
) -> Option<String> {
    let entries = segment.dynamic(endian, data).ok()??;
    let sections = header.sections(endian, data).ok()?;
    let (_, strings_at) = sections.dynamic(endian, data).ok()??;
    let strings = sections.strings(endian, data, strings_at).ok()?;
    entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED).find_map(|entry| {
        let name = entry.string(endian, strings).ok()?;
        let name = String::from_utf8_lossy(name);
        name.starts_with("libasan.so").then(|| name.into_owned())
    })
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

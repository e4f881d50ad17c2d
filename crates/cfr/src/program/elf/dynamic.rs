//! The dynamic section of an ELF file: which libraries and symbols it needs and offers. It is read
//! as the dynamic linker reads it, without the section headers, which a program need not have.

use super::{ElfFile, Extent, Native, Segment};
use object::elf;
use object::read::elf::{Dyn, GnuHashTable, Sym};
use object::{Endianness, ReadRef, pod};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

type Header = elf::FileHeader64<Endianness>;

/// The longest name or path that is read from a dynamic section, in bytes.
const MAX_STRING: u64 = 4096;
/// The most libraries that a file may need. Valid files have a tenth of it.
const MAX_NEEDED: usize = 1024;
/// The bytes of a symbol's name that are read: more than any hook's name has. A damaged file may
/// hold millions of unterminated names.
const MAX_SYMBOL: usize = 64;
/// The bytes of a symbol hash table that are read.
const MAX_HASH_BYTES: u64 = 16 << 20;

#[derive(Debug)]
pub(crate) struct Dynamic {
    /// The libraries that the file needs (`DT_NEEDED`).
    pub(crate) needed: Vec<OsString>,
    /// The file's name as a library (`DT_SONAME`).
    pub(crate) soname: Option<OsString>,
    /// The search path for its libraries and for theirs (`DT_RPATH`).
    pub(crate) rpath: Option<OsString>,
    /// The search path for its libraries (`DT_RUNPATH`).
    pub(crate) runpath: Option<OsString>,
    /// The extent of the symbols' names in the file, in bytes.
    pub(crate) strings: Range<u64>,
    endian: Endianness,
    symbols: Option<u64>,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
    /// Tables of relocations, each with its address and its length in bytes.
    relocations: Vec<(u64, u64)>,
}

/// A symbol that a file imports or defines.
pub(crate) struct Symbol<'a> {
    /// Its index in the table of symbols.
    pub(crate) index: usize,
    pub(crate) name: &'a [u8],
    /// Whether the file defines it.
    pub(crate) defined: bool,
    /// Whether it may stay undefined.
    pub(crate) weak: bool,
}

impl Dynamic {
    /// Reads the section. `None` if its strings cannot be found.
    pub(super) fn read(
        source: &ElfFile,
        segments: &[Segment],
        entries: &[elf::Dyn64<Endianness>],
        endian: Endianness,
    ) -> Option<Dynamic> {
        let end = entries.iter().position(|entry| entry.tag(endian) == elf::DT_NULL);
        let entries = entries.get(..end.unwrap_or(entries.len()))?;
        let value = |tag| {
            entries.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian))
        };
        let strings = in_file(segments, value(elf::DT_STRTAB)?)?;
        let size = value(elf::DT_STRSZ)?.min(strings.end - strings.start);
        let strings = strings.start..strings.start + size;
        let string = |at: u64| {
            let start = strings.start.checked_add(at).filter(|start| *start < strings.end)?;
            let range = start..strings.end.min(start + MAX_STRING);
            source.read_bytes_at_until(range, 0).ok().map(|name| OsStr::from_bytes(name).to_owned())
        };
        let needed = entries
            .iter()
            .filter(|entry| entry.tag(endian) == elf::DT_NEEDED)
            .take(MAX_NEEDED)
            .filter_map(|entry| string(entry.val(endian)))
            .collect();
        let table = |at, size| Some((value(at)?, value(size)?));
        Some(Dynamic {
            needed,
            soname: value(elf::DT_SONAME).and_then(string),
            rpath: value(elf::DT_RPATH).and_then(string),
            runpath: value(elf::DT_RUNPATH).and_then(string),
            endian,
            symbols: value(elf::DT_SYMTAB),
            hash: value(elf::DT_HASH),
            gnu_hash: value(elf::DT_GNU_HASH),
            relocations: [(elf::DT_RELA, elf::DT_RELASZ), (elf::DT_JMPREL, elf::DT_PLTRELSZ)]
                .into_iter()
                .filter_map(|(at, size)| table(at, size))
                .collect(),
            strings,
        })
    }
}

/// Returns the file range from an address to the end of its segment.
pub(super) fn in_file(segments: &[Segment], address: u64) -> Option<Range<u64>> {
    segments.iter().find_map(|segment| {
        let Extent { offset, size } = segment.extent;
        let into = address.checked_sub(segment.address).filter(|into| *into < size)?;
        Some(offset + into..offset.checked_add(size)?)
    })
}

/// Calls `each` with every symbol that a file imports or defines. `None` if the dynamic section is
/// missing or cannot be read.
pub(crate) fn symbols(
    source: &ElfFile,
    native: &Native,
    mut each: impl FnMut(Symbol<'_>),
) -> Option<()> {
    let dynamic = native.dynamic.as_ref()?;
    let strings = source
        .read_bytes_at(dynamic.strings.start, dynamic.strings.end - dynamic.strings.start)
        .ok()?;
    let count = count(source, &native.segments, dynamic)?;
    let range = in_file(&native.segments, dynamic.symbols?)?;
    let size = size_of::<elf::Sym64<Endianness>>() as u64;
    let bytes = source.read_bytes_at(range.start, count.checked_mul(size)?).ok()?;
    let table = pod::slice_from_all_bytes::<elf::Sym64<Endianness>>(bytes).ok()?;
    for (index, symbol) in table.iter().enumerate().skip(1) {
        let start = usize::try_from(symbol.st_name(dynamic.endian)).ok()?;
        let Some(rest) = strings.get(start..) else { continue };
        let rest = rest.get(..MAX_SYMBOL).unwrap_or(rest);
        let Some(name) = rest.split(|&byte| byte == 0).next() else { continue };
        each(Symbol {
            index,
            name,
            defined: !symbol.is_undefined(dynamic.endian),
            weak: symbol.is_weak(),
        });
    }
    Some(())
}

/// Calls `each` with every address at which the dynamic linker writes the address of a symbol, and
/// with the index of that symbol.
pub(crate) fn slots(source: &ElfFile, native: &Native, mut each: impl FnMut(u64, usize)) {
    let Some(dynamic) = &native.dynamic else { return };
    for &(table, size) in &dynamic.relocations {
        let entries = relocations(source, &native.segments, table, size).unwrap_or_default();
        for entry in entries {
            if let Ok(symbol @ 1..) = usize::try_from(entry.r_sym(dynamic.endian, false)) {
                each(entry.r_offset.get(dynamic.endian), symbol);
            }
        }
    }
}

fn relocations<'a>(
    source: &'a ElfFile,
    segments: &[Segment],
    table: u64,
    size: u64,
) -> Option<&'a [elf::Rela64<Endianness>]> {
    let range = in_file(segments, table)?;
    let bytes = source.read_bytes_at(range.start, size.min(range.end - range.start)).ok()?;
    pod::slice_from_all_bytes(bytes).ok()
}

/// Returns the number of symbols. No field holds it: the hash tables end with the last defined
/// symbol, the relocations refer to the last imported one.
fn count(source: &ElfFile, segments: &[Segment], dynamic: &Dynamic) -> Option<u64> {
    let endian = dynamic.endian;
    let read = |address: u64, size: u64| {
        let range = in_file(segments, address)?;
        source.read_bytes_at(range.start, size.min(range.end - range.start)).ok()
    };
    let mut count = 1;
    if let Some(table) = dynamic.hash {
        let header = pod::from_bytes::<elf::HashHeader<Endianness>>(read(table, 8)?).ok()?.0;
        count = count.max(header.chain_count.get(endian).into());
    }
    if let Some(table) = dynamic.gnu_hash {
        let bytes = read(table, MAX_HASH_BYTES)?;
        if let Ok(table) = GnuHashTable::<Header>::parse(endian, bytes) {
            count = count.max(table.symbol_table_length(endian).unwrap_or(0).into());
        }
    }
    for &(table, size) in &dynamic.relocations {
        for relocation in relocations(source, segments, table, size)? {
            count = count.max(u64::from(relocation.r_sym(endian, false)) + 1);
        }
    }
    Some(count)
}

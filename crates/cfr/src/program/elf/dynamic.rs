//! What an ELF file asks from libraries and offers to them: its dynamic section, as the dynamic
//! linker reads it, without the section headers, which a program need not have.

use super::{Extent, Native, Segment, Source};
use object::elf;
use object::read::elf::{Dyn, GnuHashTable, Sym};
use object::{Endianness, ReadRef, pod};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

type Header = elf::FileHeader64<Endianness>;

/// The longest name or path of a dynamic section that is believed, in bytes.
const LONGEST: u64 = 4096;
/// The most libraries that a file may need, and the most entries of its dynamic section: sound files
/// have a tenth of it.
const MOST_NEEDED: usize = 1024;
/// As much of a symbol's name as is looked at, in bytes: more than any hook's has. A file may have millions
/// of names without an end.
const LONGEST_SYMBOL: usize = 64;
/// The largest hash table of symbols that is read, in bytes.
const HASH_BYTES: u64 = 16 << 20;

/// A dynamic section.
#[derive(Debug)]
pub(crate) struct Dynamic {
    /// The libraries that it needs (`DT_NEEDED`).
    pub(crate) needed: Vec<OsString>,
    /// Its name as a library (`DT_SONAME`).
    pub(crate) soname: Option<OsString>,
    /// Where to look for libraries, also those of its libraries (`DT_RPATH`).
    pub(crate) rpath: Option<OsString>,
    /// Where to look for the libraries of this file (`DT_RUNPATH`).
    pub(crate) runpath: Option<OsString>,
    /// The bytes of the file that hold the names of its symbols.
    pub(crate) strings: Range<u64>,
    endian: Endianness,
    symbols: Option<u64>,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
    /// Tables of relocations, each its address and its length in bytes.
    relocations: Vec<(u64, u64)>,
}

/// A name that a file takes from others or offers to them.
pub(crate) struct Symbol<'a> {
    /// The name.
    pub(crate) name: &'a [u8],
    /// It is offered, not taken.
    pub(crate) defined: bool,
    /// Where it is taken, it need not be there.
    pub(crate) weak: bool,
}

impl Dynamic {
    /// `None` where its strings cannot be found.
    pub(super) fn read(
        source: &Source,
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
            let range = start..strings.end.min(start + LONGEST);
            source.read_bytes_at_until(range, 0).ok().map(|name| OsStr::from_bytes(name).to_owned())
        };
        let needed = entries
            .iter()
            .filter(|entry| entry.tag(endian) == elf::DT_NEEDED)
            .take(MOST_NEEDED)
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

/// From where to where an address and what follows it in its segment stand in the file.
fn in_file(segments: &[Segment], address: u64) -> Option<Range<u64>> {
    segments.iter().find_map(|segment| {
        let Extent { offset, size } = segment.extent;
        let into = address.checked_sub(segment.address).filter(|into| *into < size)?;
        Some(offset + into..offset.checked_add(size)?)
    })
}

/// Hands on every symbol that a file takes from others or offers to them. `None` where there is no dynamic section or it cannot be read.
pub(crate) fn symbols(
    source: &Source,
    native: &Native,
    mut each: impl FnMut(Symbol<'_>),
) -> Option<()> {
    let dynamic = native.dynamic.as_ref()?;
    let strings = source
        .read_bytes_at(dynamic.strings.start, dynamic.strings.end - dynamic.strings.start)
        .ok()?;
    let count = count(source, &native.segments, dynamic)?;
    let place = in_file(&native.segments, dynamic.symbols?)?;
    let size = size_of::<elf::Sym64<Endianness>>() as u64;
    let bytes = source.read_bytes_at(place.start, count.checked_mul(size)?).ok()?;
    let table = pod::slice_from_all_bytes::<elf::Sym64<Endianness>>(bytes).ok()?;
    for symbol in table.iter().skip(1) {
        let start = usize::try_from(symbol.st_name(dynamic.endian)).ok()?;
        let Some(rest) = strings.get(start..) else { continue };
        let rest = rest.get(..LONGEST_SYMBOL).unwrap_or(rest);
        let Some(name) = rest.split(|&byte| byte == 0).next() else { continue };
        each(Symbol {
            name,
            defined: !symbol.is_undefined(dynamic.endian),
            weak: symbol.is_weak(),
        });
    }
    Some(())
}

/// How many symbols there are. Nothing says so: the hash tables know the last that is offered, the
/// relocations the last that is taken.
fn count(source: &Source, segments: &[Segment], dynamic: &Dynamic) -> Option<u64> {
    let endian = dynamic.endian;
    let read = |address: u64, size: u64| {
        let place = in_file(segments, address)?;
        source.read_bytes_at(place.start, size.min(place.end - place.start)).ok()
    };
    let mut count = 1;
    if let Some(table) = dynamic.hash {
        let header = pod::from_bytes::<elf::HashHeader<Endianness>>(read(table, 8)?).ok()?.0;
        count = count.max(header.chain_count.get(endian).into());
    }
    if let Some(table) = dynamic.gnu_hash {
        let bytes = read(table, HASH_BYTES)?;
        if let Ok(table) = GnuHashTable::<Header>::parse(endian, bytes) {
            count = count.max(table.symbol_table_length(endian).unwrap_or(0).into());
        }
    }
    for &(table, size) in &dynamic.relocations {
        let entries = pod::slice_from_all_bytes::<elf::Rela64<Endianness>>(read(table, size)?);
        for relocation in entries.ok()? {
            count = count.max(u64::from(relocation.r_sym(endian, false)) + 1);
        }
    }
    Some(count)
}

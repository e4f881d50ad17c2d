//! Finds functions in the vDSO (vdso(7)): the shared library that the kernel maps into every
//! process.
//!
//! The dynamic linker does not search the vDSO, and the C library keeps the functions that it finds
//! there to itself. So its image is parsed here, as any ELF file: elf(5). No read goes beyond the
//! image, whatever it holds.

/// The smallest page: so many bytes of the image are mapped if there is one.
const PAGE: usize = 4096;

/// Returns the image of the vDSO that is mapped at `base`; `None` if it is not a 64-bit ELF image.
///
/// # Safety
///
/// `base` must be what the kernel gives as `AT_SYSINFO_EHDR`.
pub(crate) unsafe fn image(base: *const u8) -> Option<&'static [u8]> {
    // SAFETY: the kernel maps whole pages, readable, for as long as the program runs.
    let first_page = unsafe { core::slice::from_raw_parts(base, PAGE) };
    let len = segment(first_page, PT_LOAD)?.len;
    // SAFETY: the one loaded segment is the image, and it is mapped whole.
    Some(unsafe { core::slice::from_raw_parts(base, len) })
}

/// Returns the offset in the image of the function `name`, which ends in a zero byte.
pub(crate) fn find_function(image: &[u8], name: &[u8]) -> Option<usize> {
    let tables = Tables::of(image)?;
    let symbols = image.get(tables.symbols..)?.chunks_exact(SYMBOL_LEN);
    symbols.take(tables.symbol_count(image)?).find_map(|symbol| {
        let symbol = Bytes(symbol);
        let name_at = tables.strings.checked_add(symbol.u32(0)? as usize)?;
        let is_defined = symbol.u16(6)? != SHN_UNDEF;
        let offset = symbol.offset(8, tables.address)?;
        let is_found =
            is_defined && offset < image.len() && image.get(name_at..)?.starts_with(name);
        is_found.then_some(offset)
    })
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_NULL: u64 = 0;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const SHN_UNDEF: u16 = 0;

/// Bytes of a program header, of an entry of the dynamic section and of a symbol.
const HEADER_LEN: usize = 56;
const ENTRY_LEN: usize = 16;
const SYMBOL_LEN: usize = 24;

/// Bytes of an image, whose byte order is the machine's.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const LEN: usize>(&self, at: usize) -> Option<[u8; LEN]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_ne_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_ne_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_ne_bytes)
    }

    /// Returns the offset in the image of the address at `at`; `start` is the image's address.
    fn offset(&self, at: usize, start: u64) -> Option<usize> {
        usize::try_from(self.u64(at)?.wrapping_sub(start)).ok()
    }
}

/// A segment of the image.
struct Segment {
    /// The address that the image was linked for. Before Linux 3.16 it was not 0 on x86-64.
    address: u64,
    /// The length in bytes.
    len: usize,
}

/// Returns the first segment of this type.
fn segment(image: &[u8], kind: u32) -> Option<Segment> {
    const MAGIC_64_BIT: &[u8] = b"\x7fELF\x02";
    if !image.starts_with(MAGIC_64_BIT) {
        return None;
    }
    let header = Bytes(image);
    let headers = image.get(header.offset(32, 0)?..)?.chunks_exact(HEADER_LEN);
    headers.take(header.u16(56)?.into()).map(Bytes).find_map(|header| {
        let is_wanted = header.u32(0)? == kind;
        let segment = Segment { address: header.u64(16)?, len: header.offset(40, 0)? };
        is_wanted.then_some(segment)
    })
}

/// Where the tables of the dynamic section are in the image.
struct Tables {
    /// The address that the image was linked for.
    address: u64,
    symbols: usize,
    strings: usize,
    hash: Option<usize>,
    gnu_hash: Option<usize>,
}

impl Tables {
    fn of(image: &[u8]) -> Option<Tables> {
        let address = segment(image, PT_LOAD)?.address;
        let dynamic = segment(image, PT_DYNAMIC)?.address.wrapping_sub(address);
        let entries = image.get(usize::try_from(dynamic).ok()?..)?.chunks_exact(ENTRY_LEN);
        let mut found = [None; 4];
        for entry in entries.map(Bytes) {
            let [symbols, strings, hash, gnu_hash] = &mut found;
            let place = match entry.u64(0)? {
                DT_NULL => break,
                DT_SYMTAB => symbols,
                DT_STRTAB => strings,
                DT_HASH => hash,
                DT_GNU_HASH => gnu_hash,
                _ => continue,
            };
            *place = entry.offset(8, address);
        }
        let [symbols, strings, hash, gnu_hash] = found;
        Some(Tables { address, symbols: symbols?, strings: strings?, hash, gnu_hash })
    }

    /// Returns the number of symbols, which only the hash tables tell. Older kernels have no
    /// `DT_GNU_HASH`, newer ones no `DT_HASH` on arm64 (criu's pull request 2570).
    fn symbol_count(&self, image: &[u8]) -> Option<usize> {
        let table = |at: Option<usize>| image.get(at?..).map(Bytes);
        if let Some(hash) = table(self.hash) {
            return Some(hash.u32(4)? as usize);
        }
        let hash = table(self.gnu_hash)?;
        let [buckets, first, bloom_words] = [hash.u32(0)?, hash.u32(4)?, hash.u32(8)?];
        let buckets_at = 16 + bloom_words as usize * 8;
        let chains_at = buckets_at + buckets as usize * 4;
        let buckets = hash.0.get(buckets_at..chains_at)?.chunks_exact(4);
        // The symbols are sorted by bucket. The last one is the last of the chain that starts
        // last; the lowest bit of its hash is set.
        let mut last = buckets.filter_map(|bucket| Bytes(bucket).u32(0)).max()?;
        while hash.u32(chains_at + last.checked_sub(first)? as usize * 4)? & 1 == 0 {
            last = last.checked_add(1)?;
        }
        Some(last as usize + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auxv::auxiliary_value;
    use std::vec::Vec;

    /// The running kernel's vDSO; empty if it has none.
    fn running() -> Vec<u8> {
        let base = auxiliary_value(libc::AT_SYSINFO_EHDR).unwrap_or(0) as *const u8;
        // SAFETY: the kernel's address.
        let image = if base.is_null() { None } else { unsafe { image(base) } };
        image.unwrap_or_default().to_vec()
    }

    const NAME: &[u8] = if cfg!(target_arch = "x86_64") {
        b"__vdso_clock_gettime\0"
    } else {
        b"__kernel_clock_gettime\0"
    };

    /// Returns the offsets of the dynamic section's entries with this tag.
    fn entries(image: &[u8], tag: u64) -> Vec<usize> {
        let tag = tag.to_ne_bytes();
        (0..image.len() - 8).step_by(8).filter(|&at| image[at..at + 8] == tag).collect()
    }

    #[test]
    fn a_function_is_found_by_either_hash_table() {
        let image = running();
        let Some(found) = find_function(&image, NAME) else {
            assert!(image.is_empty(), "the vDSO has no clock");
            return;
        };
        assert!(find_function(&image, b"__vdso_no_such_function\0").is_none());
        let both = Tables::of(&image).unwrap();
        for tag in [DT_HASH, DT_GNU_HASH] {
            // DT_HASH is a small number that may be found elsewhere in the image too.
            for at in entries(&image, tag) {
                let mut without = image.clone();
                without[at..at + 8].copy_from_slice(&(DT_NULL + 0x1234).to_ne_bytes());
                let Some(one) = Tables::of(&without) else { continue };
                if one.hash.is_some() != one.gnu_hash.is_some() {
                    assert_eq!(one.symbol_count(&without), both.symbol_count(&image));
                    assert_eq!(find_function(&without, NAME), Some(found));
                }
            }
        }
    }

    /// Damaged images must neither panic nor loop.
    #[test]
    fn damaged_images_are_read_within_their_bounds() {
        let image = running();
        for len in 0..image.len().min(PAGE) {
            let _ = find_function(&image[..len], NAME);
        }
        // All that is parsed lies before the code.
        for at in 0..image.len().min(0x800) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = image.clone();
                damaged[at] = value;
                let offset = find_function(&damaged, NAME);
                assert!(offset.is_none_or(|offset| offset < damaged.len()), "{at}: {value}");
            }
        }
    }
}

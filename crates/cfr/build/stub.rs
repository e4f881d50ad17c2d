//! A shared library without code and symbols, for 32-bit programs. Their dynamic linker loads it
//! silently; for libcfr.so it prints "wrong ELF class" on standard error. The fields are described in
//! elf(5).

/// What differs between machines.
pub(crate) struct Stub {
    /// The ELF machine.
    pub(crate) machine: u16,
    /// The flags of the machine.
    pub(crate) flags: u32,
}

// The sizes of the parts, in bytes. The file is loaded as it is, so offsets are addresses.
const HEADER: u16 = 52;
const SEGMENT: u16 = 32;
const SEGMENTS: u16 = 3;
const DYNAMIC: u32 = 6 * 8;
const SYMBOL: u32 = 16;
const HASH: u32 = 4 * 4;
const STRINGS: u32 = 1;

const DYNAMIC_AT: u32 = HEADER as u32 + SEGMENTS as u32 * SEGMENT as u32;
const SYMBOLS_AT: u32 = DYNAMIC_AT + DYNAMIC;
const HASH_AT: u32 = SYMBOLS_AT + SYMBOL;
const STRINGS_AT: u32 = HASH_AT + HASH;
const SIZE: u32 = STRINGS_AT + STRINGS;

/// glibc before 2.35 writes addresses into the dynamic section of a library.
const READ_WRITE: u32 = 6;
/// A page of the machines that run 32-bit programs.
const PAGE: u32 = 0x1000;

impl Stub {
    /// Returns the contents of the file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = Vec::new();
        // e_ident: magic number, 32-bit, little-endian, version 1.
        file.extend_from_slice(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0");
        halves(&mut file, &[3, self.machine]); // e_type (shared object), e_machine
        words(&mut file, &[1, 0]); // e_version, e_entry
        words(&mut file, &[HEADER.into(), 0]); // e_phoff, e_shoff (no sections)
        words(&mut file, &[self.flags]); // e_flags
        halves(&mut file, &[HEADER, SEGMENT, SEGMENTS]); // e_ehsize, e_phentsize, e_phnum
        halves(&mut file, &[0, 0, 0]); // e_shentsize, e_shnum, e_shstrndx

        // p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align
        words(&mut file, &[1, 0, 0, 0, SIZE, SIZE, READ_WRITE, PAGE]); // PT_LOAD
        let at = DYNAMIC_AT;
        words(&mut file, &[2, at, at, at, DYNAMIC, DYNAMIC, READ_WRITE, 4]); // PT_DYNAMIC
        // PT_GNU_STACK: without it the dynamic linker makes the program's stack executable.
        words(&mut file, &[0x6474_e551, 0, 0, 0, 0, 0, READ_WRITE, 16]);

        // d_tag, d_val: the least that the dynamic linkers of glibc and musl read.
        words(&mut file, &[4, HASH_AT]); // DT_HASH
        words(&mut file, &[5, STRINGS_AT]); // DT_STRTAB
        words(&mut file, &[10, STRINGS]); // DT_STRSZ
        words(&mut file, &[6, SYMBOLS_AT]); // DT_SYMTAB
        words(&mut file, &[11, SYMBOL]); // DT_SYMENT
        words(&mut file, &[0, 0]); // DT_NULL

        words(&mut file, &[0, 0, 0, 0]); // the symbol 0, which every table has
        words(&mut file, &[1, 1, 0, 0]); // nbucket, nchain, an empty bucket, an empty chain
        file.push(0); // the empty string
        file
    }
}

fn halves(file: &mut Vec<u8>, values: &[u16]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn words(file: &mut Vec<u8>, values: &[u32]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

//! A program before it runs: its path, its ELF file, and the library to preload.
//!
//! A file uses only files above it in this list.

pub(crate) mod elf;

pub(crate) mod locate;

pub(crate) mod starters;

mod preload_path;

pub(crate) mod library;

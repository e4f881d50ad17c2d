//! A program before it runs: its file, how it is linked, and the library for it.
//!
//! A file uses only what stands above it in this list.

pub(crate) mod elf;

pub(crate) mod locate;

pub(crate) mod library;

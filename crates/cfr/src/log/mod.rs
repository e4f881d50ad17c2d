//! Reads logs, also compressed ones: line by line, in bounded memory.
//!
//! A file uses only files above it in this list.

pub(crate) mod summary_entry;

pub(crate) mod entry;

pub(crate) mod text_line;

mod decompressed;

pub(crate) mod reader;

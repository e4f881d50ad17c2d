//! Pages for a browser: one file each, which needs no network and can be read without scripts.
//!
//! A file uses only files above it in this list.

pub(crate) mod earlier;

pub(crate) mod number;

pub(crate) mod chart;

pub(crate) mod table;

pub(crate) mod page;

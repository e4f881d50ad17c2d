//! The commands, one module each.
//!
//! A file uses only what stands above it in this list.

pub(crate) mod trace;

pub(crate) mod dialects;

pub(crate) mod profiles;

pub(crate) mod probe;

pub(crate) mod inspect;

pub(crate) mod report;

pub(crate) mod sweep;

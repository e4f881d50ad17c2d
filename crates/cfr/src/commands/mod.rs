//! The commands: one module each, found by its name. No command uses another.
//!
//! A file uses only files above it in this list.

pub(crate) mod trace;

pub(crate) mod run;

pub(crate) mod sweep;

pub(crate) mod report;

pub(crate) mod summary;

pub(crate) mod probe;

pub(crate) mod inspect;

pub(crate) mod dialects;

pub(crate) mod profiles;

pub(crate) mod completions;

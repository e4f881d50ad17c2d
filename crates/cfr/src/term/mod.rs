//! What the launcher shares with its terminal and its user: failures, output, clean-up on signals.
//!
//! A file uses only what stands above it in this list.

pub(crate) mod failure;

pub(crate) mod stdout;

pub(crate) mod json;

pub(crate) mod shell;

pub(crate) mod whole_file;

pub(crate) mod status_line;

pub(crate) mod inherited;

pub(crate) mod cleanup;

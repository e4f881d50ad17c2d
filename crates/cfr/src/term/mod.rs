//! Standard output, standard error and signals: messages, reports, progress, cleanup.
//!
//! A file uses only files above it in this list.

pub(crate) mod failure;

pub(crate) mod small_thread;

pub(crate) mod stdout;

pub(crate) mod json;

pub(crate) mod shell;

pub(crate) mod unique_name;

pub(crate) mod whole_file;

pub(crate) mod width;

pub(crate) mod fit;

pub(crate) mod status_line;

pub(crate) mod inherited;

pub(crate) mod cleanup;

//! What `make install` puts in place, and the C headers.

pub mod files;
pub mod header;

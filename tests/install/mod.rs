//! What `make install` puts in place, the C headers, and what packages are made from.

mod examples;
pub mod files;
pub mod header;
mod packages;

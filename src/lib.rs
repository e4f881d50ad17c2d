//! libcfr.so: how a stranger's process meets `copy_file_range`.
//!
//! The host process outranks this library. What stands here never aborts, exits, blocks on a
//! lock, allocates on the path of a call, changes errno on success, or writes to a descriptor
//! that is not proven to be its own. What a call *means* is in the crate `cfr-core`.
//!
//! A file uses only what stands above it in this list. ARCHITECTURE.md tells one call's way.

mod panic_point;

mod log;

mod route;

mod recording;

mod inject;

mod intercept;

mod pass_on;

mod summary;

mod init;

mod hooks;

mod capi;

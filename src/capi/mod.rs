//! The C API beside the hooks: the `cfr_*` functions of `include/cfr.h`.
//!
//! A file uses only files above it in this list.
#![expect(unsafe_code, reason = "exports C symbols and uses the pointers of C programs")]
#![expect(unreachable_pub, reason = "cbindgen and the linker look for what is public")]

mod sized;

mod text;

mod copy;

mod configure;

mod stats;

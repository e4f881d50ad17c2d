//! The C API beside the hooks: the `cfr_*` functions of `include/cfr.h`.
#![expect(unsafe_code, reason = "exports C symbols")]
#![expect(unreachable_pub, reason = "cbindgen and the linker look for what is public")]

use core::ffi::c_char;

/// Returns the version of the loaded library, for example "0.1.0". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn cfr_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

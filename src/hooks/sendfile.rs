//! The hooks `sendfile` and `sendfile64`: sendfile(2) into regular files, which many programs still
//! copy with.
#![expect(unsafe_code, reason = "exports C symbols")]
#![expect(unreachable_pub, reason = "the linker exports what is public")]

use super::{encode, initialized_route, intercept_forwarded};
use crate::calls::Sendfile;
use crate::route::Route;
use cfr_engine::hook::Hook;
use cfr_sys::OffsetPointer;
use core::ffi::c_int;

/// sendfile(2).
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sendfile(
    out_fd: c_int,
    in_fd: c_int,
    offset: *mut i64,
    count: usize,
) -> isize {
    let offset = OffsetPointer::new(offset);
    send(Sendfile { hook: Hook::Sendfile, out_fd, in_fd, offset, count })
}

/// sendfile(2) with 64-bit offsets. On the architectures of this library `off_t` has 64 bits too, so
/// both are the same.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sendfile64(
    out_fd: c_int,
    in_fd: c_int,
    offset: *mut i64,
    count: usize,
) -> isize {
    let offset = OffsetPointer::new(offset);
    send(Sendfile { hook: Hook::Sendfile64, out_fd, in_fd, offset, count })
}

fn send(call: Sendfile) -> isize {
    let is_intercepted = initialized_route(call.hook) == Route::Intercept;
    is_intercepted
        .then(|| intercept_forwarded(&call))
        .flatten()
        .or_else(|| call.call_next())
        .unwrap_or_else(|| encode(call.call_kernel()))
}

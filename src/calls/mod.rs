//! The intercepted calls: each is decoded, carried out and recorded through
//! [`crate::observe::Intercepted`].

mod copy_file_range;
mod reflink_ioctl;
mod sendfile;

pub(crate) use copy_file_range::CopyFileRange;
pub(crate) use reflink_ioctl::ReflinkIoctl;
pub(crate) use sendfile::Sendfile;

use crate::runtime::Runtime;
use cfr_engine::call::{Answer, Method};
use cfr_sys as sys;

/// Forwards a call: to the next library if `CFR_FORWARD=next` is set and it has the function, else to
/// the kernel. `next` returns what a C function does: a count, or −1 with errno set.
#[inline(always)]
fn forward_to(
    runtime: &Runtime,
    next: impl FnOnce() -> Option<isize>,
    kernel: impl FnOnce() -> Answer,
) -> (Answer, Method) {
    match runtime.next.and_then(|_| next()) {
        Some(result) => (usize::try_from(result).map_err(|_| sys::errno()), Method::Next),
        None => (kernel(), Method::Kernel),
    }
}

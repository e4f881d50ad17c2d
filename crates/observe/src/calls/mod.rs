//! The intercepted calls: each is decoded, carried out and recorded through
//! [`crate::observe::Intercepted`].

mod copy_file_range;
mod copy_with_options;
mod reflink_ioctl;
mod sendfile;

pub use copy_file_range::CopyFileRange;
pub use copy_with_options::{CopyWithOptions, Told};
pub use reflink_ioctl::ReflinkIoctl;
pub use sendfile::{Sendfile, is_storage};

use crate::observe::Intercepted;
use crate::observer::Observer;
use cfr_engine::call::{Answer, Call, Method};
use cfr_engine::dialect::{Rule, explain_forwarded};
use cfr_engine::execution::Outcome;
use core::ffi::c_void;

/// A call that the library never carries out itself.
pub trait Forwarded: Intercepted {
    /// Returns the address of the next library's function; `None` if there is none.
    fn next(&self) -> Option<*const c_void>;

    /// Makes the system call.
    fn call_kernel(&self) -> Answer;
}

/// Returns the rule by which the kernel has refused a forwarded call, or its target.
#[cold]
fn explain_error(call: &Call, outcome: &Outcome) -> Option<&'static Rule> {
    let errno = call.error(outcome.answer).filter(|_| outcome.method == Method::Kernel)?;
    explain_forwarded(call, errno)
}

/// Forwards a call: to the next library if `CFR_FORWARD=next` is set and it has the function, else to
/// the kernel.
#[inline(always)]
fn forward_to(
    observer: &Observer,
    next: impl FnOnce() -> Option<Answer>,
    kernel: impl FnOnce() -> Answer,
) -> (Answer, Method) {
    match observer.next.and_then(|_| next()) {
        Some(answer) => (answer, Method::Next),
        None => (kernel(), Method::Kernel),
    }
}

//! sendfile(2): forwarded, and recorded if its target is a regular file.

use super::forward_to;
use crate::observe::Intercepted;
use crate::route::{NEXT_SENDFILE, NEXT_SENDFILE64};
use crate::runtime::Runtime;
use cfr_engine::call::{Answer, Call, Method};
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_sys::{self as sys, FileKind, OffsetPointer};

/// The arguments of sendfile(2).
#[derive(Clone, Copy)]
pub(crate) struct Sendfile {
    pub(crate) hook: Hook,
    pub(crate) out_fd: i32,
    pub(crate) in_fd: i32,
    pub(crate) offset: OffsetPointer,
    pub(crate) count: usize,
}

impl Sendfile {
    /// Calls the next library's function as the host would: −1 and errno, or the bytes sent.
    pub(crate) fn call_next(self) -> Option<isize> {
        let next = match self.hook {
            Hook::Sendfile64 => &NEXT_SENDFILE64,
            _ => &NEXT_SENDFILE,
        };
        next.call(self.out_fd, self.in_fd, self.offset, self.count)
    }

    /// Makes the system call.
    pub(crate) fn call_kernel(self) -> Answer {
        sys::sendfile(self.out_fd, self.in_fd, self.offset, self.count)
    }

    fn forward_call(self, runtime: &Runtime) -> (Answer, Method) {
        forward_to(runtime, || self.call_next(), || self.call_kernel())
    }
}

impl Intercepted for Sendfile {
    fn hook(&self) -> Hook {
        self.hook
    }

    fn is_copy(&self) -> bool {
        sys::stat(self.out_fd).is_ok_and(|stat| stat.kind == FileKind::Regular)
    }

    fn decode(&self) -> Option<Call> {
        Some(Call::decode_sendfile(self.out_fd, self.in_fd, self.offset, self.count))
    }

    fn execute(&self, runtime: &Runtime, faults: Option<(Override, &Call)>) -> Outcome {
        let (answer, method) = match faults {
            Some((Override::Answer(answer), _)) => (answer, Method::None),
            Some((Override::AtMost(len), _)) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                Sendfile { count: self.count.min(len), ..*self }.forward_call(runtime)
            }
            None => self.forward_call(runtime),
        };
        Outcome::new(answer, method)
    }

    fn forward(&self, runtime: &Runtime) -> Answer {
        self.forward_call(runtime).0
    }

    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        [self.offset, OffsetPointer::new(core::ptr::null_mut())]
    }
}

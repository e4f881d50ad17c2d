//! sendfile(2): forwarded, and recorded if its target is a regular file.

use super::{Forwarded, forward_to};
use crate::observe::Intercepted;
use crate::route::{NEXT_SENDFILE, NEXT_SENDFILE64};
use crate::runtime::Runtime;
use cfr_engine::call::{Answer, Call, Method};
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_sys::{self as sys, FileKind, NextSymbol, OffsetPointer};
use core::ffi::c_void;

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
    fn next_symbol(self) -> &'static NextSymbol {
        match self.hook {
            Hook::Sendfile64 => &NEXT_SENDFILE64,
            _ => &NEXT_SENDFILE,
        }
    }

    fn forward_call(self, runtime: &Runtime) -> (Answer, Method) {
        let Sendfile { out_fd, in_fd, offset, count, .. } = self;
        let next = || sys::call_next_sendfile(self.next_symbol(), out_fd, in_fd, offset, count);
        forward_to(runtime, next, || self.call_kernel())
    }
}

impl Forwarded for Sendfile {
    fn next(&self) -> Option<*const c_void> {
        self.next_symbol().address()
    }

    fn call_kernel(&self) -> Answer {
        sys::sendfile(self.out_fd, self.in_fd, self.offset, self.count)
    }
}

impl Intercepted for Sendfile {
    fn hook(&self) -> Hook {
        self.hook
    }

    fn forward_uncounted(&self, runtime: &Runtime) -> Option<Answer> {
        let is_copy = sys::stat(self.out_fd).is_ok_and(|stat| stat.kind == FileKind::Regular);
        (!is_copy).then(|| self.forward_call(runtime).0)
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

    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        [self.offset, OffsetPointer::new(core::ptr::null_mut())]
    }
}

//! sendfile(2): forwarded, and recorded if its target is a regular file or a block device.

use super::{Forwarded, explain_error, forward_to};
use crate::kernel::{AsMade, Kernel};
use crate::observe::Intercepted;
use crate::observer::Observer;
use cfr_engine::call::{Answer, Call, Method};
use cfr_engine::dialect::Rule;
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_sys::{self as sys, FileKind, NextSymbol, OffsetPointer};
use core::ffi::c_void;

/// The arguments of sendfile(2).
#[derive(Clone, Copy)]
pub struct Sendfile<K = AsMade> {
    pub hook: Hook,
    pub out_fd: i32,
    pub in_fd: i32,
    pub offset: OffsetPointer,
    /// Bytes.
    pub count: usize,
    /// The next library's function, if there may be one.
    pub next: Option<&'static NextSymbol>,
    pub kernel: K,
}

impl<K: Kernel + Copy> Sendfile<K> {
    fn forward_call(self, observer: &Observer) -> (Answer, Method) {
        let Sendfile { out_fd, in_fd, offset, count, next, .. } = self;
        let next = || sys::call_next_sendfile(next?, out_fd, in_fd, offset, count);
        forward_to(observer, next, || self.call_kernel())
    }
}

impl<K: Kernel + Copy> Forwarded for Sendfile<K> {
    fn next(&self) -> Option<*const c_void> {
        self.next?.address()
    }

    fn call_kernel(&self) -> Answer {
        self.kernel.sendfile(self.out_fd, self.in_fd, self.offset, self.count)
    }
}

/// Reports whether what is written to `fd` stays: it is a regular file or a block device.
#[must_use]
pub fn is_storage(fd: i32) -> bool {
    let kind = sys::stat(fd).map(|stat| stat.kind);
    matches!(kind, Ok(FileKind::Regular | FileKind::BlockDevice))
}

impl<K: Kernel + Copy> Intercepted for Sendfile<K> {
    fn hook(&self) -> Hook {
        self.hook
    }

    fn forward_uncounted(&self, observer: &Observer) -> Option<Answer> {
        let is_copy = is_storage(self.out_fd);
        (!is_copy).then(|| self.forward_call(observer).0)
    }

    fn decode(&self) -> Option<Call> {
        Some(Call::decode_sendfile(self.out_fd, self.in_fd, self.offset, self.count))
    }

    fn execute(&self, observer: &Observer, faults: Option<(Override, &Call)>) -> Outcome {
        let (answer, method) = match faults {
            Some((Override::Answer(answer), _)) => (answer, Method::None),
            Some((Override::Statuses(_), _)) => (Ok(0), Method::None),
            Some((Override::AtMost(len), _)) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                Sendfile { count: self.count.min(len), ..*self }.forward_call(observer)
            }
            None => self.forward_call(observer),
        };
        Outcome::new(answer, method)
    }

    fn explain(&self, call: &Call, outcome: &Outcome) -> Option<&'static Rule> {
        explain_error(call, outcome)
    }

    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        [self.offset, OffsetPointer::new(core::ptr::null_mut())]
    }
}

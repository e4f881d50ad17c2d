//! ioctl(2) with FICLONE, FICLONERANGE or FIDEDUPERANGE: forwarded and recorded.

use super::{Forwarded, explain_error, forward_to};
use crate::observe::Intercepted;
use crate::observer::Observer;
use cfr_engine::call::{Answer, Call, DedupeTarget, Method, Offset, Request};
use cfr_engine::dialect::{Rule, explain_compared};
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_shared::record::Whole;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, IoctlArg, NextSymbol};
use core::ffi::c_void;
use core::num::NonZero;

/// The arguments of an ioctl(2) that shares blocks.
#[derive(Clone, Copy)]
pub struct ReflinkIoctl {
    pub hook: Hook,
    pub fd: i32,
    pub request: usize,
    pub argument: IoctlArg,
    /// The next library's function, if there may be one.
    pub next: Option<&'static NextSymbol>,
}

impl ReflinkIoctl {
    fn forward_call(self, observer: &Observer) -> (Answer, Method) {
        let next = || sys::call_next_ioctl(self.next?, self.fd, self.request, self.argument);
        forward_to(observer, next, || self.call_kernel())
    }

    /// FIDEDUPERANGE as if the kernel had compared nothing: every target with this status and 0 bytes.
    fn dedupe_nothing(self, call: &Call, status: i32) -> Answer {
        let Request::Dedupe(DedupeTarget { count, .. }) = call.request else { return Ok(0) };
        (0..count).try_for_each(|index| self.argument.set_dedupe_target(index, status)).map(|()| 0)
    }

    /// FIDEDUPERANGE of at most `max_len` bytes, in whole blocks. The length stands in the host's
    /// struct, and has its old value afterwards.
    fn dedupe_at_most(self, observer: &Observer, max_len: u64, call: &Call) -> (Answer, Method) {
        let filesystem = sys::filesystem(call.fd_in);
        let block = filesystem.map_or(NonZero::<u64>::MIN, |filesystem| filesystem.block_size);
        let len = (max_len - max_len % block).max(block.get());
        let asked = call.len as u64;
        if len >= asked {
            return self.forward_call(observer);
        }
        match self.argument.set_dedupe_length(len) {
            Err(errno) => (Err(errno), Method::None),
            Ok(()) => {
                let forwarded = self.forward_call(observer);
                // It could be written a moment ago.
                let _ = self.argument.set_dedupe_length(asked);
                forwarded
            }
        }
    }
}

impl Forwarded for ReflinkIoctl {
    fn next(&self) -> Option<*const c_void> {
        self.next?.address()
    }

    fn call_kernel(&self) -> Answer {
        sys::ioctl(self.fd, self.request, self.argument)
    }
}

impl Intercepted for ReflinkIoctl {
    fn hook(&self) -> Hook {
        self.hook
    }

    fn decode(&self) -> Option<Call> {
        Call::decode_ioctl(self.fd, self.request, self.argument)
    }

    fn execute(&self, observer: &Observer, faults: Option<(Override, &Call)>) -> Outcome {
        let (answer, method) = match faults {
            Some((Override::Answer(Ok(_)), call)) => (self.dedupe_nothing(call, 0), Method::None),
            Some((Override::Statuses(status), call)) => {
                (self.dedupe_nothing(call, status), Method::None)
            }
            Some((Override::Answer(answer), _)) => (answer, Method::None),
            Some((Override::AtMost(len), call)) => self.dedupe_at_most(observer, len, call),
            None => self.forward_call(observer),
        };
        Outcome::new(answer, method)
    }

    fn explain(&self, call: &Call, outcome: &Outcome) -> Option<&'static Rule> {
        explain_error(call, outcome)
    }

    fn first_part(&self, call: &Call) -> Option<Call> {
        let Request::Dedupe(DedupeTarget { count: 1.., .. }) = call.request else { return None };
        // It has no status yet.
        call.with_target(self.argument, 1, Err(Errno::EINTR)).ok()
    }

    fn whole(&self, call: &Call, outcome: &Outcome, observer: &Observer) -> Option<Whole> {
        let Request::Dedupe(DedupeTarget { count: count @ 2.., .. }) = call.request else {
            return None;
        };
        let Outcome { answer, method, .. } = *outcome;
        if answer.is_err() || !observer.collectors.count_records() {
            return None;
        }
        let targets = (1..=count).map(|number| call.with_target(self.argument, number, answer));
        let targets = targets.map_while(Result::ok);
        let bytes = targets.fold(0u64, |sum, target| sum.saturating_add(target.compared()));
        let method = if bytes > 0 && method == Method::Kernel { Method::Dedupe } else { method };
        Some(Whole { bytes, method })
    }

    fn for_each_record(
        &self,
        call: &Call,
        outcome: &Outcome,
        explain: impl Fn(&Call, &Outcome) -> Option<&'static Rule>,
        record: impl Fn(&Call, &Outcome),
    ) {
        let Outcome { answer, method, .. } = *outcome;
        // The next library does not say how it shared.
        let is_kernels = answer.is_ok() && method == Method::Kernel;
        let shared_by = |how| if is_kernels { how } else { method };
        let Request::Dedupe(DedupeTarget { count, .. }) = call.request else {
            let bytes = answer.map_or(0, |_| cloned_bytes(call));
            let method = shared_by(Method::Reflink);
            return record(call, &Outcome { bytes, method, ..*outcome });
        };
        // If the call as a whole was refused, the kernel has looked at no target.
        let count = if answer.is_ok() { count } else { count.min(1) };
        let mut has_record = false;
        for number in 1..=count {
            // The pointer was bad, or another thread of the host has unmapped the memory meanwhile.
            let Ok(call) = call.with_target(self.argument, number, answer) else { break };
            let bytes = call.compared();
            let method = if bytes > 0 { shared_by(Method::Dedupe) } else { method };
            let rule = if is_kernels { explain_compared(&call, bytes) } else { None };
            let mut outcome = Outcome { bytes, method, rule, ..*outcome };
            outcome.rule = explain(&call, &outcome);
            record(&call, &outcome);
            has_record = true;
        }
        if !has_record {
            record(call, &Outcome { bytes: 0, ..*outcome });
        }
    }
}

/// Returns the bytes that a clone has shared: what it asked for, or all up to the source's end.
fn cloned_bytes(call: &Call) -> u64 {
    if let (Request::CloneRange, len @ 1..) = (call.request, call.len) {
        return len as u64;
    }
    let size = sys::stat(call.fd_in).map_or(0, |stat| stat.size);
    match call.off_in {
        Offset::At(start) => size.saturating_sub(start.cast_unsigned()),
        Offset::File | Offset::BadAddress(_) => size,
    }
}

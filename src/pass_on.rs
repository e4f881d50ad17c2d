//! The flow of the calls that the kernel alone can carry out: reflink and dedupe ioctls, sendfile(2).
//! They are passed on as they came, and recorded.

use crate::inject::{self, Harm};
use crate::intercept::{NEXT, Reply, guarded};
use crate::recording::{self, Answered, Recording};
use cfr_engine::call::{Answer, Call, DedupeTarget, Method, Offset, Request};
use cfr_engine::execution::Imposed;
use cfr_engine::hook::Hook;
use cfr_sys::{self as sys, FileKind, IoctlArg, NextIoctl, NextSendfile, OffsetPointer};

/// The next library's functions.
pub(crate) static NEXT_IOCTL: NextIoctl = NextIoctl::new();
pub(crate) static NEXT_SENDFILE: NextSendfile = NextSendfile::new(false);
pub(crate) static NEXT_SENDFILE64: NextSendfile = NextSendfile::new(true);

/// The arguments of ioctl(2) with a request that shares blocks.
#[derive(Clone, Copy)]
pub(crate) struct Ioctl {
    pub(crate) fd: i32,
    pub(crate) request: usize,
    pub(crate) argument: IoctlArg,
}

impl Ioctl {
    /// Passes it on and records it.
    pub(crate) fn watched(self) -> Answer {
        guarded(|reply| self.observe(reply), || self.forward().0).0
    }

    /// The next library's function, called as the host would have.
    pub(crate) fn call_next(self) -> Option<i32> {
        NEXT_IOCTL.call(self.fd, self.request, self.argument)
    }

    /// The system call.
    pub(crate) fn ask_kernel(self) -> Answer {
        sys::ioctl(self.fd, self.request, self.argument)
    }

    fn forward(self) -> (Answer, Method) {
        match NEXT.get().and_then(|_| self.call_next()) {
            Some(result) => (usize::try_from(result).map_err(|_| sys::errno()), Method::Next),
            None => (self.ask_kernel(), Method::Kernel),
        }
    }

    /// The answer, and how it came about, with what the faults have in store for it.
    fn answered(self, call: &Call, harm: &Harm) -> (Answer, Method) {
        match harm.imposed {
            Some(Imposed::Answer(Ok(_))) => (self.dedupe_nothing(call), Method::None),
            Some(Imposed::Answer(answer)) => (answer, Method::None),
            Some(Imposed::AtMost(most)) => self.dedupe_at_most(most, call),
            None => self.forward(),
        }
    }

    /// FIDEDUPERANGE where the kernel has compared nothing.
    fn dedupe_nothing(self, call: &Call) -> Answer {
        let Request::Dedupe(DedupeTarget { count, .. }) = call.request else { return Ok(0) };
        (0..count).try_for_each(|index| self.argument.clear_dedupe_target(index)).map(|()| 0)
    }

    /// FIDEDUPERANGE of no more than so many bytes, in whole blocks. The length stands in the host's struct,
    /// and is afterwards what it was.
    fn dedupe_at_most(self, most: u64, call: &Call) -> (Answer, Method) {
        let block =
            sys::filesystem(call.fd_in).map_or(1, |filesystem| filesystem.block_size).max(1);
        let most = (most - most % block).max(block);
        let asked = call.len as u64;
        if most >= asked {
            return self.forward();
        }
        match self.argument.set_dedupe_length(most) {
            Err(errno) => (Err(errno), Method::None),
            Ok(()) => {
                let forwarded = self.forward();
                // It could be written a moment ago.
                let _ = self.argument.set_dedupe_length(asked);
                forwarded
            }
        }
    }

    fn observe(self, reply: &Reply) {
        recording::count();
        let mut recording = Recording::wanted().map(|log| Recording::new(log, Hook::Ioctl));
        let is_looked_at = recording.is_some() || inject::are_armed();
        let decode = || Call::decode_ioctl(self.fd, self.request, self.argument);
        let Some(call) = is_looked_at.then(decode).flatten() else {
            reply.give(self.forward().0);
            return;
        };
        let met = inject::meet(Hook::Ioctl, &call);
        let harm = met.as_ref().unwrap_or(&Harm::NONE);
        if let Some(recording) = &mut recording {
            recording.begin(&call);
        }
        harm.enter();
        let (answer, method) = self.answered(&call, harm);
        reply.give(answer);
        harm.leave();
        let Some(recording) = &mut recording else { return };
        let duration_ns = recording.end();
        // The next library does not say how it shared.
        let by = |how| if answer.is_ok() && method == Method::Kernel { how } else { method };
        let answered = |bytes, method| Answered { bytes, method, ..plain(answer, harm) };
        let Request::Dedupe(DedupeTarget { count, .. }) = call.request else {
            let shared = answer.map_or(0, |_| cloned(&call));
            recording.note(&call, &answered(shared, by(Method::Reflink)), duration_ns);
            return;
        };
        // Where the call as a whole is refused, the kernel has looked at no target.
        let count = if answer.is_ok() { count } else { count.min(1) };
        let mut noted = false;
        for number in 1..=count {
            // The pointer was bad, or another thread of the host has taken the memory away meanwhile.
            let Ok((call, bytes)) = call.with_target(self.argument, number, answer) else { break };
            let same =
                matches!(call.request, Request::Dedupe(DedupeTarget { status: Some(0), .. }));
            let method = if same { by(Method::Dedupe) } else { method };
            recording.note(&call, &answered(bytes, method), duration_ns);
            noted = true;
        }
        if !noted {
            recording.note(&call, &answered(0, method), duration_ns);
        }
    }
}

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
    /// Passes it on and records it, if its target is a regular file.
    pub(crate) fn watched(self) -> Answer {
        guarded(|reply| self.observe(reply), || self.forward().0).0
    }

    /// The system call.
    pub(crate) fn ask_kernel(self) -> Answer {
        sys::sendfile(self.out_fd, self.in_fd, self.offset, self.count)
    }

    fn forward(self) -> (Answer, Method) {
        match NEXT.get().and_then(|_| self.call_next()) {
            Some(result) => (usize::try_from(result).map_err(|_| sys::errno()), Method::Next),
            None => (self.ask_kernel(), Method::Kernel),
        }
    }

    /// The next library's function, called as the host would have.
    pub(crate) fn call_next(self) -> Option<isize> {
        let next = match self.hook {
            Hook::Sendfile64 => &NEXT_SENDFILE64,
            _ => &NEXT_SENDFILE,
        };
        next.call(self.out_fd, self.in_fd, self.offset, self.count)
    }

    fn observe(self, reply: &Reply) {
        if !sys::stat(self.out_fd).is_ok_and(|stat| stat.kind == FileKind::Regular) {
            reply.give(self.forward().0);
            return;
        }
        recording::count();
        let mut recording = Recording::wanted().map(|log| Recording::new(log, self.hook));
        if recording.is_none() && !inject::are_armed() {
            reply.give(self.forward().0);
            return;
        }
        let call = Call::decode_sendfile(self.out_fd, self.in_fd, self.offset, self.count);
        let met = inject::meet(self.hook, &call);
        let harm = met.as_ref().unwrap_or(&Harm::NONE);
        if let Some(recording) = &mut recording {
            recording.begin(&call);
        }
        harm.enter();
        let (answer, method) = match harm.imposed {
            Some(Imposed::Answer(answer)) => (answer, Method::None),
            Some(Imposed::AtMost(most)) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                Sendfile { count: self.count.min(most), ..self }.forward()
            }
            None => self.forward(),
        };
        reply.give(answer);
        harm.leave();
        let Some(recording) = &mut recording else { return };
        let duration_ns = recording.end();
        let bytes = answer.map_or(0, |count| count as u64);
        let nowhere = OffsetPointer::new(core::ptr::null_mut());
        let offsets = [self.offset, nowhere];
        let answered = Answered { bytes, method, offsets, ..plain(answer, harm) };
        recording.note(&call, &answered, duration_ns);
    }
}

/// An answer by no rule.
fn plain(answer: Answer, harm: &Harm) -> Answered {
    Answered {
        answer,
        bytes: 0,
        method: Method::Kernel,
        rule: None,
        judged: false,
        fell_back: false,
        injected: harm.injected,
        delayed: harm.delayed,
        offsets: [OffsetPointer::new(core::ptr::null_mut()); 2],
    }
}

/// Bytes that a clone has shared: what it asked for, or all up to the source's end.
fn cloned(call: &Call) -> u64 {
    match (call.request, call.len) {
        (Request::CloneRange, len @ 1..) => len as u64,
        _ => {
            let size = sys::stat(call.fd_in).map_or(0, |stat| stat.size);
            match call.off_in {
                Offset::At(start) => size.saturating_sub(start.cast_unsigned()),
                Offset::File | Offset::BadAddress(_) => size,
            }
        }
    }
}

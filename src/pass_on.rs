//! The flow of the calls that the kernel alone can carry out: reflink and dedupe ioctls, sendfile(2).
//! They are passed on as they came, and recorded.

use crate::intercept::{NEXT, Reply, guarded};
use crate::log;
use crate::record::{self, Answered, Recording};
use cfr_core::call::{Answer, Call, Method, Offset, Request, Target};
use cfr_core::door::Door;
use cfr_core::sys::{self, Argument, Kind, NextIoctl, NextSendfile, OffsetPointer};

/// The next library's functions.
pub(crate) static NEXT_IOCTL: NextIoctl = NextIoctl::new();
pub(crate) static NEXT_SENDFILE: NextSendfile = NextSendfile::new(false);
pub(crate) static NEXT_SENDFILE64: NextSendfile = NextSendfile::new(true);

/// The arguments of ioctl(2) with a request that shares blocks.
#[derive(Clone, Copy)]
pub(crate) struct Ioctl {
    pub(crate) fd: i32,
    pub(crate) request: usize,
    pub(crate) argument: Argument,
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

    fn observe(self, reply: &Reply) {
        record::count();
        let log = log::get().filter(|log| record::is_wanted(log));
        let recording = log.map(|log| Recording::new(log, Door::Ioctl));
        let call = Call::decode_ioctl(self.fd, self.request, self.argument);
        let (Some(log), Some(mut recording), Some(call)) = (log, recording, call) else {
            reply.give(self.forward().0);
            return;
        };
        log.complain_once();
        recording.begin(&call);
        let (answer, method) = self.forward();
        reply.give(answer);
        let duration_ns = recording.end();
        // The next library does not say how it shared.
        let by = |how| if answer.is_ok() && method == Method::Kernel { how } else { method };
        let answered = |bytes, method| Answered { bytes, method, ..plain(answer) };
        let Request::Dedupe(Target { count, .. }) = call.request else {
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
            let same = matches!(call.request, Request::Dedupe(Target { status: Some(0), .. }));
            let method = if same { by(Method::Dedup) } else { method };
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
    pub(crate) door: Door,
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
        let next = match self.door {
            Door::Sendfile64 => &NEXT_SENDFILE64,
            _ => &NEXT_SENDFILE,
        };
        next.call(self.out_fd, self.in_fd, self.offset, self.count)
    }

    fn observe(self, reply: &Reply) {
        let is_copy = sys::stat(self.out_fd).is_ok_and(|stat| stat.kind == Kind::Regular);
        let log = log::get().filter(|log| is_copy && record::is_wanted(log));
        if is_copy {
            record::count();
        }
        let Some(log) = log else {
            reply.give(self.forward().0);
            return;
        };
        log.complain_once();
        let mut recording = Recording::new(log, self.door);
        let call = Call::decode_sendfile(self.out_fd, self.in_fd, self.offset, self.count);
        recording.begin(&call);
        let (answer, method) = self.forward();
        reply.give(answer);
        let duration_ns = recording.end();
        let bytes = answer.map_or(0, |count| count as u64);
        let nowhere = OffsetPointer::new(core::ptr::null_mut());
        let offsets = [self.offset, nowhere];
        let answered = Answered { bytes, method, offsets, ..plain(answer) };
        recording.note(&call, &answered, duration_ns);
    }
}

/// An answer of the kernel's, by no rule.
fn plain(answer: Answer) -> Answered {
    Answered {
        answer,
        bytes: 0,
        method: Method::Kernel,
        rule: None,
        judged: false,
        fell_back: false,
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
                Offset::File | Offset::Bad(_) => size,
            }
        }
    }
}

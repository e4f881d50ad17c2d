//! The faults of this process (`CFR_INJECT`): what they do to a call, before and after it.

use crate::caller::Caller;
use crate::log::PATHS;
use cfr_engine::call::{Call, Offset, Request};
use cfr_engine::diag::log_debug;
use cfr_engine::hook::Hook;
use cfr_shared::inject::{CallCounter, CallInfo, Faults, Injection};
use cfr_sys as sys;

/// The faults, and how often calls have met their conditions.
#[derive(Clone, Copy)]
pub struct Injector {
    faults: &'static Faults<'static>,
    counter: CallCounter,
}

impl Injector {
    /// Creates an injector that counts calls by `counter`.
    #[must_use]
    pub fn new(faults: &'static Faults<'static>, counter: CallCounter) -> Injector {
        Injector { faults, counter }
    }

    /// Returns the counts of the process.
    #[must_use]
    pub fn counter(&self) -> &CallCounter {
        &self.counter
    }

    /// Reports whether a fault is about calls of this hook.
    #[must_use]
    pub fn applies_to(&self, hook: Hook) -> bool {
        self.faults.apply_to(hook)
    }

    /// Decides what happens to a call that has just come in. Counts it, so it must be asked once
    /// for each call.
    #[cold]
    #[inline(never)]
    pub(crate) fn decide(&self, hook: Hook, call: &Call, caller: &impl Caller) -> Injection {
        let needs = self.faults.needs(hook);
        let (len, offsets) = if needs.numbers { numbers(call) } else { (0, [None; 2]) };
        let info = CallInfo {
            hook,
            request: call.request,
            tid: caller.tid(),
            paths: [None; 2],
            len,
            offsets,
            flags: call.flags.0,
            names: [&[]; 2],
        };
        let decided = if needs.names {
            let (mut buffer, mut decided) = ([0; 16], Injection::NONE);
            let thread = caller.comm(&mut buffer);
            caller.with_program(&mut |program| {
                let info = CallInfo { names: [thread, program], ..info };
                decided = self.decide_by_paths(&info, call, needs.paths, caller);
            });
            decided
        } else {
            self.decide_by_paths(&info, call, needs.paths, caller)
        };
        for number in (1..=u32::BITS).filter(|number| decided.hits & 1 << (number - 1) != 0) {
            log_debug(format_args!("CFR_INJECT: fault {number} hits this call"));
        }
        decided
    }

    /// Decides with the paths of the call, if they are needed.
    fn decide_by_paths(
        &self,
        info: &CallInfo<'_>,
        call: &Call,
        needs_paths: bool,
        caller: &impl Caller,
    ) -> Injection {
        if !needs_paths {
            return self.faults.decide(info, &self.counter);
        }
        let fds = [call.fd_in, call.fd_out];
        // An open file has a path, even if it is not known: there may be no /proc.
        let decide = |paths: [Option<&[u8]>; 2]| {
            let mut both = paths.into_iter().zip(fds);
            let paths = core::array::from_fn(|_| {
                let (path, fd) = both.next()?;
                path.or_else(|| sys::stat(fd).is_ok().then_some(&[]))
            });
            self.faults.decide(&CallInfo { paths, ..*info }, &self.counter)
        };
        let entered_ns = sys::monotonic_ns();
        let decided = PATHS.with_page(|page| {
            let decided = decide(page.of(fds, entered_ns, caller));
            page.end();
            decided
        });
        // If no memory for paths is free they are not known.
        decided.unwrap_or_else(|| decide([None; 2]))
    }

    /// Counts the faults that apply to a call, given as bits.
    #[inline(always)]
    pub(crate) fn note_applied(&self, faults: u32) {
        if faults != 0 {
            self.counter.count_applied(faults);
        }
    }
}

/// Returns how many bytes a call asks for, and where it begins in source and target. A reflink without a
/// length is one of all bytes from there on.
fn numbers(call: &Call) -> (u64, [Option<u64>; 2]) {
    let start = |offset, fd| match (offset, call.request) {
        (Offset::At(bytes), _) => u64::try_from(bytes).ok(),
        (Offset::BadAddress(_), _) => None,
        (Offset::File, Request::Clone) => Some(0),
        (Offset::File, _) => sys::file_offset(fd).ok(),
    };
    let offsets = [start(call.off_in, call.fd_in), start(call.off_out, call.fd_out)];
    let [off_in, _] = offsets;
    let len = match (call.request, call.len) {
        (Request::Clone | Request::CloneRange, 0) => {
            let size = sys::stat(call.fd_in).map_or(0, |stat| stat.size);
            size.saturating_sub(off_in.unwrap_or(0))
        }
        (_, len) => len as u64,
    };
    (len, offsets)
}

/// Sends the signals of an injection and waits, before the call is carried out. `at_end` is called first
/// if a signal is going to end the process.
#[inline(always)]
pub(crate) fn before(injection: &Injection, caller: &impl Caller, at_end: impl FnOnce()) {
    if injection.signals != 0 || injection.is_delayed() {
        signal_and_wait(injection, caller, at_end);
    }
}

#[cold]
#[inline(never)]
fn signal_and_wait(injection: &Injection, caller: &impl Caller, at_end: impl FnOnce()) {
    if injection.signals != 0 && caller.ends_by(injection.signals) {
        at_end();
    }
    for signal in (1..=64).filter(|signal| injection.signals & 1 << (signal - 1) != 0) {
        caller.raise(signal);
    }
    wait(injection.delay_enter_ns, caller);
}

/// Waits, after the call was carried out.
#[inline(always)]
pub(crate) fn after(injection: &Injection, caller: &impl Caller) {
    if injection.is_delayed() {
        wait(injection.delay_exit_ns, caller);
    }
}

#[cold]
fn wait(ns: u64, caller: &impl Caller) {
    if ns != 0 {
        caller.wait(ns);
    }
}

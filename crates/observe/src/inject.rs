//! The faults of this process (`CFR_INJECT`): what they do to a call, before and after it.

use crate::caller::Caller;
use crate::log::PATHS;
use cfr_engine::call::Call;
use cfr_engine::diag::log_debug;
use cfr_engine::hook::Hook;
use cfr_shared::inject::{CallCounter, CallInfo, Faults, Injection};
use cfr_sys as sys;

/// The faults, and how often calls have met their conditions.
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
        let tid = caller.tid();
        let decide = |paths: [Option<&[u8]>; 2]| {
            let info = CallInfo { hook, request: call.request, tid, paths };
            self.faults.decide(&info, &self.counter)
        };
        let decide_by_path = || {
            let entered_ns = sys::monotonic_ns();
            PATHS.with_page(|page| {
                let decided = decide(page.of([call.fd_in, call.fd_out], entered_ns, caller));
                page.end();
                decided
            })
        };
        // If no memory for paths is free the call has none.
        let decided = self.faults.need_paths(hook).then(decide_by_path).flatten();
        let decided = decided.unwrap_or_else(|| decide([None; 2]));
        for number in (1..=u32::BITS).filter(|number| decided.hits & 1 << (number - 1) != 0) {
            log_debug(format_args!("CFR_INJECT: fault {number} hits this call"));
        }
        decided
    }

    /// Counts the faults that apply to a call, given as bits.
    #[inline(always)]
    pub(crate) fn note_applied(&self, faults: u32) {
        if faults != 0 {
            self.counter.count_applied(faults);
        }
    }
}

/// Sends the signals of an injection and waits, before the call is carried out.
#[inline(always)]
pub(crate) fn before(injection: &Injection, caller: &impl Caller) {
    if injection.signals != 0 || injection.is_delayed() {
        signal_and_wait(injection, caller);
    }
}

#[cold]
fn signal_and_wait(injection: &Injection, caller: &impl Caller) {
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

//! What the faults that are set (`CFR_INJECT`) do to a call.

use crate::log::PATHS;
use cfr_engine::call::Call;
use cfr_engine::diag::log_debug;
use cfr_engine::execution::Imposed;
use cfr_engine::hook::Hook;
use cfr_shared::inject::{Action, CallCounter, CallInfo, Faults, Injection};
use cfr_sys::{self as sys, SetOnce};

/// The faults of this process.
pub(crate) static ARMED: SetOnce<Armed> = SetOnce::new();

/// Faults, and what they have seen.
pub(crate) struct Armed {
    faults: Faults<'static>,
    counter: CallCounter,
}

/// What the faults do to one call.
pub(crate) struct Harm {
    /// What becomes of it.
    pub(crate) imposed: Option<Imposed>,
    /// Whether it is answered or shortened, or gets a signal.
    pub(crate) injected: bool,
    /// Whether it waits.
    pub(crate) delayed: bool,
    signals: u64,
    delay_enter_ns: u64,
    delay_exit_ns: u64,
}

/// Whether there are any.
#[inline(always)]
pub(crate) fn are_armed() -> bool {
    ARMED.get().is_some()
}

/// What becomes of a call that has come in, where faults are set: to be asked once for each.
#[inline(always)]
pub(crate) fn meet(hook: Hook, call: &Call) -> Option<Harm> {
    ARMED.get().map(|armed| armed.meet(hook, call))
}

impl Armed {
    /// With counts of nothing. `None` where there is no memory for them.
    pub(crate) fn new(faults: Faults<'static>) -> Option<Armed> {
        let words = sys::map_zeroed_on_fork(CallCounter::WORDS).ok()?;
        let counter = CallCounter::over(words)?;
        Some(Armed { faults, counter })
    }

    /// Whether one of them is about calls through this hook.
    pub(crate) fn apply_to(&self, hook: Hook) -> bool {
        self.faults.apply_to(hook)
    }

    #[cold]
    #[inline(never)]
    fn meet(&self, hook: Hook, call: &Call) -> Harm {
        let met = |paths: [Option<&[u8]>; 2]| {
            let arrival = CallInfo { hook, request: call.request, tid: sys::gettid(), paths };
            self.faults.decide(&arrival, &self.counter)
        };
        let by_path = || {
            let entered_ns = sys::monotonic_ns();
            PATHS.with_page(|page| {
                let effect = met(page.of([call.fd_in, call.fd_out], entered_ns));
                page.end();
                effect
            })
        };
        // Where no memory for paths is free the call has none.
        let effect = self.faults.need_paths(hook).then(by_path).flatten();
        let effect = effect.unwrap_or_else(|| met([None; 2]));
        for number in (1..=u32::BITS).filter(|number| effect.hits & 1 << (number - 1) != 0) {
            log_debug(format_args!("CFR_INJECT: fault {number} hits this call"));
        }
        let imposed = effect.action.and_then(|action| match action {
            Action::Fail(errno) => Some(Imposed::Answer(Err(errno))),
            Action::ReturnZero => Some(Imposed::Answer(Ok(0))),
            Action::Short(most) => most.of(call.max_len()).map(Imposed::AtMost),
        });
        let Injection { signals, delay_enter_ns, delay_exit_ns, .. } = effect;
        Harm {
            imposed,
            injected: imposed.is_some() || signals != 0,
            delayed: delay_enter_ns != 0 || delay_exit_ns != 0,
            signals,
            delay_enter_ns,
            delay_exit_ns,
        }
    }
}

impl Harm {
    /// None.
    pub(crate) const NONE: Harm = Harm {
        imposed: None,
        injected: false,
        delayed: false,
        signals: 0,
        delay_enter_ns: 0,
        delay_exit_ns: 0,
    };

    /// Before the call is carried out: sends the signals, and waits.
    #[inline(always)]
    pub(crate) fn enter(&self) {
        if self.injected || self.delayed {
            self.signal_and_wait();
        }
    }

    #[cold]
    fn signal_and_wait(&self) {
        for signal in (1..=64).filter(|signal| self.signals & 1 << (signal - 1) != 0) {
            sys::raise(signal);
        }
        wait(self.delay_enter_ns);
    }

    /// After it: waits.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        if self.delayed {
            wait(self.delay_exit_ns);
        }
    }
}

#[cold]
fn wait(ns: u64) {
    if ns != 0 {
        sys::sleep_until(sys::monotonic_ns().saturating_add(ns));
    }
}

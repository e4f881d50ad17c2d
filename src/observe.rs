//! The flow of every intercepted call, on one screen.

use crate::inject;
use crate::panic_point::panic_point;
use crate::recording::Recording;
use crate::runtime::Runtime;
use cfr_engine::call::{Answer, Call};
use cfr_engine::diag::MESSAGE_TARGET;
use cfr_engine::dialect::Rule;
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_shared::inject::Injection;
use cfr_shared::settings::Level;
use cfr_sys::OffsetPointer;
use core::cell::Cell;
use core::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::error;

/// One call that a hook has intercepted. It lives until its record is written.
pub(crate) trait Intercepted {
    /// Returns the hook that it came through.
    fn hook(&self) -> Hook;

    /// Reports whether the call copies into a file. Others are forwarded without being counted.
    fn is_copy(&self) -> bool {
        true
    }

    /// Decodes the arguments for log and faults. `None` if the call is not one that is observed.
    fn decode(&self) -> Option<Call>;

    /// Carries the call out, changed by the faults if they override it.
    fn execute(&self, runtime: &Runtime, faults: Option<(Override, &Call)>) -> Outcome;

    /// Forwards the call as it came. Used if the library itself failed before the call was carried
    /// out.
    fn forward(&self, runtime: &Runtime) -> Answer;

    /// Returns the rule that explains the outcome's error. May make system calls.
    fn explain(&self, outcome: &Outcome) -> Option<&'static Rule> {
        outcome.rule
    }

    /// Returns the caller's pointers to offsets, source and target, for their values afterwards.
    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        [OffsetPointer::new(core::ptr::null_mut()); 2]
    }

    /// Logs at the levels `debug` and `trace` how the call was carried out.
    fn log_details(&self, _call: &Call, _outcome: &Outcome) {}

    /// Passes each part of the call that has a record of its own to `record`: the whole call, or
    /// each target of FIDEDUPERANGE.
    fn for_each_record(&self, call: &Call, outcome: &Outcome, record: impl Fn(&Call, &Outcome)) {
        record(call, outcome);
    }
}

/// What the host gets, known as soon as the call has been carried out.
#[derive(Default)]
struct Reply {
    answer: Cell<Option<Answer>>,
    /// A signal that must be raised for the calling thread.
    signal: Cell<Option<i32>>,
}

/// Carries one call out and records it. The caller has cancellation disabled.
///
/// Returns the answer, and a signal that the caller must raise for its thread.
#[inline(always)]
pub(crate) fn intercept(
    call: &impl Intercepted,
    runtime: &'static Runtime,
) -> (Answer, Option<i32>) {
    let reply = Reply::default();
    catch_panics(|| observe(call, runtime, &reply));
    (reply.answer.get().unwrap_or_else(|| call.forward(runtime)), reply.signal.get())
}

fn observe<C: Intercepted>(intercepted: &C, runtime: &'static Runtime, reply: &Reply) {
    panic_point(0);
    if !intercepted.is_copy() {
        return reply.answer.set(Some(intercepted.forward(runtime)));
    }
    runtime.collectors.count_call(|owner| runtime.keep_stderr_for_summary(owner));
    let mut recording = Recording::wanted(runtime, intercepted.hook());
    let injector = runtime.injector.as_ref();
    let is_decoded = recording.is_some() || injector.is_some();
    let Some(call) = is_decoded.then(|| intercepted.decode()).flatten() else {
        execute(intercepted, runtime, None, reply);
        return;
    };
    panic_point(1);
    let injection = injector.map(|injector| injector.decide(intercepted.hook(), &call));
    let injection = injection.as_ref().unwrap_or(&Injection::NONE);
    let override_ = injection.overrides(&call);
    if let Some(recording) = &mut recording {
        recording.begin(&call);
    }
    inject::before(injection);
    let mut outcome =
        execute(intercepted, runtime, override_.map(|override_| (override_, &call)), reply);
    inject::after(injection);
    let Some(mut recording) = recording else { return };
    recording.end();
    outcome.rule = match outcome.answer {
        Err(_) if matches!(override_, Some(Override::Answer(_))) => None,
        Err(_) if recording.is_shown() || outcome.judged || outcome.fell_back => {
            intercepted.explain(&outcome)
        }
        _ => outcome.rule,
    };
    if recording.level() > Level::Info {
        intercepted.log_details(&call, &outcome);
    }
    let pointers = intercepted.offset_pointers();
    let injected = override_.is_some() || injection.signals != 0;
    let delayed = injection.is_delayed();
    intercepted.for_each_record(&call, &outcome, |call, outcome| {
        recording.note(call, outcome, pointers, injected, delayed);
    });
}

/// Carries the call out. From then on the host has its answer, whatever happens.
#[inline(always)]
fn execute(
    intercepted: &impl Intercepted,
    runtime: &Runtime,
    faults: Option<(Override, &Call)>,
    reply: &Reply,
) -> Outcome {
    let outcome = intercepted.execute(runtime, faults);
    reply.answer.set(Some(outcome.answer));
    if outcome.signal.is_some() {
        reply.signal.set(outcome.signal);
    }
    outcome
}

/// Runs `work`. A panic in it is reported and goes no further.
#[inline(always)]
pub(crate) fn catch_panics(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        // Freeing the payload may take the lock of the host's heap, once the arena is used up; this
        // thread may hold it.
        mem::forget(payload);
        if let Err(payload) = catch_unwind(report_panic) {
            mem::forget(payload);
        }
    }
}

fn report_panic() {
    error!(
        target: MESSAGE_TARGET,
        "internal error (panic) in libcfr; the call is carried out, but may lack a record"
    );
}

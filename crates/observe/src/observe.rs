//! The flow of every intercepted call, on one screen.

use crate::caller::Caller;
use crate::inject;
use crate::observer::Observer;
use crate::recording::{Notes, Recording};
use crate::sharing::sharing;
use cfr_engine::call::{Answer, Call, Method};
use cfr_engine::diag::log_debug;
use cfr_engine::dialect::{Dialect, Rule};
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_shared::inject::Injection;
use cfr_shared::record::{Ending, Whole};
use cfr_shared::settings::Level;
use cfr_sys::errno::Errno;
use cfr_sys::{OffsetPointer, Sharing};

/// One call that a hook or the supervisor has intercepted. It lives until its record is written.
pub trait Intercepted {
    /// Returns the hook that it came through.
    fn hook(&self) -> Hook;

    /// Forwards a call that does not copy into a file: it is neither counted nor logged. `None` for a
    /// call that is observed.
    fn forward_uncounted(&self, _observer: &Observer) -> Option<Answer> {
        None
    }

    /// Decodes the arguments for log and faults. `None` if the call is not one that is observed.
    fn decode(&self) -> Option<Call>;

    /// Carries the call out, changed by the faults if they override it.
    fn execute(&self, observer: &Observer, faults: Option<(Override, &Call)>) -> Outcome;

    /// Returns the rule that explains the error of a record. May make system calls.
    fn explain(&self, call: &Call, outcome: &Outcome) -> Option<&'static Rule>;

    /// Returns the caller's pointers to offsets, source and target, for their values afterwards.
    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        [OffsetPointer::new(core::ptr::null_mut()); 2]
    }

    /// Returns the dialect that the call is carried out by.
    #[inline(always)]
    fn dialect(&self, observer: &Observer) -> &'static Dialect {
        observer.settings.policy.dialect
    }

    /// Reports whether the target's range shares its blocks, if that is wanted and known. `call` is the
    /// whole call, or its part for one target.
    #[inline(always)]
    fn sharing(
        &self,
        call: &Call,
        outcome: &Outcome,
        observer: &Observer,
    ) -> Option<(Sharing, u64)> {
        observer.settings.shared.then(|| sharing(call, outcome.bytes)).flatten()
    }

    /// Reports whether the program is told more of the outcome than its answer.
    #[inline(always)]
    fn is_told(&self) -> bool {
        false
    }

    /// Tells the program the outcome.
    #[inline(always)]
    fn tell(&self, _call: &Call, _outcome: &Outcome, _observer: &Observer) {}

    /// Logs at the levels `debug` and `trace` how the call was carried out.
    fn log_details(&self, _call: &Call, _outcome: &Outcome) {}

    /// Returns the first part of a call whose parts have records of their own, before it is carried
    /// out. `None` if the whole call has one.
    #[inline(always)]
    fn first_part(&self, _call: &Call) -> Option<Call> {
        None
    }

    /// Returns what the call did on all its targets, if it has several and that is counted.
    #[inline(always)]
    fn whole(&self, _call: &Call, _outcome: &Outcome, _observer: &Observer) -> Option<Whole> {
        None
    }

    /// Passes each part of the call that has a record of its own to `record`: the whole call, or
    /// each target of FIDEDUPERANGE with the rule that `explain` returns for it.
    #[inline(always)]
    fn for_each_record(
        &self,
        call: &Call,
        outcome: &Outcome,
        _explain: impl Fn(&Call, &Outcome) -> Option<&'static Rule>,
        record: impl Fn(&Call, &Outcome),
    ) {
        record(call, outcome);
    }
}

/// Carries one call out and records it. The caller has cancellation deferred.
///
/// Returns the answer, and a signal that the caller must raise for its thread.
#[inline(always)]
pub fn intercept<C: Intercepted>(
    intercepted: &C,
    caller: &impl Caller,
    observer: &Observer,
) -> (Answer, Option<i32>) {
    if let Some(answer) = intercepted.forward_uncounted(observer) {
        return (answer, None);
    }
    let mut recording = Recording::wanted(observer, intercepted.hook());
    let injector = observer.injector.as_ref();
    let is_told = intercepted.is_told();
    let is_decoded = recording.is_some() || injector.is_some() || is_told;
    let Some(call) = is_decoded.then(|| intercepted.decode()).flatten() else {
        count_unrecorded(observer);
        let outcome = intercepted.execute(observer, None);
        return (outcome.answer, outcome.signal);
    };
    let injection = injector.map(|injector| {
        let first = intercepted.first_part(&call);
        injector.decide(intercepted.hook(), first.as_ref().unwrap_or(&call), caller)
    });
    let injection = injection.as_ref();
    let override_ = injection.and_then(|injection| injection.overrides(&call));
    if let (Some(injector), Some(injection)) = (injector, injection) {
        injector.note_applied(injection.applied(override_.is_some()));
    }
    if let Some(recording) = &mut recording {
        let dialect = intercepted.dialect(observer);
        recording.begin(caller, injection, dialect, &call, || intercepted.first_part(&call));
    }
    count(observer, recording.as_ref());
    if recording.as_ref().is_some_and(|recording| recording.level() > Level::Info) {
        log_begin(&call, caller);
    }
    if let Some(injection) = injection {
        inject::before(injection, caller, || {
            if let Some(recording) = &mut recording {
                note_unfinished(intercepted, recording, &call, injection, caller, observer);
            }
        });
    }
    let mut outcome = intercepted.execute(observer, override_.map(|override_| (override_, &call)));
    let reply = (outcome.answer, outcome.signal);
    if let Some(injection) = injection {
        inject::after(injection, caller);
    }
    if let Some(recording) = &mut recording {
        recording.end();
    } else if !is_told {
        return reply;
    }
    let is_shown = is_told || recording.as_ref().is_some_and(Recording::is_shown);
    let explain = |call: &Call, outcome: &Outcome| match call.error(outcome.answer) {
        Some(_) if matches!(override_, Some(Override::Answer(_) | Override::Statuses(_))) => None,
        Some(_) if is_shown || outcome.judged || outcome.fell_back => {
            intercepted.explain(call, outcome)
        }
        _ => outcome.rule,
    };
    if outcome.answer.is_err() {
        outcome.rule = explain(&call, &outcome);
    }
    if is_told {
        intercepted.tell(&call, &outcome, observer);
    }
    let Some(recording) = &mut recording else { return reply };
    if recording.level() > Level::Info {
        intercepted.log_details(&call, &outcome);
    }
    if let Some(whole) = intercepted.whole(&call, &outcome, observer) {
        recording.note_whole(whole);
    }
    let pointers = intercepted.offset_pointers();
    let notes = Notes {
        dialect: intercepted.dialect(observer),
        ending: caller.ending(),
        injected: injection.is_some_and(|it| it.signals != 0 || override_.is_some()),
        delayed: injection.is_some_and(Injection::is_delayed),
    };
    intercepted.for_each_record(&call, &outcome, explain, |call, outcome| {
        let sharing = || intercepted.sharing(call, outcome, observer);
        recording.note(call, outcome, caller, pointers, notes, sharing);
    });
    recording.finish();
    reply
}

/// Counts a call that begins, unless that was done with the beginning of its recording.
#[inline(always)]
fn count(observer: &Observer, recording: Option<&Recording<'_>>) {
    let is_counted = recording.is_some_and(Recording::is_in_flight);
    let keep_stderr = |owner| observer.keep_stderr_for_summary(owner);
    observer.collectors.count_call(is_counted, keep_stderr);
}

/// Counts a call that is not recorded.
#[inline(never)]
fn count_unrecorded(observer: &Observer) {
    count(observer, None);
}

/// Records a call before the signal of a fault ends the process.
#[cold]
#[inline(never)]
fn note_unfinished<C: Intercepted>(
    intercepted: &C,
    recording: &mut Recording<'_>,
    call: &Call,
    injection: &Injection,
    caller: &impl Caller,
    observer: &Observer,
) {
    recording.end();
    // One record, also for several targets, as of a call that failed.
    let refused = Outcome::new(Err(Errno::EINTR), Method::None);
    let pointers = intercepted.offset_pointers();
    let notes = Notes {
        dialect: intercepted.dialect(observer),
        ending: Ending::Unfinished,
        injected: true,
        delayed: injection.is_delayed(),
    };
    let no_rule = |_: &Call, _: &Outcome| None;
    intercepted.for_each_record(call, &refused, no_rule, |call, _| {
        note_without_result(recording, call, caller, pointers, notes);
    });
    recording.finish();
}

/// Counts and logs a call whose result is not known.
#[cold]
#[inline(never)]
fn note_without_result(
    recording: &Recording<'_>,
    call: &Call,
    caller: &impl Caller,
    pointers: [OffsetPointer; 2],
    notes: Notes,
) {
    let nothing = Outcome::new(Ok(0), Method::None);
    recording.note(call, &nothing, caller, pointers, notes, || None);
}

/// Logs that a call begins: if it hangs, or its process is killed in it, this line stays.
#[cold]
#[inline(never)]
fn log_begin(call: &Call, caller: &impl Caller) {
    let mut room = None;
    let Call { request, fd_in, fd_out, len, .. } = *caller.as_made(call, &mut room);
    let name = request.name().unwrap_or(request.call());
    log_debug(format_args!("{name} begins: {len} bytes from {fd_in} to {fd_out}"));
}

/// Counts and logs a call that its thread makes itself, so that its result is not known.
/// [`Caller::ending`] says why.
pub fn note_let_through(hook: Hook, call: &Call, caller: &impl Caller, observer: &Observer) {
    let mut recording = Recording::wanted(observer, hook);
    let dialect = observer.settings.policy.dialect;
    if let Some(recording) = &mut recording {
        recording.begin(caller, None, dialect, call, || None);
    }
    count(observer, recording.as_ref());
    observer.collectors.count_let_through();
    let Some(recording) = &mut recording else { return };
    recording.end();
    let pointers = [OffsetPointer::new(core::ptr::null_mut()); 2];
    let notes = Notes { dialect, ending: caller.ending(), injected: false, delayed: false };
    note_without_result(recording, call, caller, pointers, notes);
    recording.finish();
}

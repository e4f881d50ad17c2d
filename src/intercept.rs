//! The flow of one copy, on one screen.

use crate::inject::{self, Harm};
use crate::panic_point::panic_point;
use crate::recording::{self, Answered, Recording};
use cfr_engine::call::{Answer, Call, Method, Offset};
use cfr_engine::diag::{BytesOrError, MESSAGE_TARGET, log_debug, log_trace};
use cfr_engine::dialect::Rule;
use cfr_engine::execution::{self, Imposed, Outcome, Policy};
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;
use cfr_shared::settings::Level;
use cfr_sys::{self as sys, Args, NextCopy, SetOnce};
use core::cell::Cell;
use core::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::error;

/// The next library's function, where `CFR_FORWARD=next` was set and there is one.
pub(crate) static NEXT: SetOnce<NextCopy> = SetOnce::new();

/// What holds for every call.
pub(crate) static POLICY: SetOnce<Policy> = SetOnce::new();

/// What the host gets, known as soon as the call is carried out.
#[derive(Default)]
pub(crate) struct Reply {
    answer: Cell<Option<Answer>>,
    /// A signal that it is owed.
    signal: Cell<Option<i32>>,
}

impl Reply {
    /// From here on the host has its answer, whatever happens.
    #[inline(always)]
    pub(crate) fn give(&self, answer: Answer) {
        self.answer.set(Some(answer));
    }
}

/// Carries one copy out and records it. The caller holds cancellation off.
///
/// Returns the answer, and a signal that the thread is owed.
pub(crate) fn intercept(hook: Hook, args: &Args) -> (Answer, Option<i32>) {
    guarded(|reply| observe(hook, args, reply), || forward(args).0)
}

/// Has `observe` carry a call out. A panic of ours is caught: before the call was carried out it only
/// means that `bare` does so, without a record.
#[inline(always)]
pub(crate) fn guarded(
    observe: impl FnOnce(&Reply),
    bare: impl FnOnce() -> Answer,
) -> (Answer, Option<i32>) {
    let reply = Reply::default();
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| observe(&reply))) {
        // Freeing it may take the heap's lock, once the arena is used up; this thread may hold it.
        mem::forget(payload);
        if let Err(payload) = catch_unwind(confess) {
            mem::forget(payload);
        }
    }
    (reply.answer.get().unwrap_or_else(bare), reply.signal.get())
}

fn observe(hook: Hook, args: &Args, reply: &Reply) {
    panic_point(0);
    recording::count();
    let Some(log) = Recording::wanted() else { return unseen(hook, args, reply) };
    let policy = &log.settings().policy;
    let mut recording = Recording::new(log, hook);
    let call = Call::decode(args);
    panic_point(1);
    let met = inject::meet(hook, &call);
    let harm = met.as_ref().unwrap_or(&Harm::NONE);
    recording.begin(&call);
    harm.enter();
    let outcome = carry_out(args, policy, harm.imposed, reply);
    harm.leave();
    let duration_ns = recording.end();
    let answered = Answered {
        answer: outcome.answer,
        bytes: outcome.answer.map_or(0, |count| count as u64),
        method: outcome.method,
        rule: rule(&outcome, args, policy, &recording, harm),
        judged: outcome.judged,
        fell_back: outcome.fell_back,
        injected: harm.injected,
        delayed: harm.delayed,
        offsets: [args.off_in, args.off_out],
    };
    if recording.level() > Level::Info {
        details(&call, &answered, policy.flags(args));
    }
    recording.note(&call, &answered, duration_ns);
}

/// The same for a call that nobody wants to know of.
#[inline(never)]
fn unseen(hook: Hook, args: &Args, reply: &Reply) {
    let Some(policy) = POLICY.get() else { return };
    let met = if inject::are_armed() { inject::meet(hook, &Call::decode(args)) } else { None };
    let harm = met.as_ref().unwrap_or(&Harm::NONE);
    harm.enter();
    carry_out(args, policy, harm.imposed, reply);
    harm.leave();
}

/// The rule that decided or was broken, or the meaning of what the kernel said.
#[inline(always)]
fn rule(
    outcome: &Outcome,
    args: &Args,
    policy: &Policy,
    recording: &Recording,
    harm: &Harm,
) -> Option<&'static Rule> {
    match outcome.answer {
        Err(_) if matches!(harm.imposed, Some(Imposed::Answer(_))) => None,
        Err(_) if recording.is_shown() || outcome.judged || outcome.fell_back => {
            execution::explanation(outcome, args, policy)
        }
        _ => outcome.rule,
    }
}

/// Carries the call out; from then on it has its reply, whatever happens.
#[inline(always)]
fn carry_out(args: &Args, policy: &Policy, imposed: Option<Imposed>, reply: &Reply) -> Outcome {
    let outcome = execution::carry_out(args, policy, imposed, forward);
    reply.give(outcome.answer);
    if outcome.signal.is_some() {
        reply.signal.set(outcome.signal);
    }
    outcome
}

/// To the kernel, or to the next library.
#[inline(always)]
pub(crate) fn forward(args: &Args) -> (Answer, Method) {
    match NEXT.get() {
        None => (sys::copy_file_range(args), Method::Kernel),
        Some(next) => {
            let answer =
                usize::try_from(next.call_with_cancel_disabled(args)).map_err(|_| sys::errno());
            (answer, Method::Next)
        }
    }
}

/// What the levels below `info` say of a call.
#[cold]
fn details(call: &Call, answered: &Answered, flags: Flags) {
    for (name, offset) in [("off_in", call.off_in), ("off_out", call.off_out)] {
        match offset {
            Offset::File => {}
            Offset::At(_) => log_trace(format_args!("rt_sigprocmask: {name} can be read")),
            Offset::BadAddress(_) => {
                log_trace(format_args!("rt_sigprocmask: {name} cannot be read"))
            }
        }
    }
    if flags != call.flags {
        let name = flags.names().next().unwrap_or_default();
        log_debug(format_args!("flags 0 are {name} here (CFR_DEFAULT_FLAGS)"));
    }
    if answered.method == Method::Kernel && flags.0 == 0 {
        log_trace(format_args!("copy_file_range: {}", BytesOrError(answered.answer)));
    }
    log_debug(format_args!("{}: {}", answered.method.name(), BytesOrError(answered.answer)));
}

/// One line on a panic of ours.
fn confess() {
    error!(target: MESSAGE_TARGET, "a fault of libcfr's own was caught; the call went on without it");
}

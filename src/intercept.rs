//! The flow of one call, on one screen.

use crate::log::{self, PATHS};
use cfr_core::call::{Answer, Call, Method, Offset};
use cfr_core::door::Door;
use cfr_core::engine::{self, Outcome, Policy};
use cfr_core::flags::Flags;
use cfr_core::format::Format;
use cfr_core::record::Record;
use cfr_core::settings::Level;
use cfr_core::sys::{self, Args, NextCopy, SetOnce};
use cfr_core::trail::{MESSAGES, Told, at_debug, at_trace};
use core::cell::Cell;
use core::mem;
use core::sync::atomic::{AtomicU64, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::error;
use tracing::level_filters::LevelFilter;

/// The next library's function, where `CFR_FORWARD=next` was set and there is one.
pub(crate) static NEXT: SetOnce<NextCopy> = SetOnce::new();

/// The launcher's counts of processes and calls.
pub(crate) static WITNESS: SetOnce<&'static [AtomicU64; 2]> = SetOnce::new();

/// What holds for every call.
pub(crate) static POLICY: SetOnce<Policy> = SetOnce::new();

/// What the host gets, known as soon as the call is carried out.
#[derive(Default)]
struct Reply {
    answer: Cell<Option<Answer>>,
    /// A signal that it is owed.
    signal: Cell<Option<i32>>,
}

/// Carries one call out and records it. The caller holds cancellation off.
///
/// Whatever goes wrong in here, the host gets its answer: a panic before the call was carried out
/// only means that the kernel is asked without a record.
///
/// Returns the answer, and a signal that the thread is owed.
pub(crate) fn intercept(door: Door, args: &Args) -> (Answer, Option<i32>) {
    let reply = Reply::default();
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| observe(door, args, &reply))) {
        // Freeing it may take the heap's lock, once the arena is used up; this thread may hold it.
        mem::forget(payload);
        if let Err(payload) = catch_unwind(confess) {
            mem::forget(payload);
        }
    }
    (reply.answer.get().unwrap_or_else(|| forward(args).0), reply.signal.get())
}

fn observe(door: Door, args: &Args, reply: &Reply) {
    hazard(0);
    if let Some([_, calls]) = WITNESS.get() {
        calls.fetch_add(1, Ordering::Relaxed);
    }
    let Some(log) = log::get() else {
        if let Some(policy) = POLICY.get() {
            carry_out(args, policy, reply);
        }
        return;
    };
    let settings = log.settings();
    let policy = &settings.policy;
    log.complain_once();
    if settings.log < Level::Warn {
        carry_out(args, policy, reply);
        return;
    }

    let call = Call::decode(args);
    hazard(1);
    let time_ns = sys::realtime_ns();
    let begun_ns = sys::monotonic_ns();
    let outcome = carry_out(args, policy, reply);
    let duration_ns = sys::monotonic_ns().saturating_sub(begun_ns);
    if settings.log < Level::Info && !outcome.judged && !outcome.fell_back {
        return;
    }
    let rule = match outcome.answer {
        Ok(_) => outcome.rule,
        Err(_) => engine::explanation(&outcome, args, policy),
    };

    hazard(2);
    let for_json = settings.log_format == Format::Json;
    let mut comm = [0; 16];
    let record = Record {
        time_ns,
        pid: sys::getpid(),
        tid: for_json.then(sys::gettid),
        comm: for_json.then(|| sys::comm(&mut comm)),
        door,
        call: &call,
        path_in: None,
        path_out: None,
        offsets_after: if for_json { call.offsets_after(args) } else { (None, None) },
        answer: outcome.answer,
        method: outcome.method,
        dialect: policy.dialect,
        rule,
        judged: outcome.judged,
        fell_back: outcome.fell_back,
        duration_ns,
    };
    if settings.log > Level::Info {
        details(&record, policy.flags(args));
    }
    let emitted = settings.paths.then(|| PATHS.with_page(|page| with_paths(record, page).emit()));
    if emitted.flatten().is_none() {
        record.emit();
    }
    // An object of the JSON log has the sentence in it.
    if let (Some(rule), false) = (rule, for_json) {
        record.explain(rule);
    }
}

/// Carries the call out; from then on it has its reply, whatever happens.
#[inline(always)]
fn carry_out(args: &Args, policy: &Policy, reply: &Reply) -> Outcome {
    let outcome = engine::carry_out(args, policy, forward);
    reply.answer.set(Some(outcome.answer));
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
            let answer = usize::try_from(next.call_uncancelled(args)).map_err(|_| sys::errno());
            (answer, Method::Next)
        }
    }
}

/// The record with the paths behind its descriptors.
fn with_paths<'a>(record: Record<'a>, page: &'a mut [u8]) -> Record<'a> {
    let (half_in, half_out) = page.split_at_mut(page.len() / 2);
    hazard(3);
    Record {
        path_in: path(record.call.fd_in, half_in),
        path_out: path(record.call.fd_out, half_out),
        ..record
    }
}

fn path(fd: i32, buffer: &mut [u8]) -> Option<&[u8]> {
    let found = sys::readlink_fd(fd, buffer);
    if LevelFilter::current() >= LevelFilter::TRACE {
        at_trace(format_args!("readlinkat /proc/thread-self/fd/{fd}: {}", Told(found)));
    }
    buffer.get(..found.ok()?)
}

/// What the levels below `info` say of a call.
#[cold]
fn details(record: &Record<'_>, flags: Flags) {
    for (name, offset) in [("off_in", record.call.off_in), ("off_out", record.call.off_out)] {
        match offset {
            Offset::File => {}
            Offset::At(_) => at_trace(format_args!("rt_sigprocmask: {name} can be read")),
            Offset::Bad(_) => at_trace(format_args!("rt_sigprocmask: {name} cannot be read")),
        }
    }
    if flags != record.call.flags {
        let name = flags.names().next().unwrap_or_default();
        at_debug(format_args!("flags 0 are {name} here (CFR_DEFAULT_FLAGS)"));
    }
    if record.method == Method::Kernel && flags.0 == 0 {
        at_trace(format_args!("copy_file_range: {}", Told(record.answer)));
    }
    at_debug(format_args!("{}: {}", record.method.name(), Told(record.answer)));
}

/// One line on a panic of ours.
fn confess() {
    error!(target: MESSAGES, "a fault of libcfr's own was caught; the call went on without it");
}

/// For the tests: panics at the step that is due.
#[cfg(feature = "hazard-panic")]
#[expect(clippy::panic, reason = "to panic is its job")]
fn hazard(step: u64) {
    static DUE: AtomicU64 = AtomicU64::new(0);
    const STEPS: u64 = 4;
    if DUE.load(Ordering::Relaxed) % STEPS == step {
        DUE.fetch_add(1, Ordering::Relaxed);
        panic!("hazard {step}");
    }
}

#[cfg(not(feature = "hazard-panic"))]
fn hazard(_step: u64) {}

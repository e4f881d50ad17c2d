//! The flow of one call, on one screen.

use crate::log::{self, MESSAGES, PATHS};
use cfr_core::call::{Answer, Call, Method, Offset};
use cfr_core::door::Door;
use cfr_core::format::Format;
use cfr_core::record::Record;
use cfr_core::settings::Level;
use cfr_core::sys::{self, Args, NextCopy};
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};
use core::{fmt, mem};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use tracing::{debug, error, trace};

/// The next library's function, where `CFR_FORWARD=next` was set and there is one.
pub(crate) static NEXT: OnceLock<NextCopy> = OnceLock::new();

/// The launcher's counts of processes and calls.
pub(crate) static WITNESS: OnceLock<&'static [AtomicU64; 2]> = OnceLock::new();

/// Carries one call out and records it. The caller holds cancellation off.
///
/// Whatever goes wrong in here, the host gets what the kernel said: a panic before the kernel was
/// asked only means that it is asked without a record.
pub(crate) fn intercept(door: Door, args: &Args) -> Answer {
    let answered = Cell::new(None);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| observe(door, args, &answered))) {
        // Freeing it may take the heap's lock, once the arena is used up; this thread may hold it.
        mem::forget(payload);
        if let Err(payload) = catch_unwind(confess) {
            mem::forget(payload);
        }
    }
    answered.get().unwrap_or_else(|| forward(args).0)
}

fn observe(door: Door, args: &Args, answered: &Cell<Option<Answer>>) {
    let Some(log) = log::get() else { return };
    let settings = log.settings();
    hazard(0);
    if let Some([_, calls]) = WITNESS.get() {
        calls.fetch_add(1, Ordering::Relaxed);
    }
    log.complain_once();
    if settings.log < Level::Info {
        answered.set(Some(forward(args).0));
        return;
    }

    let call = Call::decode(args);
    hazard(1);
    let time_ns = sys::realtime_ns();
    let begun_ns = sys::monotonic_ns();
    let (answer, method) = forward(args);
    let duration_ns = sys::monotonic_ns().saturating_sub(begun_ns);
    answered.set(Some(answer));

    hazard(2);
    let for_json = settings.log_format == Format::Json;
    let mut comm = [0; 16];
    let record = Record {
        time_ns,
        pid: sys::getpid(),
        tid: for_json.then(sys::gettid),
        comm: for_json.then(|| sys::comm(&mut comm)),
        door,
        call,
        path_in: None,
        path_out: None,
        offsets_after: if for_json { call.offsets_after(args) } else { (None, None) },
        answer,
        method,
        duration_ns,
    };
    if settings.log > Level::Info {
        explain(&record);
    }
    let emitted = settings.paths.then(|| PATHS.with_page(|page| with_paths(record, page).emit()));
    if emitted.flatten().is_none() {
        record.emit();
    }
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
    trace!(target: MESSAGES, "readlinkat /proc/thread-self/fd/{fd}: {}", Told(found));
    buffer.get(..found.ok()?)
}

/// What the levels below `info` say of a call.
#[cold]
fn explain(record: &Record<'_>) {
    for (name, offset) in [("off_in", record.call.off_in), ("off_out", record.call.off_out)] {
        match offset {
            Offset::File => {}
            Offset::At(_) => trace!(target: MESSAGES, "rt_sigprocmask: {name} can be read"),
            Offset::Bad(_) => trace!(target: MESSAGES, "rt_sigprocmask: {name} cannot be read"),
        }
    }
    trace!(target: MESSAGES, "copy_file_range: {}", Told(record.answer));
    debug!(target: MESSAGES, "{}: {}", record.method.name(), Told(record.answer));
}

/// A result in words.
struct Told(Answer);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(bytes) => write!(f, "{bytes} bytes"),
            Err(errno) => errno.fmt(f),
        }
    }
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

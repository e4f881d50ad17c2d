//! The events that a process sends: calls, rules, and messages about how a call is carried out. At the
//! level `trace` these are the system calls that the library makes; blocking signals and managing the
//! pipe are not traced.
//!
//! An event has a kind ([`EventKind`]), a static, and one field, `message`. It goes to the log that is
//! installed, or else to the dispatcher of `tracing`, so that a Rust program that links this crate can
//! use a subscriber of its own. The log is not a subscriber because making a dispatcher allocates and
//! can panic; nor are events made by the macros of `tracing`, which register each of them under a lock.

use cfr_sys::SetOnce;
use cfr_sys::errno::Errno;
use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};
use tracing::field::{FieldSet, Value, Visit, debug};
use tracing::level_filters::LevelFilter;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Callsite, Event, Level, Metadata, callsite, dispatcher};

/// The tracing target of the library's messages.
pub const MESSAGE_TARGET: &str = "cfr";

/// The tracing target of messages about the data of a call.
pub const DATA_TARGET: &str = "cfr::data";

/// The tracing target of messages about a request that is not what the program seems to mean.
pub const REQUEST_TARGET: &str = "cfr::request";

/// What all events of one target and level have in common.
pub struct EventKind(Metadata<'static>);

impl EventKind {
    /// Describes events of `target` at `level`. `this` is the static that holds the kind: `tracing`
    /// tells kinds apart by their addresses.
    #[must_use]
    pub const fn new(this: &'static EventKind, target: &'static str, level: Level) -> EventKind {
        let fields = FieldSet::new(&["message"], callsite::Identifier(this));
        EventKind(Metadata::new("event", target, level, None, None, None, fields, Kind::EVENT))
    }

    /// Returns the target and the level.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata<'static> {
        &self.0
    }

    /// Sends an event with this message.
    pub fn send(&'static self, message: &dyn Value) {
        match INSTALLED.get() {
            Some(_) if number(*self.0.level()) > MAX_LEVEL.load(Ordering::Relaxed) => {}
            Some(log) => log.write(self, message),
            None => self.dispatch(message),
        }
    }

    /// Sends the event of a call.
    pub fn send_call(&'static self, call: &dyn CallLine) {
        match INSTALLED.get() {
            Some(_) if number(*self.0.level()) > MAX_LEVEL.load(Ordering::Relaxed) => {}
            Some(log) => log.write_call(self, call),
            None => self.dispatch(&debug(call)),
        }
    }

    #[cold]
    fn dispatch(&'static self, message: &dyn Value) {
        let Some(field) = self.0.fields().iter().next() else { return };
        let fields = [(&field, Some(message))];
        let fields = self.0.fields().value_set(&fields);
        dispatcher::get_default(|dispatch| {
            if dispatch.enabled(&self.0) {
                dispatch.event(&Event::new(&self.0, &fields));
            }
        });
    }

    /// Passes the message to a visitor, as an event would.
    #[inline]
    pub fn visit(&self, message: &dyn Value, visitor: &mut dyn Visit) {
        if let Some(field) = self.0.fields().iter().next() {
            message.record(&field, visitor);
        }
    }
}

impl Callsite for EventKind {
    /// Not used: the kinds are not registered, so that a subscriber is asked for each event.
    fn set_interest(&self, _interest: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &self.0
    }
}

/// A destination of events.
pub trait EventLog: Sync {
    /// Writes an event of this kind.
    fn write(&self, kind: &'static EventKind, message: &dyn Value);

    /// Writes the event of a call.
    fn write_call(&self, kind: &'static EventKind, call: &dyn CallLine) {
        self.write(kind, &debug(call));
    }
}

/// The message of a call's event: its line by `Debug`.
pub trait CallLine: fmt::Debug {
    /// Formats the line without the machinery of `Debug`, passes it to `take`, and returns what that
    /// returns. Returns false at once if the line may be long.
    fn pass(&self, as_json: bool, take: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

static INSTALLED: SetOnce<&'static dyn EventLog> = SetOnce::new();

/// The [`number`] of the last level that is logged; 1 if none is. Not 0, for the reason that `SetOnce`
/// gives.
static MAX_LEVEL: AtomicU8 = AtomicU8::new(1);

const fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 2,
        Level::WARN => 3,
        Level::INFO => 4,
        Level::DEBUG => 5,
        Level::TRACE => 6,
    }
}

/// Makes `log` the destination of all events up to `max_level`, instead of the dispatcher of `tracing`.
/// The first log that is installed stays; of the levels, the last one holds.
pub fn install(log: &'static dyn EventLog, max_level: LevelFilter) {
    MAX_LEVEL.store(max_level.into_level().map_or(1, number), Ordering::Relaxed);
    INSTALLED.set(log);
}

/// Reports whether messages of level `trace` are wanted.
#[inline(always)]
#[must_use]
pub fn is_traced() -> bool {
    match INSTALLED.get() {
        Some(_) => MAX_LEVEL.load(Ordering::Relaxed) >= number(Level::TRACE),
        None => LevelFilter::current() >= LevelFilter::TRACE,
    }
}

/// Traces a system call about `fd`: done, or its error.
#[inline(always)]
pub(crate) fn trace_syscall<T>(name: &'static str, fd: i32, result: &Result<T, Errno>) {
    if is_traced() {
        trace_done_or_error(name, fd, result.as_ref().err().copied());
    }
}

/// Traces a system call about `fd` that returns a number of bytes.
#[inline(always)]
pub(crate) fn trace_syscall_bytes(name: &'static str, fd: i32, result: Result<usize, Errno>) {
    if is_traced() {
        trace_bytes_or_error(name, fd, result);
    }
}

#[cold]
#[inline(never)]
fn trace_done_or_error(name: &str, fd: i32, errno: Option<Errno>) {
    match errno {
        None => log_trace(format_args!("{name} {fd}: done")),
        Some(errno) => log_trace(format_args!("{name} {fd}: {errno}")),
    }
}

#[cold]
#[inline(never)]
fn trace_bytes_or_error(name: &str, fd: i32, result: Result<usize, Errno>) {
    log_trace(format_args!("{name} {fd}: {}", BytesOrError(result)));
}

/// Logs that one way of copying was refused and which one follows.
#[cold]
#[inline(never)]
pub(crate) fn log_fallback(way: &str, errno: Errno, instead: &str) {
    log_debug(format_args!("{way} declines: {errno}; {instead}"));
}

/// Logs a message of level `trace`.
#[cold]
#[inline(never)]
pub fn log_trace(message: fmt::Arguments<'_>) {
    static KIND: EventKind = EventKind::new(&KIND, MESSAGE_TARGET, Level::TRACE);
    KIND.send(&message);
}

/// Logs a message of level `debug`.
#[cold]
#[inline(never)]
pub fn log_debug(message: fmt::Arguments<'_>) {
    static KIND: EventKind = EventKind::new(&KIND, MESSAGE_TARGET, Level::DEBUG);
    KIND.send(&message);
}

/// Logs a message of level `warn`, about the library itself.
#[cold]
#[inline(never)]
pub fn log_warning(message: fmt::Arguments<'_>) {
    static KIND: EventKind = EventKind::new(&KIND, MESSAGE_TARGET, Level::WARN);
    KIND.send(&message);
}

/// Logs a message of level `warn`, about a request.
#[cold]
#[inline(never)]
pub fn log_request_warning(message: fmt::Arguments<'_>) {
    static KIND: EventKind = EventKind::new(&KIND, REQUEST_TARGET, Level::WARN);
    KIND.send(&message);
}

/// Logs a message of level `error`: the target's data are wrong or were not verified.
#[cold]
#[inline(never)]
pub(crate) fn log_data_error(message: fmt::Arguments<'_>) {
    static KIND: EventKind = EventKind::new(&KIND, DATA_TARGET, Level::ERROR);
    KIND.send(&message);
}

/// Prints a number of bytes or an error.
pub struct BytesOrError(pub Result<usize, Errno>);

impl fmt::Display for BytesOrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(bytes) => write!(f, "{bytes} bytes"),
            Err(errno) => errno.fmt(f),
        }
    }
}

//! Messages of the levels `debug` and `trace`: fallbacks, and the system calls that the library
//! makes for a call. Blocking signals and managing the pipe are not traced.

use cfr_sys::errno::Errno;
use core::fmt;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, trace};

/// The tracing target of the library's messages.
pub const MESSAGE_TARGET: &str = "cfr";

/// The tracing target of messages about the data of a call.
pub const DATA_TARGET: &str = "cfr::data";

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

#[inline(always)]
fn is_traced() -> bool {
    LevelFilter::current() >= LevelFilter::TRACE
}

/// Logs a message of level `trace`. All of them use this one event: each event of its own takes 512
/// bytes of memory in every process.
#[cold]
#[inline(never)]
pub fn log_trace(message: fmt::Arguments<'_>) {
    trace!(target: MESSAGE_TARGET, "{message}");
}

/// Logs a message of level `error`: the target's data are wrong or were not verified.
#[cold]
#[inline(never)]
pub(crate) fn log_data_error(message: fmt::Arguments<'_>) {
    error!(target: DATA_TARGET, "{message}");
}

/// Logs a message of level `debug`.
#[cold]
#[inline(never)]
pub fn log_debug(message: fmt::Arguments<'_>) {
    debug!(target: MESSAGE_TARGET, "{message}");
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

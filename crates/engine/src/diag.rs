//! What the levels `debug` and `trace` hear of: what declined, and the system calls behind a call, but
//! for those that hold signals back and look after the pipe.

use cfr_sys::errno::Errno;
use core::fmt;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, trace};

/// The target of messages: what the library says of itself, and of what it did for a call.
pub const MESSAGE_TARGET: &str = "cfr";

/// The target of messages about the data of a call.
pub const DATA: &str = "cfr::data";

/// A system call about descriptor `fd` and whether it succeeded.
#[inline(always)]
pub(crate) fn trace_syscall<T>(name: &'static str, fd: i32, result: &Result<T, Errno>) {
    if is_traced() {
        say(name, fd, result.as_ref().err().copied());
    }
}

/// The same, with the number that it returned.
#[inline(always)]
pub(crate) fn trace_syscall_bytes(name: &'static str, fd: i32, result: Result<usize, Errno>) {
    if is_traced() {
        say_number(name, fd, result);
    }
}

#[cold]
#[inline(never)]
fn say(name: &str, fd: i32, errno: Option<Errno>) {
    match errno {
        None => log_trace(format_args!("{name} {fd}: done")),
        Some(errno) => log_trace(format_args!("{name} {fd}: {errno}")),
    }
}

#[cold]
#[inline(never)]
fn say_number(name: &str, fd: i32, result: Result<usize, Errno>) {
    log_trace(format_args!("{name} {fd}: {}", BytesOrError(result)));
}

/// One way has declined, and another is taken.
#[cold]
#[inline(never)]
pub(crate) fn log_fallback(way: &str, errno: Errno, instead: &str) {
    log_debug(format_args!("{way} declines: {errno}; {instead}"));
}

#[inline(always)]
fn is_traced() -> bool {
    LevelFilter::current() >= LevelFilter::TRACE
}

/// A message of level `trace`. One place for all of them: each event of its own would be half a
/// kilobyte of every process.
#[cold]
#[inline(never)]
pub fn log_trace(message: fmt::Arguments<'_>) {
    trace!(target: MESSAGE_TARGET, "{message}");
}

/// A message of level `error`: the host's data are not what they should be.
#[cold]
#[inline(never)]
pub(crate) fn log_data_error(message: fmt::Arguments<'_>) {
    error!(target: DATA, "{message}");
}

/// A message of level `debug`.
#[cold]
#[inline(never)]
pub fn log_debug(message: fmt::Arguments<'_>) {
    debug!(target: MESSAGE_TARGET, "{message}");
}

/// A count or an error in words.
pub struct BytesOrError(pub Result<usize, Errno>);

impl fmt::Display for BytesOrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(bytes) => write!(f, "{bytes} bytes"),
            Err(errno) => errno.fmt(f),
        }
    }
}

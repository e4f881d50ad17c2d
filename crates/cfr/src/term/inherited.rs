//! Signals and descriptors that the launcher was started with. They are read before `main`, because
//! the Rust runtime ignores SIGPIPE, resets it in children, and opens /dev/null for standard
//! descriptors that are closed.

use cfr_sys as sys;
use std::sync::OnceLock;

static IGNORED: OnceLock<u64> = OnceLock::new();
static CLOSED: OnceLock<Vec<i32>> = OnceLock::new();

#[ctor::ctor(unsafe)]
fn note() {
    // First of all: a file that is opened would get the number of a closed descriptor.
    CLOSED.get_or_init(|| (0..=2).filter(|&fd| sys::identify(fd).is_err()).collect());
    // A line of proc_pid_status(5), with a bit for each signal.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    IGNORED.get_or_init(|| mask.unwrap_or(0));
}

/// Returns the standard descriptors that were closed when the launcher was started.
pub(crate) fn closed() -> &'static [i32] {
    CLOSED.get().map_or(&[], Vec::as_slice)
}

/// Reports whether `signal` was ignored when the launcher was started, as by nohup(1).
pub(crate) fn is_ignored(signal: i32) -> bool {
    IGNORED.get().is_some_and(|ignored| ignored & 1 << (signal - 1) != 0)
}

//! What the launcher was started with, noted before the Rust runtime changes it: that has SIGPIPE
//! ignored from before `main` on, and default in what it starts; and it opens /dev/null in the
//! place of a standard descriptor that is closed.

use cfr_sys as sys;
use std::sync::OnceLock;

static IGNORED: OnceLock<u64> = OnceLock::new();
static CLOSED: OnceLock<Vec<i32>> = OnceLock::new();

#[ctor::ctor(unsafe)]
fn note() {
    // Before anything is opened: it would get the lowest number.
    CLOSED.get_or_init(|| (0..=2).filter(|&fd| sys::identify(fd).is_err()).collect());
    // A line of proc_pid_status(5): a bit a signal.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    IGNORED.get_or_init(|| mask.unwrap_or(0));
}

/// The standard descriptors that were closed when the launcher was started.
pub(crate) fn closed() -> &'static [i32] {
    CLOSED.get().map_or(&[], Vec::as_slice)
}

/// Whether `signal` was ignored when the launcher was started, as nohup(1) does it.
pub(crate) fn is_ignored(signal: i32) -> bool {
    IGNORED.get().is_some_and(|ignored| ignored & 1 << (signal - 1) != 0)
}

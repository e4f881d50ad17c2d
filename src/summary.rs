//! What a process writes when it ends: the summary of itself (`CFR_SUMMARY`), and the lines that a
//! launcher which was killed has left.

use crate::runtime;
use cfr_observe::Log;
use cfr_shared::stats::Counter;
use cfr_sys as sys;

/// Writes the summary, if this process must write one and has made calls since the last one. May be
/// called in a signal handler, and more than once.
pub(crate) fn write() {
    let Some(runtime) = runtime::get() else { return };
    let leaves_lines = runtime.log.is_some_and(Log::leaves_lines);
    if runtime.collectors.own.is_none() && !leaves_lines {
        return;
    }
    let errno = sys::errno();
    if let (Some(log), true) = (runtime.log, leaves_lines) {
        log.write_left_lines();
    }
    write_new_calls();
    sys::set_errno(errno);
}

fn write_new_calls() {
    let Some(runtime) = runtime::get() else { return };
    let (Some(stats), Some(log)) = (runtime.collectors.own, &runtime.log) else { return };
    let calls = stats.get(Counter::Calls);
    if calls == stats.get(Counter::Summarized) {
        // No system call at all: a process that has not copied may be in a sandbox that kills for it.
        return;
    }
    let pid = sys::getpid();
    // A child of vfork(2) ends in its parent's memory.
    if stats.get(Counter::Owner) == u64::from(pid.unsigned_abs()) {
        stats.set(Counter::Summarized, calls);
        log.summarize(&stats, pid);
    }
}

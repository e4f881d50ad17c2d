//! The summary that a process writes of itself when it ends.

use crate::log;
use crate::recording::SUMMARY;
use cfr_shared::stats::Counter;
use cfr_sys as sys;
use core::mem;
use std::panic::catch_unwind;

/// Writes it, if this process is to write one and has made calls since the last one. May be called in
/// a signal handler, and more than once.
pub(crate) fn write() {
    if SUMMARY.get().is_none() {
        return;
    }
    let errno = sys::errno();
    if let Err(payload) = catch_unwind(write_new) {
        mem::forget(payload);
    }
    sys::set_errno(errno);
}

fn write_new() {
    let (Some(accounts), Some(log)) = (SUMMARY.get(), log::get()) else { return };
    let calls = accounts.get(Counter::Calls);
    if calls == accounts.get(Counter::Summarized) {
        // Not one system call: whoever has not copied may be in a sandbox that kills for it.
        return;
    }
    let pid = sys::getpid();
    // A child of vfork(2) ends in its parent's memory.
    if accounts.get(Counter::Owner) == u64::from(pid.unsigned_abs()) {
        accounts.set(Counter::Summarized, calls);
        log.summarize(accounts, pid);
    }
}

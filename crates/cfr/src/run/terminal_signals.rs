//! SIGINT and SIGQUIT, which a terminal sends to the launcher and to the program: they are for the
//! program.
//!
//! While it runs they are blocked in all threads of the launcher, so that one which comes before the
//! program's process exists stays pending. That process sees it there and raises it: the kernel gives a
//! signal for a process group that comes after fork(2) to both, and one that comes before to the
//! launcher alone (signal handling in copy_process(), Linux 4.19).

use super::start::before_exec;
use crate::program::locate;
use cfr_sys::{self as sys, SignalMask};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, getrlimit};
use signal_hook::consts::signal::{SIGINT, SIGQUIT};
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

const SIGNALS: [i32; 2] = [SIGINT, SIGQUIT];

/// Both signals, blocked in this thread and in those that it starts. On drop those that came are
/// discarded, and the signals have their meanings again.
pub(crate) struct TerminalSignals {
    before: SignalMask,
    /// If more than execve(2) is to be done in the program's process, the C library executes the
    /// program, and passes to a shell what the kernel refuses; and the standard library needs two
    /// descriptors.
    are_passed_on: bool,
}

impl TerminalSignals {
    /// Blocks them for this program.
    pub(crate) fn block(program: &Path) -> TerminalSignals {
        let are_passed_on = locate::has_known_format(program) && may_have_descriptors();
        TerminalSignals { before: SignalMask::block(&SIGNALS), are_passed_on }
    }

    /// Calls `start`, which starts the program. If it cannot be told what came before, the signals end
    /// the launcher meanwhile.
    pub(crate) fn while_starting<T>(&self, start: impl FnOnce() -> T) -> T {
        if self.are_passed_on {
            return start();
        }
        self.before.restore();
        let started = start();
        let _ = SignalMask::block(&SIGNALS);
        started
    }

    /// Gives the program that `command` starts the signals that came for it, and their meanings.
    pub(crate) fn give_to(&self, command: &mut Command) {
        if !self.are_passed_on {
            return;
        }
        let before = self.before;
        // Opened only there: the launcher may have few descriptors. If it cannot be, the signals are
        // lost.
        let status = CString::new(format!("/proc/{}/status", std::process::id())).ok();
        before_exec(command, move || {
            let pending = status.as_deref().map_or(0, pending);
            let came = |signal: &i32| pending & 1 << (signal - 1) != 0;
            SIGNALS.into_iter().filter(came).for_each(sys::raise);
            before.restore();
            Ok(())
        });
    }
}

impl Drop for TerminalSignals {
    fn drop(&mut self) {
        SIGNALS.into_iter().for_each(sys::discard_pending);
        self.before.restore();
    }
}

/// Reports whether there is room for more descriptors than the start of a program needs (RLIMIT_NOFILE).
fn may_have_descriptors() -> bool {
    const MANY: u64 = 32;
    getrlimit(Resource::Nofile).current.is_none_or(|limit| limit >= MANY)
}

/// Returns the pending signals of a process, whose proc_pid_status(5) has the path `status`: bit 0 is
/// signal 1. Allocates nothing.
fn pending(status: &CStr) -> u64 {
    const LABEL: &[u8] = b"\nShdPnd:\t";
    let mut text = [0; 4096];
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(status) = rustix::fs::open(status, flags, Mode::empty()) else { return 0 };
    let len = sys::read_at(status.as_raw_fd(), &mut text, 0).unwrap_or(0);
    let text = text.get(..len).unwrap_or_default();
    let label = text.windows(LABEL.len()).position(|window| window == LABEL);
    let digits = label.and_then(|start| text.get(start + LABEL.len()..)?.get(..16));
    let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

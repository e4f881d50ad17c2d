//! The filter that stops the program's copies, and its installation in the program's process between
//! fork(2) and execve(2), where nothing is allocated.

use crate::term::small_thread::small_thread;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, seccomp};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;

/// What tells the process that its calls will be answered.
pub(crate) const BEGIN: u8 = b'b';

/// What tells it that they will not be.
pub(crate) const GIVE_UP: u8 = b'g';

/// What the program's process does first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    cookie: u32,
    no_new_privs: bool,
    channel: i32,
    launcher: Pid,
}

impl Filter {
    /// Describes a filter that passes the calls with `cookie`. `channel` is a socket to this process,
    /// the launcher.
    pub(crate) fn new(cookie: u32, no_new_privs: bool, channel: i32) -> Filter {
        Filter { cookie, no_new_privs, channel, launcher: getpid() }
    }

    /// Installs the filter, hands over the descriptor that receives calls, and waits until the
    /// supervisor has it. A failure ends the process: the filter cannot be removed, and without the
    /// supervisor the kernel answers ENOSYS.
    pub(crate) fn install(self) -> io::Result<()> {
        // The launcher may be killed while this process waits for it.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(self.launcher) {
            return Err(error(Errno::ESRCH));
        }
        let listener = stop_copies(self.cookie, self.no_new_privs).map_err(error)?;
        let sent = seccomp::send_descriptor(self.channel, listener);
        sys::close(listener);
        sent.map_err(error)?;
        if seccomp::receive_byte(self.channel) != Some(BEGIN) {
            return Err(error(Errno::ESRCH));
        }
        Ok(set_parent_process_death_signal(None)?)
    }
}

fn error(Errno(errno): Errno) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// Installs a filter for this thread. Returns the descriptor that receives calls.
pub(crate) fn stop_copies(cookie: u32, no_new_privs: bool) -> Result<i32, Errno> {
    if no_new_privs {
        seccomp::set_no_new_privs()?;
    }
    seccomp::stop_copies(cookie)
}

/// Tries whether a filter can be installed: in a thread, which then ends with it.
pub(crate) fn try_out(no_new_privs: bool) -> io::Result<Result<(), Errno>> {
    const COOKIE: u32 = 1;
    let tried = move || stop_copies(COOKIE, no_new_privs).map(sys::close);
    let tried = small_thread(tried)?.join();
    Ok(tried.unwrap_or(Err(Errno::ENOSYS)))
}

//! Signals that end the launcher: cleanup comes first.

use crate::term::failure::{Failure, describe};
use crate::term::inherited::is_ignored;
use cfr_sys as sys;
use rustix::process::Signal;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::thread;

/// Makes a signal that ends the process call `clean_up` with it first. What that returned is not
/// dropped before the process ends; if it returned `None`, the process goes on, and ends by itself. A
/// write beyond the limit on file sizes becomes an error instead of a signal.
pub(crate) fn before<T>(
    clean_up: impl Fn(i32) -> Option<T> + Send + 'static,
) -> Result<(), Failure> {
    sys::ignore(Signal::XFSZ.as_raw());
    // Ignored signals stay ignored.
    let fatal =
        [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter().filter(|&signal| !is_ignored(signal));
    let mut signals = Signals::new(fatal)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", describe(&error))))?;
    // The thread lives as long as the process.
    let started = thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            let Some(_until_exit) = clean_up(signal) else { continue };
            let _ = emulate_default_handler(signal);
        }
    });
    started
        .map(drop)
        .map_err(|error| Failure::new(format!("cannot start a thread: {}", describe(&error))))
}

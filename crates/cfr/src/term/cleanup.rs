//! Signals that end the launcher: cleanup comes first.

use crate::term::failure::{Failure, describe};
use crate::term::inherited::is_ignored;
use cfr_sys as sys;
use rustix::process::Signal;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::thread;

/// Makes a signal that ends the process call `clean_up` first. What it returned is not dropped
/// before the process ends. A write beyond the limit on file sizes becomes an error instead of a signal.
pub(crate) fn before<T>(clean_up: impl Fn() -> T + Send + 'static) -> Result<(), Failure> {
    sys::ignore(Signal::XFSZ.as_raw());
    // Ignored signals stay ignored.
    let fatal =
        [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter().filter(|&signal| !is_ignored(signal));
    let mut signals = Signals::new(fatal)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", describe(&error))))?;
    // The thread lives as long as the process.
    let started = thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            let _until_exit = clean_up();
            let _ = emulate_default_handler(signal);
        }
    });
    started
        .map(drop)
        .map_err(|error| Failure::new(format!("cannot start a thread: {}", describe(&error))))
}

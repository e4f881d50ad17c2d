//! Signals that end the launcher: what it must not leave behind goes first.

use crate::term::failure::{Failure, told};
use crate::term::inherited::is_ignored;
use cfr_sys as sys;
use rustix::process::Signal;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::thread;

/// From here on a signal that ends the process waits for `tidy`, and ends it while what `tidy`
/// returned is held. A limit on file sizes is an error instead of a signal.
pub(crate) fn before<T>(tidy: impl Fn() -> T + Send + 'static) -> Result<(), Failure> {
    sys::ignore(Signal::XFSZ.as_raw());
    // What is ignored stays so.
    let deadly =
        [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter().filter(|&signal| !is_ignored(signal));
    let mut signals = Signals::new(deadly)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", told(&error))))?;
    // Ends with the process.
    let started = thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            let _held = tidy();
            let _ = emulate_default_handler(signal);
        }
    });
    started
        .map(drop)
        .map_err(|error| Failure::new(format!("cannot start a thread: {}", told(&error))))
}

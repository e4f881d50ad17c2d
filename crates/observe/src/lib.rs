//! The flow of a watched call, from its arguments to its line in the log: for libcfr.so inside a host,
//! and for the launcher's supervisor, which carries out calls of other processes.
//!
//! The rules of the library hold here: nothing allocates, waits for a lock or panics on the path of a
//! call, because libcfr.so runs this code in signal handlers of the host.
//!
//! A file uses only files above it in this list.
#![no_std]
#![forbid(unsafe_code)]
#![doc(html_no_source)]

mod caller;

mod collectors;

mod known_threads;

mod log;

mod inject;

mod observer;

mod near_miss;

mod sharing;

mod recording;

mod observe;

mod kernel;

mod calls;

pub use caller::{Caller, ThisThread};
pub use calls::{
    CopyFileRange, CopyWithOptions, Forwarded, ReflinkIoctl, Sendfile, Told, is_storage,
};
pub use collectors::Collectors;
pub use inject::Injector;
pub use kernel::{AsMade, Kernel};
pub use log::{ConfigErrors, Log, install};
pub use near_miss::warn_of_near_miss;
pub use observe::{Intercepted, intercept, note_let_through};
pub use observer::Observer;

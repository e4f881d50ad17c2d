//! cfr_configure: the program sets its own settings.

use super::text::bytes;
use crate::configuration::configure;
use cfr_sys as sys;
use core::ffi::{c_char, c_int};

/// Sets a setting of this process, from its next call on: `name` is that of a CFR_ variable in lower
/// case and without the prefix, for example "dialect" or "log_file", and `value` is as in the
/// environment. NULL or an empty value is the default of a linked library.
///
/// "environment" takes "none", "all" or names separated by commas: the settings that the environment
/// may set. Every other one that the program has not set gets its default. "stats" takes "yes" or "no":
/// whether calls are counted for cfr_stats.
///
/// Returns 0, or -1 with errno set: ENOENT if there is no such setting, EINVAL if it does not have this
/// value or contradicts another one of the program's, EBUSY if another thread is in this function or
/// the log is open and cannot change any more, ENOMEM. May be called by any thread and in a signal
/// handler. Each call maps up to 16 KiB that stay mapped.
#[unsafe(no_mangle)]
pub extern "C" fn cfr_configure(name: *const c_char, value: *const c_char) -> c_int {
    // SAFETY: the program passes strings, or NULL.
    let name = unsafe { bytes(name) };
    // SAFETY: as above.
    let value = unsafe { bytes(value) };
    match configure(name.unwrap_or_default(), value.unwrap_or_default()) {
        Ok(()) => 0,
        Err(errno) => {
            sys::set_errno(errno);
            -1
        }
    }
}

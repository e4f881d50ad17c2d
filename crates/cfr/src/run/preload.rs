//! Preloads the library into a program.

use crate::program::library::Library;
use crate::run::environment::{self, Variables};
use crate::run::shared_stats::{self, SharedStats};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// The variable with the options of AddressSanitizer's runtime.
const SANITIZER: &str = "ASAN_OPTIONS";

/// Sets LD_PRELOAD and these settings for the program that `command` starts.
pub(crate) fn prepare(
    command: &mut Command,
    library: &Library,
    variables: &Variables,
    stats: Option<&SharedStats>,
) {
    command.env("LD_PRELOAD", library.preload_list(std::env::var_os("LD_PRELOAD")));
    if !library.is_before_sanitizer {
        command.env(SANITIZER, without_order(std::env::var_os(SANITIZER)));
    }
    command
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env_remove(environment::SUMMARY)
        .env("CFR_STRICT", "yes");
    if let Some(stats) = stats {
        command.env(shared_stats::VARIABLE, stats.path());
    }
}

/// Returns the options with one that lets another library be loaded before the runtime. It comes
/// first: of options with one name the last counts, and so the user's.
fn without_order(options: Option<OsString>) -> OsString {
    const WITHOUT: &str = "verify_asan_link_order=0";
    match options {
        // A launcher that runs this one has set it.
        Some(options) if options.as_bytes().starts_with(WITHOUT.as_bytes()) => options,
        Some(options) if !options.is_empty() => {
            [OsStr::new(WITHOUT), &options].join(OsStr::new(":"))
        }
        _ => WITHOUT.into(),
    }
}

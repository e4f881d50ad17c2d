//! The settings: their values, the one table of them, and its parser.
//!
//! Each setting is an environment variable, and most are options of the command too. The parser
//! does not allocate: the library runs it in a constructor or in a signal handler of the host.
//!
//! A file uses only files above it in this list.

mod words;

pub mod template;

mod parse;

mod error;

mod table;

pub use error::{Reason, SettingError};
pub use table::{Setting, TABLE, Values};

use crate::format::Format;
use crate::inject::Faults;
use cfr_engine::dialect;
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hooks;
use cfr_engine::policy::{Backend, Checks, Policy};
use cfr_sys::errno::{Errno, ErrnoSet};

/// The longest path in bytes, with its zero byte: `PATH_MAX` of limits.h.
pub const PATH_MAX: usize = 4096;

/// The name that /proc shows for the stats that the launcher made, unless memory files are denied.
pub const STATS_NAME: &[u8] = b"/memfd:cfr-stats (deleted)";

/// How much is logged; each level includes the levels before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// No line.
    #[default]
    Off,
    /// Errors of the library itself, lost lines, and differences that `CFR_VERIFY` found.
    Error,
    /// Calls that broke a rule or had a fault injected, and settings that cannot be used.
    Warn,
    /// Every call.
    Info,
    /// Every method that was tried for a call.
    Debug,
    /// Every system call that the library makes for a call.
    Trace,
}

impl Level {
    /// Every level with its name in `CFR_LOG`.
    pub const ALL: [(&'static str, Level); 6] = [
        ("off", Level::Off),
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ];
}

/// Where the library forwards a call to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Forward {
    /// The kernel.
    #[default]
    Syscall,
    /// The next library's function, for stacking with other preloads.
    Next,
}

impl Forward {
    /// Every target with its name in `CFR_FORWARD`.
    pub const ALL: [(&'static str, Forward); 2] =
        [("syscall", Forward::Syscall), ("next", Forward::Next)];
}

/// Where the summary is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SummaryTarget<'a> {
    /// There is no summary.
    #[default]
    No,
    /// Standard error.
    Yes,
    /// The file of this template.
    File(&'a [u8]),
}

/// The value of every setting; [`TABLE`] names their variables. Text is borrowed from the values that
/// were parsed.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    pub log: Level,
    /// `None` for standard error.
    pub log_file: Option<&'a [u8]>,
    pub log_format: Format,
    pub paths: bool,
    /// `CFR_DIALECT`, `CFR_CHECKS`, `CFR_DEFAULT_FLAGS`, `CFR_BACKEND`, `CFR_FALLBACK` and
    /// `CFR_VERIFY`.
    pub policy: Policy,
    pub shared: bool,
    pub inject: Option<Faults<'a>>,
    pub summary: SummaryTarget<'a>,
    pub hooks: Hooks,
    pub forward: Forward,
    pub strict: bool,
    pub stats: Option<&'a [u8]>,
    /// Neither 0 nor `u32::MAX`.
    pub cookie: Option<u32>,
}

impl<'a> Settings<'a> {
    /// Returns the defaults of a library that was loaded by `LD_PRELOAD`, or of one that was linked.
    #[must_use]
    pub fn new(preloaded: bool) -> Self {
        Settings {
            log: if preloaded { Level::Info } else { Level::Off },
            log_file: None,
            log_format: Format::Text,
            paths: true,
            policy: Policy {
                dialect: dialect::DEFAULT,
                checks: Checks::Enforce,
                default_flags: Flags::default(),
                backend: Backend::Auto,
                fallback: ErrnoSet::NONE.with(Errno::ENOSYS),
                verify: false,
            },
            shared: false,
            inject: None,
            summary: SummaryTarget::No,
            hooks: if preloaded { Hooks::ALL } else { Hooks::LINKED },
            forward: Forward::Syscall,
            strict: false,
            stats: None,
            cookie: None,
        }
    }

    /// Resets a setting that contradicts another one, after all were set: default flags that the
    /// dialect does not have, with which every call would fail, and faults of which one is only for
    /// hooks that are not watched.
    ///
    /// # Errors
    ///
    /// Names the setting that was reset. Another one may follow: call again until there is no error.
    pub fn reset_contradiction(&mut self) -> Result<(), SettingError<'a>> {
        let Policy { dialect, default_flags, .. } = self.policy;
        if !default_flags.mode().is_some_and(|mode| dialect.supports(mode)) {
            self.policy.default_flags = Flags::default();
            let name = default_flags.names().next().unwrap_or_default();
            return error::of("CFR_DEFAULT_FLAGS", name.as_bytes(), Reason::NotInDialect(dialect));
        }
        if let Some(error) = self.inject.as_ref().and_then(|faults| faults.unreachable(self.hooks))
        {
            self.inject = None;
            return error::of("CFR_INJECT", error.word, Reason::from(error));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn reset(values: &[(&str, &'static str)]) -> std::string::String {
        let mut settings = Settings::new(true);
        for (variable, value) in values {
            let setting = Setting::by_variable(variable.as_bytes()).unwrap();
            setting.set(&mut settings, value.as_bytes()).unwrap();
        }
        let error = settings.reset_contradiction().map_err(|error| format!("{error}"));
        assert!(settings.reset_contradiction().is_ok());
        error.err().unwrap_or_default()
    }

    #[test]
    fn settings_that_contradict_each_other_are_reset() {
        assert_eq!(reset(&[]), "");
        assert_eq!(
            reset(&[("CFR_DIALECT", "freebsd-15"), ("CFR_DEFAULT_FLAGS", "COPY_FR_REFLINK")]),
            "invalid value 'COPY_FR_REFLINK' for CFR_DEFAULT_FLAGS: the dialect freebsd-15 does not \
             have this flag; expected 0 or COPY_FILE_RANGE_CLONE"
        );
        assert_eq!(
            reset(&[("CFR_HOOKS", "syscall"), ("CFR_INJECT", "zero;error=EIO:hook=ioctl")]),
            "invalid value 'error=EIO:hook=ioctl' for CFR_INJECT (fault 2, column 1): none of its \
             hooks is watched (CFR_HOOKS)"
        );
    }
}

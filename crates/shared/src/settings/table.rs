//! The table of settings. A row is all that the library needs to know of a setting, beside the
//! field of [`Settings`] that its value is stored in.

use super::words::{self, FLAGS, SWITCH, choose, words};
use super::{Forward, Level, Reason, SettingError, Settings, parse};
use crate::format::Format;
use crate::inject;
use cfr_engine::dialect::Dialect;
use cfr_engine::hook::Hooks;
use cfr_engine::policy::{Backend, Checks};
use core::fmt;

/// A row of the table.
#[derive(Debug)]
pub struct Setting {
    pub variable: &'static str,
    /// The command's long option without its dashes; `None` if only the launcher sets the variable.
    pub option: Option<&'static str>,
    /// The legal values.
    pub values: Values,
    /// The default, in words.
    pub default: &'static str,
    /// Copies the value from other settings.
    copy: for<'a> fn(&mut Settings<'a>, &Settings<'a>),
    /// Parses a value and stores it.
    parse: for<'a> fn(&mut Settings<'a>, &'a [u8]) -> Stored<'a>,
}

/// An error has the wrong part of the value.
type Stored<'a> = Result<(), (&'a [u8], Reason)>;

/// Every setting, in the order of the documentation.
pub static TABLE: [Setting; 18] = [
    Setting {
        variable: "CFR_LOG",
        option: Some("log"),
        values: Values::OneOf(&words(&Level::ALL)),
        default: "info when loaded by LD_PRELOAD, else off",
        parse: |settings, value| store(&mut settings.log, value, choose(&Level::ALL, value)),
        copy: |to, from| to.log = from.log,
    },
    Setting {
        variable: "CFR_LOG_FILE",
        option: Some("output"),
        values: Values::Template,
        default: "standard error",
        parse: |settings, value| {
            store_parsed(&mut settings.log_file, value, parse::path_template(value).map(Some))
        },
        copy: |to, from| to.log_file = from.log_file,
    },
    Setting {
        variable: "CFR_LOG_FORMAT",
        option: Some("format"),
        values: Values::OneOf(&words(&Format::ALL)),
        default: "text",
        parse: |settings, value| {
            store(&mut settings.log_format, value, choose(&Format::ALL, value))
        },
        copy: |to, from| to.log_format = from.log_format,
    },
    Setting {
        variable: "CFR_PATHS",
        option: Some("paths"),
        values: Values::OneOf(&words(&SWITCH)),
        default: "yes",
        parse: |settings, value| store(&mut settings.paths, value, choose(&SWITCH, value)),
        copy: |to, from| to.paths = from.paths,
    },
    Setting {
        variable: "CFR_DIALECT",
        option: Some("dialect"),
        values: Values::OneOf(&words::DIALECTS),
        default: "extended",
        parse: |settings, value| {
            store(&mut settings.policy.dialect, value, Dialect::by_name(value))
        },
        copy: |to, from| to.policy.dialect = from.policy.dialect,
    },
    Setting {
        variable: "CFR_CHECKS",
        option: Some("checks"),
        values: Values::OneOf(&words(&Checks::ALL)),
        default: "enforce",
        parse: |settings, value| {
            store(&mut settings.policy.checks, value, choose(&Checks::ALL, value))
        },
        copy: |to, from| to.policy.checks = from.policy.checks,
    },
    Setting {
        variable: "CFR_DEFAULT_FLAGS",
        option: Some("default-flags"),
        values: Values::OneOf(&words(&FLAGS)),
        default: "0",
        parse: |settings, value| {
            store(&mut settings.policy.default_flags, value, choose(&FLAGS, value))
        },
        copy: |to, from| to.policy.default_flags = from.policy.default_flags,
    },
    Setting {
        variable: "CFR_BACKEND",
        option: Some("backend"),
        values: Values::OneOf(&words(&Backend::ALL)),
        default: "auto",
        parse: |settings, value| {
            store(&mut settings.policy.backend, value, choose(&Backend::ALL, value))
        },
        copy: |to, from| to.policy.backend = from.policy.backend,
    },
    Setting {
        variable: "CFR_FALLBACK",
        option: Some("fallback"),
        values: Values::Errors,
        default: "ENOSYS, also if a filter answers EPERM in its place",
        parse: |settings, value| {
            store(&mut settings.policy.fallback, value, parse::fallback(value))
        },
        copy: |to, from| to.policy.fallback = from.policy.fallback,
    },
    Setting {
        variable: "CFR_VERIFY",
        option: Some("verify"),
        values: Values::OneOf(&words(&SWITCH)),
        default: "no",
        parse: |settings, value| store(&mut settings.policy.verify, value, choose(&SWITCH, value)),
        copy: |to, from| to.policy.verify = from.policy.verify,
    },
    Setting {
        variable: "CFR_SHARED",
        option: Some("shared"),
        values: Values::OneOf(&words(&SWITCH)),
        default: "no",
        parse: |settings, value| store(&mut settings.shared, value, choose(&SWITCH, value)),
        copy: |to, from| to.shared = from.shared,
    },
    Setting {
        variable: "CFR_INJECT",
        option: Some("inject"),
        values: Values::Faults,
        default: "none",
        parse: |settings, value| parse::faults(&mut settings.inject, value),
        copy: |to, from| to.inject = from.inject,
    },
    Setting {
        variable: "CFR_SUMMARY",
        option: Some("summary"),
        values: Values::SwitchOrTemplate,
        default: "no",
        parse: |settings, value| store_parsed(&mut settings.summary, value, parse::summary(value)),
        copy: |to, from| to.summary = from.summary,
    },
    Setting {
        variable: "CFR_HOOKS",
        option: Some("hooks"),
        values: Values::SomeOf(&words::HOOKS),
        default: "all when loaded by LD_PRELOAD, else copy_file_range",
        parse: |settings, value| store(&mut settings.hooks, value, Hooks::by_names(value)),
        copy: |to, from| to.hooks = from.hooks,
    },
    Setting {
        variable: "CFR_FORWARD",
        option: Some("forward"),
        values: Values::OneOf(&words(&Forward::ALL)),
        default: "syscall",
        parse: |settings, value| store(&mut settings.forward, value, choose(&Forward::ALL, value)),
        copy: |to, from| to.forward = from.forward,
    },
    Setting {
        variable: "CFR_STRICT",
        option: None,
        values: Values::OneOf(&words(&SWITCH)),
        default: "no; the launcher sets yes",
        parse: |settings, value| store(&mut settings.strict, value, choose(&SWITCH, value)),
        copy: |to, from| to.strict = from.strict,
    },
    Setting {
        variable: "CFR_STATS",
        option: None,
        values: Values::Path,
        default: "none; the launcher sets it",
        parse: |settings, value| {
            store_parsed(&mut settings.stats, value, parse::path(value).map(Some))
        },
        copy: |to, from| to.stats = from.stats,
    },
    Setting {
        variable: "CFR_COOKIE",
        option: None,
        values: Values::Cookie,
        default: "none; the launcher sets it",
        parse: |settings, value| store(&mut settings.cookie, value, parse::cookie(value).map(Some)),
        copy: |to, from| to.cookie = from.cookie,
    },
];

fn store<'a, T>(target: &mut T, value: &'a [u8], chosen: Option<T>) -> Stored<'a> {
    store_parsed(target, value, chosen.ok_or(Reason::Unexpected))
}

fn store_parsed<'a, T>(target: &mut T, value: &'a [u8], parsed: Result<T, Reason>) -> Stored<'a> {
    *target = parsed.map_err(|reason| (value, reason))?;
    Ok(())
}

impl Setting {
    /// Returns the setting of an environment variable.
    #[must_use]
    pub fn by_variable(variable: &[u8]) -> Option<&'static Setting> {
        TABLE.iter().find(|setting| setting.variable.as_bytes() == variable)
    }

    /// Returns the setting of a variable by its name in C: `log_file` for `CFR_LOG_FILE`. `None` also if
    /// only the launcher sets it.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<&'static Setting> {
        TABLE.iter().find(|setting| setting.option.is_some() && setting.has_name(name))
    }

    fn has_name(&self, name: &[u8]) -> bool {
        let variable = self.variable.strip_prefix("CFR_").unwrap_or_default().bytes();
        variable.map(|byte| byte.to_ascii_lowercase()).eq(name.iter().copied())
    }

    /// Returns its row in the table.
    #[must_use]
    pub fn row(&self) -> usize {
        TABLE.iter().take_while(|setting| setting.variable != self.variable).count()
    }

    /// Copies the value from other settings.
    pub fn copy<'a>(&self, to: &mut Settings<'a>, from: &Settings<'a>) {
        (self.copy)(to, from);
    }

    /// Sets the value in `settings`. An empty value keeps the default.
    ///
    /// ```
    /// use cfr_shared::settings::{Setting, Settings};
    ///
    /// let mut settings = Settings::new(true);
    /// let dialect = Setting::by_variable(b"CFR_DIALECT").unwrap();
    /// dialect.set(&mut settings, b"freebsd").unwrap();
    /// assert_eq!(settings.policy.dialect.name, "freebsd-14");
    /// let error = dialect.set(&mut settings, b"minix").unwrap_err().to_string();
    /// assert!(error.starts_with("invalid value 'minix' for CFR_DIALECT: expected "), "{error}");
    /// ```
    ///
    /// # Errors
    ///
    /// The value cannot be used; `settings` is unchanged.
    pub fn set<'a>(
        &'static self,
        settings: &mut Settings<'a>,
        value: &'a [u8],
    ) -> Result<(), SettingError<'a>> {
        if value.is_empty() {
            return Ok(());
        }
        (self.parse)(settings, value).map_err(|(part, reason)| self.error(part, reason))
    }

    /// Returns the error of a value of this setting.
    #[must_use]
    pub fn error<'a>(&'static self, value: &'a [u8], reason: Reason) -> SettingError<'a> {
        SettingError { setting: self, name: self.variable, value, reason }
    }
}

/// The legal values of a setting, shown so that they can follow "expected".
#[derive(Debug)]
pub enum Values {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One or more of these words, separated by commas.
    SomeOf(&'static [&'static str]),
    /// Errno names separated by commas, or `none`.
    Errors,
    /// Faults separated by semicolons.
    Faults,
    /// A path with placeholders.
    Template,
    /// `yes`, `no`, or a path with placeholders.
    SwitchOrTemplate,
    Path,
    /// A number of 32 bits, not all of them equal.
    Cookie,
}

impl Values {
    /// Returns the words; empty if there is no list of them.
    #[must_use]
    pub fn words(&self) -> &'static [&'static str] {
        match *self {
            Values::OneOf(words) | Values::SomeOf(words) => words,
            _ => &[],
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Values::OneOf(_) => "",
            Values::SomeOf(_) => "a list, separated by commas, of ",
            Values::Errors => "none, or errno names separated by commas: ENOSYS, EXDEV, ...",
            Values::Faults => inject::EXPECTED,
            Values::Template => {
                "a path; %p is the process ID, %e the program's name, %% a percent sign"
            }
            Values::SwitchOrTemplate => {
                "yes, no or a path; %p is the process ID, %e the program's name, %% a percent sign"
            }
            Values::Path => "a path",
            Values::Cookie => "a number from 1 to 4294967294, decimal or hexadecimal (0x...)",
        })?;
        let words = self.words();
        words.iter().enumerate().try_for_each(|(index, word)| {
            f.write_str(match index {
                0 => "",
                index if index + 1 == words.len() => " or ",
                _ => ", ",
            })?;
            f.write_str(word)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SummaryTarget;
    use cfr_engine::hook::Hook;
    use cfr_sys::errno::{Errno, ErrnoSet};
    use std::string::{String, ToString};

    fn set<'a>(variable: &str, value: &'a str) -> Result<Settings<'a>, String> {
        let mut settings = Settings::new(true);
        let setting = Setting::by_variable(variable.as_bytes()).unwrap();
        setting
            .set(&mut settings, value.as_bytes())
            .map(|()| settings)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_legal_word_is_taken_and_no_other() {
        for setting in &TABLE {
            let words = setting.values.words();
            for word in words {
                assert!(set(setting.variable, word).is_ok(), "{} {word}", setting.variable);
            }
            if let Some(first) = words.first() {
                for word in ["loud", "YES", " yes", "1"] {
                    let message = set(setting.variable, word).unwrap_err();
                    assert!(message.contains(word) && message.contains(first), "{message}");
                }
            }
        }
    }

    #[test]
    fn the_words_of_a_setting_are_listed() {
        let words = |variable: &str| {
            let setting = Setting::by_variable(variable.as_bytes()).unwrap();
            setting.values.words()
        };
        assert_eq!(words("CFR_CHECKS"), ["enforce", "warn", "off"]);
        assert_eq!(words("CFR_PATHS"), ["yes", "no"]);
        assert_eq!(
            words("CFR_DEFAULT_FLAGS"),
            [
                "0",
                "COPY_FR_COPY",
                "COPY_FR_REFLINK",
                "COPY_FR_DEDUP",
                "COPY_FILE_RANGE_CLONE",
                "COPY_FR_DEDUPE"
            ]
        );
        assert_eq!(
            words("CFR_DIALECT"),
            [
                "extended", "proposal-2015", "linux-4.15", "linux-5.3", "linux-5.19", "linux",
                "freebsd-14", "freebsd", "freebsd-15", "glibc-2.27",
            ]
        );
        assert!(words("CFR_STATS").is_empty());
    }

    #[test]
    fn messages_name_the_value_the_setting_and_what_is_expected() {
        for (variable, value, message) in [
            (
                "CFR_LOG_FORMAT",
                "jsn",
                "invalid value 'jsn' for CFR_LOG_FORMAT: expected text or json",
            ),
            (
                "CFR_BACKEND",
                "\u{1b}",
                "invalid value '\\33' for CFR_BACKEND: expected auto, kernel or emulate",
            ),
            (
                "CFR_HOOKS",
                "ioctl,",
                "invalid value 'ioctl,' for CFR_HOOKS: expected a list, separated by commas, of \
                 copy_file_range, syscall, ioctl, sendfile, sendfile64 or seccomp",
            ),
            (
                "CFR_FALLBACK",
                "18",
                "invalid value '18' for CFR_FALLBACK: expected none, or errno names separated by \
                 commas: ENOSYS, EXDEV, ...",
            ),
            (
                "CFR_INJECT",
                "zero;eror=EIO",
                "invalid value 'eror=EIO' for CFR_INJECT (fault 2, column 1): unknown key 'eror'; \
                 expected error=ERRNO, ",
            ),
        ] {
            let shown = set(variable, value).unwrap_err();
            assert!(shown.starts_with(message), "{shown}");
        }
        let setting = Setting::by_variable(b"CFR_PATHS").unwrap();
        let error = setting.error(b"", Reason::Unexpected);
        let error = SettingError { name: "--paths", ..error };
        assert_eq!(error.to_string(), "invalid value '' for --paths: expected yes or no");
    }

    #[test]
    fn an_empty_value_keeps_the_default() {
        assert_eq!(set("CFR_LOG", "").unwrap().log, Level::Info);
        assert_eq!(Settings::new(false).log, Level::Off);
    }

    #[test]
    fn fallback_is_a_list_of_errors() {
        let set_to = |value| set("CFR_FALLBACK", value).unwrap().policy.fallback;
        assert_eq!(set_to(""), ErrnoSet::NONE.with(Errno::ENOSYS));
        assert_eq!(set_to("none"), ErrnoSet::NONE);
        assert_eq!(set_to("EXDEV,EIO"), ErrnoSet::NONE.with(Errno::EXDEV).with(Errno::EIO));
        for value in ["EXDEV,", "EXDEV EIO", "exdev", "18", "ENOSYS,none", "NONE"] {
            assert!(set("CFR_FALLBACK", value).unwrap_err().contains("errno names"), "{value}");
        }
    }

    #[test]
    fn hooks_are_a_set() {
        const NAMES: &str = "seccomp,sendfile64,syscall,sendfile,copy_file_range,ioctl";
        let all = set("CFR_HOOKS", NAMES).unwrap();
        assert_eq!(all.hooks, Hooks::ALL);
        let one = set("CFR_HOOKS", "syscall").unwrap().hooks;
        assert!(one.contains(Hook::Syscall) && !one.contains(Hook::CopyFileRange));
        assert!(set("CFR_HOOKS", "syscall,").is_err());
    }

    #[test]
    fn a_summary_goes_to_standard_error_or_a_file() {
        let set_to = |value| set("CFR_SUMMARY", value).unwrap().summary;
        assert_eq!(set_to("yes"), SummaryTarget::Yes);
        assert_eq!(set_to("no"), SummaryTarget::No);
        assert_eq!(set_to("/s.%p"), SummaryTarget::File(b"/s.%p"));
        assert_eq!(set_to("./YES"), SummaryTarget::File(b"./YES"));
        for value in ["YES", "Yes", "No", "%z"] {
            assert!(set("CFR_SUMMARY", value).unwrap_err().contains("yes, no or a path"));
        }
        assert!(set("CFR_LOG_FILE", "a%q").unwrap_err().contains("a path; %p is"));
    }
}

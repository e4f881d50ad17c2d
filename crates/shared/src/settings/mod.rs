//! The one table of settings, and its parser.
//!
//! Every setting is an environment variable and a launcher option. The table feeds the parser,
//! `cfr --help`, the manual pages, the README and their tests. The parser allocates nothing: it
//! runs in a stranger's constructor, maybe in a signal handler.

use crate::format::{Format, printable};
use crate::inject::{self, Faults, ParseError, ParseErrorKind};
use cfr_engine::dialect::{self, Dialect};
use cfr_engine::execution::{Backend, Checks, Policy};
use cfr_engine::flags::{COPY_FR_DEDUPE, Flags};
use cfr_engine::hook::Hooks;
use cfr_sys::errno::{Errno, ErrnoSet};
use core::fmt;

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// Nothing.
    #[default]
    Off,
    /// Trouble of the library's own, lost lines among it.
    Error,
    /// A call that broke a rule; a setting that cannot be used.
    Warn,
    /// Every call.
    Info,
    /// How each call was answered, and what declined before that.
    Debug,
    /// Every system call made on a call's behalf.
    Trace,
}

impl Level {
    /// Every level, by its name in `CFR_LOG`.
    pub const ALL: [(&'static str, Level); 6] = [
        ("off", Level::Off),
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ];
}

/// Where a call goes on to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Forward {
    /// Straight to the kernel.
    #[default]
    Syscall,
    /// To the next library's copy_file_range, for stacking with other preloads.
    Next,
}

const FORWARDS: [(&str, Forward); 2] = [("syscall", Forward::Syscall), ("next", Forward::Next)];
const SWITCH: [(&str, bool); 2] = [("yes", true), ("no", false)];

/// Where the summary goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Summary<'a> {
    /// Nowhere.
    #[default]
    No,
    /// To standard error.
    Yes,
    /// To this file.
    File(&'a [u8]),
}

/// The longest path in bytes, with its zero byte: PATH_MAX of limits.h.
pub const PATH_MAX: usize = 4096;

/// What /proc calls the launcher's witness, a memory file.
pub const STATS_NAME: &[u8] = b"/memfd:cfr-stats (deleted)";

/// What `CFR_LOG_FILE` may hold besides literal text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placeholder {
    /// `%p`: the process that writes.
    Pid,
    /// `%e`: the program's name.
    Program,
    /// `%%`: a percent sign.
    Percent,
}

/// Splits a `CFR_LOG_FILE` template into literal parts and placeholders; an error is the byte
/// behind a `%` that means nothing.
pub fn template(bytes: &[u8]) -> impl Iterator<Item = Result<Part<'_>, u8>> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        if first != b'%' {
            let end = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            let (literal, tail) = rest.split_at(end);
            rest = tail;
            return Some(Ok(Part::Literal(literal)));
        }
        let (letter, tail) =
            tail.split_first().map_or((b' ', tail), |(&letter, tail)| (letter, tail));
        rest = tail;
        Some(match letter {
            b'p' => Ok(Part::Placeholder(Placeholder::Pid)),
            b'e' => Ok(Part::Placeholder(Placeholder::Program)),
            b'%' => Ok(Part::Placeholder(Placeholder::Percent)),
            other => Err(other),
        })
    })
}

/// One part of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    /// To be taken as it is.
    Literal(&'a [u8]),
    /// To be replaced.
    Placeholder(Placeholder),
}

/// Every setting's value. Paths stand where they were found: in the environment, or where they
/// were copied to.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// `CFR_LOG`
    pub log: Level,
    /// `CFR_LOG_FILE`; `None` for standard error.
    pub log_file: Option<&'a [u8]>,
    /// `CFR_LOG_FORMAT`
    pub log_format: Format,
    /// `CFR_PATHS`
    pub paths: bool,
    /// `CFR_DIALECT`, `CFR_CHECKS`, `CFR_DEFAULT_FLAGS`, `CFR_BACKEND`, `CFR_FALLBACK` and
    /// `CFR_VERIFY`
    pub policy: Policy,
    /// `CFR_SHARED`
    pub shared: bool,
    /// `CFR_INJECT`: faults that can be read.
    pub inject: Option<&'a [u8]>,
    /// `CFR_SUMMARY`
    pub summary: Summary<'a>,
    /// `CFR_HOOKS`
    pub hooks: Hooks,
    /// `CFR_FORWARD`
    pub forward: Forward,
    /// `CFR_STRICT`
    pub strict: bool,
    /// `CFR_STATS`
    pub witness: Option<&'a [u8]>,
}

impl<'a> Settings<'a> {
    /// The defaults, which depend on how the library came into the process.
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
            summary: Summary::No,
            hooks: if preloaded { Hooks::ALL } else { Hooks::LINKED },
            forward: Forward::Syscall,
            strict: false,
            witness: None,
        }
    }

    /// Gives `setting` the value that `value` spells; an empty value leaves the default.
    ///
    /// # Errors
    ///
    /// The value cannot be used; nothing has changed.
    pub fn set(&mut self, setting: &'static Setting, value: &'a [u8]) -> Result<(), Unusable<'a>> {
        if value.is_empty() {
            return Ok(());
        }
        let done = match setting.name {
            Name::Log => choose(&Level::ALL, value).map(|level| self.log = level),
            Name::LogFile => log_file(value).map(|path| self.log_file = Some(path)),
            Name::LogFormat => choose(&Format::ALL, value).map(|format| self.log_format = format),
            Name::Paths => choose(&SWITCH, value).map(|yes| self.paths = yes),
            Name::Dialect => Dialect::by_name(value).map(|dialect| self.policy.dialect = dialect),
            Name::Checks => choose(&Checks::ALL, value).map(|checks| self.policy.checks = checks),
            Name::DefaultFlags => flags(value).map(|flags| self.policy.default_flags = flags),
            Name::Backend => {
                choose(&Backend::ALL, value).map(|backend| self.policy.backend = backend)
            }
            Name::Fallback => fallback(value).map(|set| self.policy.fallback = set),
            Name::Verify => choose(&SWITCH, value).map(|yes| self.policy.verify = yes),
            Name::Shared => choose(&SWITCH, value).map(|yes| self.shared = yes),
            Name::Inject => {
                self.inject = Some(faults(value).map_err(|misspelt| {
                    let ParseError { fault, column, word, reason } = misspelt;
                    Unusable { setting, value: word, why: Why::Fault { fault, column, reason } }
                })?);
                return Ok(());
            }
            Name::Summary => summary(value).map(|summary| self.summary = summary),
            Name::Hooks => Hooks::by_names(value).map(|hooks| self.hooks = hooks),
            Name::Forward => choose(&FORWARDS, value).map(|forward| self.forward = forward),
            Name::Strict => choose(&SWITCH, value).map(|yes| self.strict = yes),
            Name::Witness => path(value).map(|path| self.witness = Some(path)),
        };
        done.ok_or(Unusable { setting, value, why: Why::NotLegal })
    }

    /// Takes back what does not go with the other settings, now that all are set: default flags that the
    /// dialect does not know, with which every call would fail, and faults at hooks that are not watched.
    ///
    /// # Errors
    ///
    /// One was taken back; there may be more.
    pub fn settle(&mut self) -> Result<(), Unusable<'a>> {
        let Policy { dialect, default_flags, .. } = self.policy;
        if !default_flags.mode().is_some_and(|mode| dialect.supports(mode)) {
            self.policy.default_flags = Flags::default();
            let value = default_flags.names().next().unwrap_or_default().as_bytes();
            return refused(Name::DefaultFlags, value, Why::NotInDialect(dialect));
        }
        let far = self.inject.and_then(|text| inject::out_of_reach(text, self.hooks));
        if let Some(ParseError { fault, column, word, reason }) = far {
            self.inject = None;
            return refused(Name::Inject, word, Why::Fault { fault, column, reason });
        }
        Ok(())
    }
}

fn refused<'a>(name: Name, value: &'a [u8], why: Why) -> Result<(), Unusable<'a>> {
    let setting = TABLE.iter().find(|setting| setting.name == name);
    setting.map_or(Ok(()), |setting| Err(Unusable { setting, value, why }))
}

fn choose<T: Copy>(words: &[(&str, T)], value: &[u8]) -> Option<T> {
    words.iter().find(|(word, _)| word.as_bytes() == value).map(|&(_, meaning)| meaning)
}

fn path(value: &[u8]) -> Option<&[u8]> {
    (value.len() < PATH_MAX && !value.contains(&0)).then_some(value)
}

fn log_file(value: &[u8]) -> Option<&[u8]> {
    template(value).all(|part| part.is_ok()).then(|| path(value))?
}

/// yes, no, or a path.
fn summary(value: &[u8]) -> Option<Summary<'_>> {
    match choose(&SWITCH, value) {
        Some(true) => Some(Summary::Yes),
        Some(false) => Some(Summary::No),
        None => log_file(value).map(Summary::File),
    }
}

/// 0, or one flag by its name.
fn flags(value: &[u8]) -> Option<Flags> {
    match value {
        b"0" => Some(Flags::default()),
        b"COPY_FR_DEDUPE" => Some(Flags(COPY_FR_DEDUPE)),
        name => {
            let mut named = Flags::NAMED.into_iter();
            named.find(|(_, word)| word.as_bytes() == name).map(|(flag, _)| Flags(flag))
        }
    }
}

/// Names of errors, or `none`.
fn fallback(value: &[u8]) -> Option<ErrnoSet> {
    if value == b"none" {
        return Some(ErrnoSet::NONE);
    }
    let mut names = value.split(|&byte| byte == b',');
    names.try_fold(ErrnoSet::NONE, |set, name| Some(set.with(Errno::by_name(name)?)))
}

/// Faults that can all be read, in no longer a text than a path may be.
fn faults(text: &[u8]) -> Result<&[u8], ParseError<'_>> {
    Faults::parse(text)?;
    match path(text) {
        Some(text) => Ok(text),
        None => {
            let word = text.get(..32).unwrap_or(text);
            Err(ParseError { fault: 1, column: 1, word, reason: ParseErrorKind::TooLong })
        }
    }
}

/// The settings by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// `CFR_LOG`
    Log,
    /// `CFR_LOG_FILE`
    LogFile,
    /// `CFR_LOG_FORMAT`
    LogFormat,
    /// `CFR_PATHS`
    Paths,
    /// `CFR_DIALECT`
    Dialect,
    /// `CFR_CHECKS`
    Checks,
    /// `CFR_DEFAULT_FLAGS`
    DefaultFlags,
    /// `CFR_BACKEND`
    Backend,
    /// `CFR_FALLBACK`
    Fallback,
    /// `CFR_VERIFY`
    Verify,
    /// `CFR_SHARED`
    Shared,
    /// `CFR_INJECT`
    Inject,
    /// `CFR_SUMMARY`
    Summary,
    /// `CFR_HOOKS`
    Hooks,
    /// `CFR_FORWARD`
    Forward,
    /// `CFR_STRICT`
    Strict,
    /// `CFR_STATS`
    Witness,
}

/// One row of the table.
#[derive(Debug)]
pub struct Setting {
    /// Which one.
    pub name: Name,
    /// The environment variable.
    pub variable: &'static str,
    /// The launcher's long option without its dashes; `None` where only the launcher sets it.
    pub option: Option<&'static str>,
    /// The legal values.
    pub legal: Legal,
    /// The default, in words.
    pub default: &'static str,
}

/// The legal values of a setting.
#[derive(Debug)]
pub enum Legal {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One or more of these words, comma-separated.
    SomeOf(&'static [&'static str]),
    /// Names of errors, comma-separated, or `none`.
    Errors,
    /// Faults, with semicolons between.
    Faults,
    /// A path with placeholders.
    Template,
    /// Yes, no, or a path with placeholders.
    SwitchOrTemplate,
    /// A path.
    Path,
}

impl fmt::Display for Legal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, end) = match self {
            Legal::OneOf(words) => (words, ""),
            Legal::SomeOf(words) => (words, "; several with commas between"),
            Legal::Errors => {
                return f
                    .write_str("none, or names of errors with commas between: ENOSYS, EXDEV, ...");
            }
            Legal::Faults => return f.write_str(inject::LEGAL),
            Legal::Template => {
                return f.write_str("a path; %p pid, %e program name, %% a percent sign");
            }
            Legal::SwitchOrTemplate => {
                return f
                    .write_str("yes, no, or a path; %p pid, %e program name, %% a percent sign");
            }
            Legal::Path => return f.write_str("a path"),
        };
        for (index, word) in words.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{word}")?;
        }
        f.write_str(end)
    }
}

/// Every setting, in the order of the documentation.
pub static TABLE: [Setting; 17] = [
    Setting {
        name: Name::Log,
        variable: "CFR_LOG",
        option: Some("log"),
        legal: Legal::OneOf(&["off", "error", "warn", "info", "debug", "trace"]),
        default: "info when loaded by LD_PRELOAD, else off",
    },
    Setting {
        name: Name::LogFile,
        variable: "CFR_LOG_FILE",
        option: Some("output"),
        legal: Legal::Template,
        default: "standard error",
    },
    Setting {
        name: Name::LogFormat,
        variable: "CFR_LOG_FORMAT",
        option: Some("format"),
        legal: Legal::OneOf(&["text", "json"]),
        default: "text",
    },
    Setting {
        name: Name::Paths,
        variable: "CFR_PATHS",
        option: Some("paths"),
        legal: Legal::OneOf(&["yes", "no"]),
        default: "yes",
    },
    Setting {
        name: Name::Dialect,
        variable: "CFR_DIALECT",
        option: Some("dialect"),
        legal: Legal::OneOf(&[
            "extended", "proposal-2015", "linux-4.15", "linux-5.3", "linux-5.19", "linux",
            "freebsd-14", "freebsd", "freebsd-15", "glibc-2.27",
        ]),
        default: "extended",
    },
    Setting {
        name: Name::Checks,
        variable: "CFR_CHECKS",
        option: Some("checks"),
        legal: Legal::OneOf(&["enforce", "warn", "off"]),
        default: "enforce",
    },
    Setting {
        name: Name::DefaultFlags,
        variable: "CFR_DEFAULT_FLAGS",
        option: Some("default-flags"),
        legal: Legal::OneOf(&[
            "0",
            "COPY_FR_COPY",
            "COPY_FR_REFLINK",
            "COPY_FR_DEDUP",
            "COPY_FILE_RANGE_CLONE",
            "COPY_FR_DEDUPE",
        ]),
        default: "0",
    },
    Setting {
        name: Name::Backend,
        variable: "CFR_BACKEND",
        option: Some("backend"),
        legal: Legal::OneOf(&["auto", "kernel", "emulate"]),
        default: "auto",
    },
    Setting {
        name: Name::Fallback,
        variable: "CFR_FALLBACK",
        option: Some("fallback"),
        legal: Legal::Errors,
        default: "ENOSYS, also where a filter says EPERM instead",
    },
    Setting {
        name: Name::Verify,
        variable: "CFR_VERIFY",
        option: Some("verify"),
        legal: Legal::OneOf(&["yes", "no"]),
        default: "no",
    },
    Setting {
        name: Name::Shared,
        variable: "CFR_SHARED",
        option: Some("shared"),
        legal: Legal::OneOf(&["yes", "no"]),
        default: "no",
    },
    Setting {
        name: Name::Inject,
        variable: "CFR_INJECT",
        option: Some("inject"),
        legal: Legal::Faults,
        default: "none",
    },
    Setting {
        name: Name::Summary,
        variable: "CFR_SUMMARY",
        option: Some("summary"),
        legal: Legal::SwitchOrTemplate,
        default: "no",
    },
    Setting {
        name: Name::Hooks,
        variable: "CFR_HOOKS",
        option: Some("hooks"),
        legal: Legal::SomeOf(&["copy_file_range", "syscall", "ioctl", "sendfile", "sendfile64"]),
        default: "all when loaded by LD_PRELOAD, else copy_file_range",
    },
    Setting {
        name: Name::Forward,
        variable: "CFR_FORWARD",
        option: Some("forward"),
        legal: Legal::OneOf(&["syscall", "next"]),
        default: "syscall",
    },
    Setting {
        name: Name::Strict,
        variable: "CFR_STRICT",
        option: None,
        legal: Legal::OneOf(&["yes", "no"]),
        default: "no; the launcher sets yes",
    },
    Setting {
        name: Name::Witness,
        variable: "CFR_STATS",
        option: None,
        legal: Legal::Path,
        default: "none; the launcher sets it",
    },
];

impl Setting {
    /// The launcher's short option.
    #[must_use]
    pub fn short(&self) -> Option<char> {
        match self.name {
            Name::LogFile => Some('o'),
            Name::Summary => Some('c'),
            _ => None,
        }
    }

    /// What it does, in one line. Not a column of the table: the library, which has no use for it, would
    /// bring it into every process.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self.name {
            Name::Log => {
                "How much to log: info is every call, debug how each was answered, trace the system calls behind it"
            }
            Name::LogFile => "Append the log to this file",
            Name::LogFormat => "Log as strace does, or one JSON object a line",
            Name::Paths => "Show the path behind each descriptor",
            Name::Dialect => "Whose rules hold, and whose flags: see cfr dialects",
            Name::Checks => {
                "What becomes of a call that breaks a rule: answered so, logged and let through, or not looked at"
            }
            Name::DefaultFlags => {
                "The flag of calls that have none, e.g. COPY_FR_REFLINK: share or fail"
            }
            Name::Backend => {
                "Who copies: the kernel and after CFR_FALLBACK the library, only the kernel, only the library"
            }
            Name::Fallback => "Errors of the kernel's after which the library copies",
            Name::Verify => {
                "Read both ranges back after each copy and compare; a difference is EIO"
            }
            Name::Shared => {
                "Ask the filesystem after each copy whether the target's range shares its blocks"
            }
            Name::Inject => {
                "Have calls fail, come short, wait or be interrupted, truthfully; may be repeated"
            }
            Name::Summary => "Count the calls, and write a table of them at the end",
            Name::Hooks => "Which functions of the C library to watch",
            Name::Forward => "Pass calls straight to the kernel, or to the next preloaded library",
            Name::Strict => {
                "End the process with status 125 before main where a setting cannot be used"
            }
            Name::Witness => "Count processes and calls in this file, for the launcher's last line",
        }
    }

    /// The setting of that environment variable.
    #[must_use]
    pub fn by_variable(variable: &[u8]) -> Option<&'static Setting> {
        TABLE.iter().find(|setting| setting.variable.as_bytes() == variable)
    }
}

/// A value that cannot be used. Shown as a sentence without its subject: the variable's or the
/// option's name goes before it.
#[derive(Clone, Copy, Debug)]
pub struct Unusable<'a> {
    /// Whose value.
    pub setting: &'static Setting,
    /// The value.
    pub value: &'a [u8],
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// It is none of the legal ones.
    NotLegal,
    /// The dialect does not know this flag, although others do.
    NotInDialect(&'static Dialect),
    /// A word of a fault: the value is that word.
    Fault {
        /// The fault's number, from 1.
        fault: usize,
        /// The column within it at which the word begins, from 1.
        column: usize,
        /// What is wrong with it.
        reason: ParseErrorKind,
    },
}

impl fmt::Display for Unusable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = printable(self.value);
        let dialect = match self.why {
            Why::NotLegal => {
                return write!(f, "'{value}' is not usable; legal: {}", self.setting.legal);
            }
            Why::Fault { fault, column, reason } => {
                return ParseError { fault, column, word: self.value, reason }.fmt(f);
            }
            Why::NotInDialect(dialect) => dialect,
        };
        write!(f, "'{value}' is no flag of the dialect {}; legal there: 0", dialect.name)?;
        let names = dialect.modes.iter().filter_map(|mode| mode.name());
        names.into_iter().try_for_each(|name| write!(f, ", {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    fn set<'a>(variable: &str, value: &'a str) -> Result<Settings<'a>, std::string::String> {
        let mut settings = Settings::new(true);
        let setting = Setting::by_variable(variable.as_bytes()).unwrap();
        settings
            .set(setting, value.as_bytes())
            .map(|()| settings)
            .map_err(|unusable| unusable.to_string())
    }

    #[test]
    fn every_legal_word_is_taken_and_no_other() {
        for setting in &TABLE {
            if let Legal::OneOf(words) | Legal::SomeOf(words) = setting.legal {
                for word in words {
                    assert!(set(setting.variable, word).is_ok(), "{} {word}", setting.variable);
                }
                for word in ["loud", "YES", " yes", "1"] {
                    let said = set(setting.variable, word).unwrap_err();
                    assert!(said.contains(word) && said.contains(words[0]), "{said}");
                }
            }
        }
    }

    #[test]
    fn words_of_the_table_and_the_parser_are_the_same() {
        let words = |name| match TABLE.iter().find(|setting| setting.name == name).unwrap().legal {
            Legal::OneOf(words) | Legal::SomeOf(words) => words,
            _ => &[],
        };
        assert_eq!(words(Name::Log), Level::ALL.map(|(word, _)| word));
        assert_eq!(words(Name::LogFormat), Format::ALL.map(|(word, _)| word));
        let dialects = dialect::ALL.iter().flat_map(|row| [Some(row.name), row.alias]).flatten();
        assert_eq!(words(Name::Dialect), dialects.collect::<Vec<_>>());
        assert_eq!(words(Name::Checks), Checks::ALL.map(|(word, _)| word));
        let flags = Flags::NAMED.iter().map(|(_, word)| *word);
        let flags: Vec<_> = ["0"].into_iter().chain(flags).chain(["COPY_FR_DEDUPE"]).collect();
        assert_eq!(words(Name::DefaultFlags), flags);
        assert_eq!(words(Name::Backend), Backend::ALL.map(|(word, _)| word));
        assert_eq!(words(Name::Shared), SWITCH.map(|(word, _)| word));
        assert_eq!(words(Name::Verify), SWITCH.map(|(word, _)| word));
        assert_eq!(words(Name::Forward), FORWARDS.map(|(word, _)| word));
        assert_eq!(words(Name::Paths), SWITCH.map(|(word, _)| word));
        assert_eq!(
            words(Name::Hooks),
            cfr_engine::hook::Hook::ALL.map(cfr_engine::hook::Hook::name)
        );
    }

    #[test]
    fn empty_leaves_the_default() {
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
            assert!(set("CFR_FALLBACK", value).unwrap_err().contains("names of errors"), "{value}");
        }
    }

    #[test]
    fn hooks_are_a_set() {
        let all = set("CFR_HOOKS", "sendfile64,syscall,sendfile,copy_file_range,ioctl").unwrap();
        assert_eq!(all.hooks, Hooks::ALL);
        let one = set("CFR_HOOKS", "syscall").unwrap().hooks;
        assert!(
            one.contains(cfr_engine::hook::Hook::Syscall)
                && !one.contains(cfr_engine::hook::Hook::CopyFileRange)
        );
        assert!(set("CFR_HOOKS", "syscall,").is_err());
    }

    #[test]
    fn a_summary_goes_to_standard_error_or_a_file() {
        let set_to = |value| set("CFR_SUMMARY", value).unwrap().summary;
        assert_eq!(set_to("yes"), Summary::Yes);
        assert_eq!(set_to("no"), Summary::No);
        assert_eq!(set_to("/s.%p"), Summary::File(b"/s.%p"));
        assert!(set("CFR_SUMMARY", "%z").unwrap_err().contains("yes, no, or a path"));
    }

    #[test]
    fn templates() {
        let parts = |text: &'static str| template(text.as_bytes()).collect::<Result<Vec<_>, _>>();
        assert_eq!(
            parts("/l/%e.%p%%x").unwrap(),
            [
                Part::Literal(b"/l/"),
                Part::Placeholder(Placeholder::Program),
                Part::Literal(b"."),
                Part::Placeholder(Placeholder::Pid),
                Part::Placeholder(Placeholder::Percent),
                Part::Literal(b"x"),
            ]
        );
        assert_eq!(parts("a%q"), Err(b'q'));
        assert_eq!(parts("a%"), Err(b' '));
        assert!(set("CFR_LOG_FILE", "a%q").unwrap_err().contains("%p pid"));
    }

    #[test]
    fn a_path_must_fit_with_its_zero_byte() {
        let long = [b'a'; PATH_MAX];
        assert!(path(&long).is_none());
        assert!(path(&long[1..]).is_some());
        assert!(path(b"a\0b").is_none());
    }
}

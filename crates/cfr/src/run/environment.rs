//! The settings that the program gets: from the command line, else from the environment, both
//! checked before anything runs.

use crate::term::failure::{Failure, plain, say, told};
use cfr_engine::hook::Hooks;
use cfr_shared::format::Format;
use cfr_shared::settings::template::{self, Part, Placeholder};
use cfr_shared::settings::{Level, Reason, Setting, SettingError, Settings, SummaryTarget, TABLE};
use rustix::fs::Access;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Variables for the program, each with its value.
pub(crate) type Variables = Vec<(&'static str, OsString)>;

/// Settings that were checked.
pub(crate) struct Checked {
    /// What to set for the program.
    pub(crate) variables: Variables,
    /// How much is logged.
    pub(crate) log: Level,
    /// What is watched.
    pub(crate) hooks: Hooks,
    /// In what form.
    pub(crate) format: Format,
    /// Whether it is asked after each copy if blocks are shared.
    pub(crate) shared: bool,
    /// Where the summary goes.
    pub(crate) summary: SummaryTo,
    /// The log file, where it is one for all processes, and its size in bytes before.
    log_file: Option<(PathBuf, u64)>,
}

/// Where the summary goes.
pub(crate) enum SummaryTo {
    /// There is none.
    Nowhere,
    /// To standard error.
    StandardError,
    /// To the file of this template.
    File(OsString),
}

impl Checked {
    /// The log file's full path, with its placeholders; `None` where the log goes to standard error.
    pub(crate) fn log_path(&self) -> Option<&OsStr> {
        let found = self.variables.iter().find(|(variable, _)| *variable == LOG_FILE);
        found.map(|(_, path)| path.as_os_str())
    }

    /// Whether something was logged to the log file.
    pub(crate) fn log_has_grown(&self) -> bool {
        self.log_file.as_ref().is_some_and(|(path, before)| size(path) > *before)
    }
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

const LOG: &str = "CFR_LOG";
const LOG_FILE: &str = "CFR_LOG_FILE";
/// The variable that holds faults: a sweep sets it for each run, profiles add to it.
pub(crate) const INJECT: &str = "CFR_INJECT";
/// For the launcher alone, which writes one summary of all processes.
pub(crate) const SUMMARY: &str = "CFR_SUMMARY";

/// Checks every setting. The program gets those of `options`, the log file's full path wherever
/// it came from, and `level` where the user sets none.
pub(crate) fn check(mut options: Variables, level: &str) -> Result<Checked, Failure> {
    let is_set = options.iter().any(|(variable, _)| *variable == LOG)
        || std::env::var_os(LOG).is_some_and(|value| !value.is_empty());
    if !is_set {
        options.push((LOG, level.into()));
    }
    let given: Vec<_> = TABLE.iter().filter_map(|setting| given(setting, &options)).collect();
    let settings = settled(&given)?;
    warn_of_strangers();
    let (log, hooks, format) = (settings.log, settings.hooks, settings.log_format);
    let shared = settings.shared;
    let file = settings.log_file.map(absolute).transpose()?;
    let summary = match settings.summary {
        SummaryTarget::No => SummaryTo::Nowhere,
        SummaryTarget::Yes => SummaryTo::StandardError,
        SummaryTarget::File(template) => {
            let template = absolute(template)?;
            can_be_written(&template, "summary")?;
            SummaryTo::File(template)
        }
    };
    let mut variables = options;
    variables.retain(|(variable, _)| *variable != SUMMARY);
    let mut log_file = None;
    if let Some(path) = file {
        log_file = can_be_written(&path, "log")?.map(|path| (path.clone(), size(&path)));
        variables.retain(|(variable, _)| *variable != LOG_FILE);
        variables.push((LOG_FILE, path));
    }
    Ok(Checked { variables, log, hooks, format, shared, summary, log_file })
}

/// Checks what decides about copies, where it is logged and counted by the launcher alone: all of it.
pub(crate) fn check_rules(options: &Variables) -> Result<Hooks, Failure> {
    let is_rule = |setting: &&Setting| {
        !matches!(
            setting.variable,
            LOG | LOG_FILE | "CFR_LOG_FORMAT" | "CFR_PATHS" | SUMMARY | INJECT
        )
    };
    let rules = TABLE.iter().filter(is_rule);
    let given: Vec<_> = rules.filter_map(|setting| given(setting, options)).collect();
    let hooks = settled(&given)?.hooks;
    if std::env::var_os(INJECT).is_some_and(|value| !value.is_empty()) {
        say(format!("{INJECT} is left out: a sweep injects its own faults, one at a time"));
    }
    warn_of_strangers();
    Ok(hooks)
}

/// All settings, of those that are given.
fn settled<'a>(given: &'a [(&'static Setting, String, OsString)]) -> Result<Settings<'a>, Failure> {
    let mut settings = Settings::new(true);
    for (setting, name, value) in given {
        let value = value.as_bytes();
        // An empty variable is none; an empty option is a slip.
        let set = match value.is_empty() && name.starts_with("--") {
            true => Err(setting.error(value, Reason::Unexpected)),
            false => setting.set(&mut settings, value),
        };
        set.map_err(|error| Failure::new(SettingError { name, ..error }.to_string()))?;
    }
    settings.settle().map_err(|error| {
        let name = spelled(given, error.setting);
        Failure::new(SettingError { name, ..error }.to_string())
    })?;
    Ok(settings)
}

/// How the user spelled a setting's name.
fn spelled<'a>(
    given: &'a [(&'static Setting, String, OsString)],
    setting: &'static Setting,
) -> &'a str {
    let spelled = given.iter().find(|(given, ..)| given.variable == setting.variable);
    spelled.map_or(setting.variable, |(_, name, _)| name)
}

/// A setting's value and how the user spelled its name: as an option, else as a variable.
fn given(
    setting: &'static Setting,
    options: &Variables,
) -> Option<(&'static Setting, String, OsString)> {
    match options.iter().find(|(variable, _)| *variable == setting.variable) {
        Some((_, value)) => Some((setting, format!("--{}", setting.option?), value.clone())),
        None => {
            let value = std::env::var_os(setting.variable)?;
            Some((setting, setting.variable.to_owned(), value))
        }
    }
}

/// A variable that looks like a setting and is none is probably a slip.
fn warn_of_strangers() {
    for (name, _) in std::env::vars_os() {
        if name.as_bytes().starts_with(b"CFR_") && Setting::by_variable(name.as_bytes()).is_none() {
            let name = plain(name);
            let known: Vec<_> = TABLE.iter().map(|setting| setting.variable).collect();
            say(format!("{name} is no setting and does nothing; settings: {}", known.join(", ")));
        }
    }
}

/// The path from the root: the program may change its directory before it copies. Percent signs
/// of the working directory are not placeholders.
fn absolute(path: &[u8]) -> Result<OsString, Failure> {
    if path.starts_with(b"/") {
        return Ok(OsStr::from_bytes(path).to_owned());
    }
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(format!("cannot tell the working directory: {}", told(&error)))
    })?;
    let mut full = Vec::new();
    for &byte in here.as_os_str().as_bytes() {
        full.push(byte);
        if byte == b'%' {
            full.push(byte);
        }
    }
    full.push(b'/');
    full.extend_from_slice(path);
    Ok(OsString::from_vec(full))
}

/// Opens the file for the log or the summary for appending, as the library will, and closes it again. A name with
/// placeholders is another file in each process: only its directory is looked at, and not even
/// that where the directory has placeholders too. A FIFO is left alone: opening it is an event for
/// whoever reads it. Returns the path of a file that is one for all processes.
fn can_be_written(path: &OsStr, what: &str) -> Result<Option<PathBuf>, Failure> {
    let mut literal = Vec::new();
    // Where the first placeholder stands.
    let mut varies_from = None;
    for part in template::parts(path.as_bytes()).flatten() {
        match part {
            Part::Literal(bytes) => literal.extend_from_slice(bytes),
            Part::Placeholder(Placeholder::Percent) => literal.push(b'%'),
            Part::Placeholder(_) => {
                varies_from.get_or_insert(literal.len());
                literal.push(b'0');
            }
        }
    }
    let path = Path::new(OsStr::from_bytes(&literal));
    let directory = path.parent().unwrap_or(Path::new("/"));
    let tried = match varies_from {
        Some(from) if from < directory.as_os_str().len() => Ok(()),
        Some(_) => rustix::fs::access(directory, Access::WRITE_OK).map_err(io::Error::from),
        None if path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) => Ok(()),
        None => OpenOptions::new().append(true).create(true).open(path).map(drop),
    };
    tried.map(|()| varies_from.is_none().then(|| path.to_owned())).map_err(|error| {
        Failure::new(format!("cannot write the {what} to {}: {}", plain(path), told(&error)))
    })
}

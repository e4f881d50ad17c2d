//! The settings of the program, from the command line or else from the environment. All are checked
//! before anything runs.

use super::shared_log::SharedLog;
use crate::term::failure::{Failure, describe, one_of, print_message, printable};
use cfr_engine::hook::Hooks;
use cfr_shared::format::Format;
use cfr_shared::inject::Faults;
use cfr_shared::settings::template::{self, Part, Placeholder};
use cfr_shared::settings::{
    Forward, Level, Reason, Setting, SettingError, Settings, SummaryTarget, TABLE,
};
use rustix::fs::Access;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Environment variables with their values.
pub(crate) type Variables = Vec<(&'static str, OsString)>;

/// Settings that were checked.
pub(crate) struct CheckedSettings {
    /// The variables to set for the program.
    pub(crate) variables: Variables,
    /// The log level.
    pub(crate) log: Level,
    /// The hooks that are watched.
    pub(crate) hooks: Hooks,
    /// Whether the library forwards calls to the next library.
    pub(crate) forwards_to_next: bool,
    /// The format of the log and the summary.
    pub(crate) format: Format,
    /// Whether each copy is followed by a check for shared blocks.
    pub(crate) shared: bool,
    /// The faults that are injected, as they were written.
    pub(crate) faults: Vec<String>,
    pub(crate) summary: SummaryOutput,
    /// The log, if the launcher can write it for all processes.
    pub(crate) shared_log: Option<SharedLog>,
    /// The log file, if all processes have the same, and its size in bytes at the start.
    log_file: Option<(PathBuf, u64)>,
}

/// The target of the summary.
pub(crate) enum SummaryOutput {
    None,
    StandardError,
    /// The file of this template.
    File(OsString),
}

impl CheckedSettings {
    /// Returns the full path of the log file with its placeholders; `None` if the log goes to
    /// standard error.
    pub(crate) fn log_path(&self) -> Option<&OsStr> {
        let found = self.variables.iter().find(|(variable, _)| *variable == LOG_FILE);
        found.map(|(_, path)| path.as_os_str())
    }

    /// Returns the path of the log file, if it is one that all processes have.
    pub(crate) fn one_log_file(&self) -> Option<&Path> {
        self.shared_log.as_ref().and_then(SharedLog::path)
    }

    /// Reports whether the log file has grown.
    pub(crate) fn log_has_grown(&self) -> bool {
        self.log_file.as_ref().is_some_and(|(path, before)| size(path) > *before)
    }
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

const LOG: &str = "CFR_LOG";
/// The variable with the path of the log file.
pub(crate) const LOG_FILE: &str = "CFR_LOG_FILE";
/// The variable with the faults. A sweep and profiles add to it.
pub(crate) const INJECT: &str = "CFR_INJECT";
/// The variable for the summary. The program does not get it: the launcher writes one for all
/// processes.
pub(crate) const SUMMARY: &str = "CFR_SUMMARY";

/// Checks every setting. The program gets those of `options`, the log file's full path, and `level`
/// if the user sets no level.
pub(crate) fn check(mut options: Variables, level: &str) -> Result<CheckedSettings, Failure> {
    let is_set = options.iter().any(|(variable, _)| *variable == LOG)
        || std::env::var_os(LOG).is_some_and(|value| !value.is_empty());
    if !is_set {
        options.push((LOG, level.into()));
    }
    let given: Vec<_> = TABLE.iter().filter_map(|setting| given(setting, &options)).collect();
    let settings = apply(&given)?;
    warn_of_unknown_variables();
    let (log, hooks, format) = (settings.log, settings.hooks, settings.log_format);
    let shared = settings.shared;
    let faults = settings.inject.iter().flat_map(Faults::texts);
    let faults = faults.map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let forwards_to_next = settings.forward == Forward::Next;
    let file = settings.log_file.map(absolute).transpose()?;
    let summary = match settings.summary {
        SummaryTarget::No => SummaryOutput::None,
        SummaryTarget::Yes => SummaryOutput::StandardError,
        SummaryTarget::File(template) => {
            let template = absolute(template)?;
            can_be_written(&template, "summary")?;
            SummaryOutput::File(template)
        }
    };
    let mut variables = options;
    variables.retain(|(variable, _)| *variable != SUMMARY);
    let mut log_file = None;
    let template = file.clone();
    if let Some(path) = file {
        log_file = can_be_written(&path, "log")?.map(|path| (path.clone(), size(&path)));
        variables.retain(|(variable, _)| *variable != LOG_FILE);
        variables.push((LOG_FILE, path));
    }
    let template = template.as_deref().map(OsStr::as_bytes);
    let shared_log = SharedLog::of(&Settings { log_file: template, ..settings });
    Ok(CheckedSettings {
        variables,
        log,
        hooks,
        forwards_to_next,
        format,
        shared,
        faults,
        summary,
        shared_log,
        log_file,
    })
}

/// Checks the settings that decide about copies, and the faults. Returns the hooks that are watched.
pub(crate) fn check_rules(options: &Variables) -> Result<Hooks, Failure> {
    let is_rule = |setting: &&Setting| {
        !matches!(setting.variable, LOG | LOG_FILE | "CFR_LOG_FORMAT" | "CFR_PATHS" | SUMMARY)
    };
    let rules = TABLE.iter().filter(is_rule);
    let given: Vec<_> = rules.filter_map(|setting| given(setting, options)).collect();
    let hooks = apply(&given)?.hooks;
    warn_of_unknown_variables();
    Ok(hooks)
}

/// Returns the faults that are given, by option or else by variable.
pub(crate) fn faults(options: &Variables) -> Option<OsString> {
    let (.., value) = given(Setting::by_variable(INJECT.as_bytes())?, options)?;
    Some(value).filter(|value| !value.is_empty())
}

/// Applies the settings that are given to the defaults.
fn apply<'a>(given: &'a [(&'static Setting, String, OsString)]) -> Result<Settings<'a>, Failure> {
    let mut settings = Settings::new(true);
    for (setting, name, value) in given {
        let value = value.as_bytes();
        // An empty variable counts as not set; an empty option is a mistake.
        let set = if value.is_empty() && name.starts_with("--") {
            Err(setting.error(value, Reason::Unexpected))
        } else {
            setting.set(&mut settings, value)
        };
        set.map_err(|error| {
            let error = SettingError { name, ..error };
            Failure::new(match near(setting, value) {
                Some(near) => format!("{error}; did you mean {near}?"),
                None => error.to_string(),
            })
        })?;
    }
    settings.reset_contradiction().map_err(|error| {
        let name = spelled(given, error.setting);
        Failure::new(SettingError { name, ..error }.to_string())
    })?;
    Ok(settings)
}

/// Returns a value that differs from an invalid one only by upper and lower case.
fn near(setting: &'static Setting, value: &[u8]) -> Option<String> {
    const ERROR: &[u8] = b"error=";
    let lower = value.to_ascii_lowercase();
    // Only the names of errors in it are upper case.
    let mut errors = lower.clone();
    for part in errors.split_mut(|byte| matches!(byte, b':' | b';')) {
        if let Some((key, name)) = part.split_at_mut_checked(ERROR.len())
            && key == ERROR
        {
            name.make_ascii_uppercase();
        }
    }
    let is_valid = |value: &Vec<u8>| setting.set(&mut Settings::new(true), value).is_ok();
    let spellings = [lower, errors, value.to_ascii_uppercase()];
    let found = spellings.into_iter().find(|value| !value.is_empty() && is_valid(value))?;
    Some(printable(OsStr::from_bytes(&found)))
}

/// Returns the name by which the user set a setting.
fn spelled<'a>(
    given: &'a [(&'static Setting, String, OsString)],
    setting: &'static Setting,
) -> &'a str {
    let spelled = given.iter().find(|(given, ..)| given.variable == setting.variable);
    spelled.map_or(setting.variable, |(_, name, _)| name)
}

/// Returns a setting with the name by which the user set it, and its value: the option, else the
/// variable.
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

/// Warns of variables that look like settings: a name may be misspelt.
fn warn_of_unknown_variables() {
    for (name, _) in std::env::vars_os() {
        if name.as_bytes().starts_with(b"CFR_") && Setting::by_variable(name.as_bytes()).is_none() {
            let name = printable(name);
            let known = one_of(TABLE.iter().map(|setting| setting.variable));
            print_message(format!("unknown variable {name} is ignored: expected {known}"));
        }
    }
}

/// Makes a path absolute, because the program may change its directory before it copies. Percent
/// signs in the working directory are escaped: they are not placeholders.
fn absolute(path: &[u8]) -> Result<OsString, Failure> {
    if path.starts_with(b"/") {
        return Ok(OsStr::from_bytes(path).to_owned());
    }
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(format!("cannot determine the working directory: {}", describe(&error)))
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

/// Returns the files of the log and the summary with the names of their options or variables, unless
/// the path has placeholders or cannot be used.
pub(crate) fn files(options: &Variables) -> Vec<(String, PathBuf)> {
    let files = [LOG_FILE, SUMMARY].into_iter().filter_map(|variable| {
        let (setting, name, value) = given(Setting::by_variable(variable.as_bytes())?, options)?;
        let mut settings = Settings::new(true);
        setting.set(&mut settings, value.as_bytes()).ok()?;
        let template = match settings.summary {
            SummaryTarget::File(template) => template,
            _ => settings.log_file?,
        };
        let (path, varies_from) = expanded(OsStr::from_bytes(template));
        varies_from.is_none().then_some((name, path))
    });
    files.collect()
}

/// Returns the path with a zero for each placeholder, and the length of the path before the first one.
fn expanded(template: &OsStr) -> (PathBuf, Option<usize>) {
    let mut path = Vec::new();
    let mut varies_from = None;
    for part in template::parts(template.as_bytes()).flatten() {
        match part {
            Part::Literal(bytes) => path.extend_from_slice(bytes),
            Part::Placeholder(Placeholder::Percent) => path.push(b'%'),
            Part::Placeholder(_) => {
                varies_from.get_or_insert(path.len());
                path.push(b'0');
            }
        }
    }
    (PathBuf::from(OsString::from_vec(path)), varies_from)
}

/// Checks that the file of the log or the summary can be opened for appending, and closes it again.
/// If the name has placeholders, only the directory is checked, and not even that if its path has
/// placeholders. A FIFO is not opened, because its reader would notice. Returns the path if it has
/// no placeholders.
fn can_be_written(path: &OsStr, what: &str) -> Result<Option<PathBuf>, Failure> {
    let (path, varies_from) = expanded(path);
    let directory = path.parent().unwrap_or(Path::new("/"));
    let tried = match varies_from {
        Some(from) if from < directory.as_os_str().len() => Ok(()),
        Some(_) => rustix::fs::access(directory, Access::WRITE_OK).map_err(io::Error::from),
        None if path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) => Ok(()),
        None => OpenOptions::new().append(true).create(true).open(&path).map(drop),
    };
    match tried {
        Ok(()) => Ok(varies_from.is_none().then_some(path)),
        Err(error) => {
            let (path, why) = (printable(path), describe(&error));
            Err(Failure::new(format!("cannot write the {what} to {path}: {why}")))
        }
    }
}

//! The settings that the program gets: from the command line, else from the environment, both
//! checked before anything runs.

use crate::failure::{Failure, say, told};
use cfr_core::settings::{Name, Part, Setting, Settings, TABLE, template};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Variables for the program, each with its value.
pub(crate) type Variables = Vec<(&'static str, OsString)>;

/// Checks every setting and returns the variables to set: those of `options`, and the log file's
/// with its full path wherever it came from.
pub(crate) fn variables(options: Variables) -> Result<Variables, Failure> {
    let given: Vec<_> = TABLE.iter().filter_map(|setting| given(setting, &options)).collect();
    let mut settings = Settings::new(true);
    for (setting, shown, value) in &given {
        settings
            .set(setting, value.as_bytes())
            .map_err(|unusable| Failure::new(format!("{shown}: {unusable}")))?;
    }
    warn_of_strangers();
    let file = settings.log_file.map(absolute).transpose()?;
    let mut variables = options;
    if let Some(path) = file {
        can_be_written(&path)?;
        variables.retain(|(variable, _)| *variable != LOG_FILE);
        variables.push((LOG_FILE, path));
    }
    Ok(variables)
}

const LOG_FILE: &str = "CFR_LOG_FILE";

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
        let name = name.to_string_lossy();
        if name.starts_with("CFR_") && Setting::by_variable(name.as_bytes()).is_none() {
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

/// Opens the log file for appending, as the library will, and closes it again. A path with
/// placeholders is another file in each process: only its directory is looked at. A FIFO is left
/// alone: opening it is an event for whoever reads it.
fn can_be_written(path: &OsStr) -> Result<(), Failure> {
    let mut literal = Vec::new();
    let mut placeholders = false;
    for part in template(path.as_bytes()).flatten() {
        match part {
            Part::Literal(bytes) => literal.extend_from_slice(bytes),
            Part::Placeholder(_) => {
                placeholders = true;
                literal.push(b'0');
            }
        }
    }
    let path = Path::new(OsStr::from_bytes(&literal));
    let tried = if placeholders {
        let directory = path.parent().unwrap_or(Path::new("/"));
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).map_err(std::io::Error::from)
    } else if path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        Ok(())
    } else {
        OpenOptions::new().append(true).create(true).open(path).map(drop)
    };
    tried.map_err(|error| {
        Failure::new(format!("cannot write the log to {}: {}", path.display(), told(&error)))
    })
}

/// What `trace` or `run` sets where the user did not.
pub(crate) fn default_level(variables: &mut Variables, level: &str) {
    let variable = TABLE.iter().find(|setting| setting.name == Name::Log).map(|row| row.variable);
    if let Some(variable) = variable
        && !variables.iter().any(|(name, _)| *name == variable)
        && std::env::var_os(variable).is_none_or(|value| value.is_empty())
    {
        variables.push((variable, level.into()));
    }
}

//! The settings as the program gets them, for the parts of the launcher that write lines of its calls.

use super::environment::Variables;
use super::shared_log::has_own_log;
use cfr_shared::settings::template::{Part, Placeholder, parts};
use cfr_shared::settings::{SettingError, Settings, TABLE};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Reads the settings whose values `value_of` returns for the names of their variables. They are never
/// freed.
pub(crate) fn read(
    value_of: impl Fn(&'static str) -> Option<OsString>,
) -> Result<&'static Settings<'static>, SettingError<'static>> {
    let mut settings = Settings::new(true);
    for setting in &TABLE {
        if let Some(value) = value_of(setting.variable) {
            setting.set(&mut settings, Box::leak(value.into_vec().into_boxed_slice()))?;
        }
    }
    Ok(Box::leak(Box::new(settings)))
}

/// Reads the settings that a program gets: `variables`, or else those of the environment.
pub(crate) fn of_variables(
    variables: &Variables,
) -> Result<&'static Settings<'static>, SettingError<'static>> {
    read(|name| {
        let given = variables.iter().find(|(variable, _)| *variable == name);
        given.map(|(_, value)| value.clone()).or_else(|| std::env::var_os(name))
    })
}

/// Returns the settings with the log file of this process; `program` returns the name by which it was
/// executed.
pub(crate) fn with_own_log(
    settings: &'static Settings<'static>,
    pid: i32,
    program: impl Fn() -> Vec<u8>,
) -> &'static Settings<'static> {
    let Some(template) = settings.log_file.filter(|_| has_own_log(settings)) else {
        return settings;
    };
    let mut path = Vec::new();
    for part in parts(template).flatten() {
        match part {
            Part::Literal(bytes) => path.extend_from_slice(bytes),
            Part::Placeholder(Placeholder::Percent) => path.extend_from_slice(b"%%"),
            Part::Placeholder(Placeholder::Pid) => path.extend(pid.to_string().bytes()),
            Part::Placeholder(Placeholder::Program) => {
                path.extend(program().iter().flat_map(|&byte| match byte {
                    b'%' => vec![b'%', b'%'],
                    _ => vec![byte],
                }));
            }
        }
    }
    let log_file = Some(&*Box::leak(path.into_boxed_slice()));
    Box::leak(Box::new(Settings { log_file, ..*settings }))
}

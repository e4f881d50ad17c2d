//! Changes of the settings by the program itself (cfr_configure(3)).
//!
//! A change makes new settings and a new observer, in memory that is never freed, and then replaces the
//! current one: a call that another thread is making, or that a signal handler has interrupted, keeps
//! what it has. Nothing waits.

use crate::{environment, runtime};
use cfr_observe::Log;
use cfr_shared::settings::{PATH_MAX, Setting, Settings, SummaryTarget, TABLE, Values};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, TryLock};

/// What the program has changed so far.
#[derive(Clone, Copy)]
struct Changes {
    /// The settings that the program has set: a bit for each row of the table.
    set: Rows,
    /// Whether the program counts its calls.
    counts: bool,
    /// The log of before, if no log is in use now.
    log: Option<&'static Log>,
}

static CHANGES: TryLock<Changes> =
    TryLock::new(Changes { set: Rows::NONE, counts: false, log: None });

/// Settings, as a bit for each row of the table.
#[derive(Clone, Copy)]
struct Rows(u32);

impl Rows {
    const NONE: Rows = Rows(0);
    const ALL: Rows = Rows(u32::MAX);

    fn with(self, setting: &Setting) -> Rows {
        const { assert!(TABLE_ROWS <= u32::BITS as usize, "a bit for each row") };
        Rows(self.0 | 1 << setting.row())
    }

    fn contains(self, setting: &Setting) -> bool {
        self.0 & 1 << setting.row() != 0
    }

    /// Parses `none`, `all`, or names separated by commas; EINVAL for any other value.
    fn by_names(names: &[u8]) -> Result<Rows, Errno> {
        match names {
            b"none" => Ok(Rows::NONE),
            b"all" | b"" => Ok(Rows::ALL),
            _ => names.split(|&byte| byte == b',').try_fold(Rows::NONE, |rows, name| {
                Setting::by_name(name).map(|setting| rows.with(setting)).ok_or(Errno::EINVAL)
            }),
        }
    }
}

const TABLE_ROWS: usize = {
    const fn rows<T, const ROWS: usize>(_: &[T; ROWS]) -> usize {
        ROWS
    }
    rows(&TABLE)
};

/// Which part of the configuration a name is of.
enum Target {
    Setting(&'static Setting),
    /// Which settings the environment may set.
    Environment,
    /// Whether calls are counted for the program.
    Stats,
}

/// Changes a setting of this process. ENOENT if there is none of this name, EINVAL for a value that it
/// does not have, EBUSY if another thread is changing one, or if the log is open and would be another
/// one, ENOMEM. After an error all is as before.
pub(crate) fn configure(name: &[u8], value: &[u8]) -> Result<(), Errno> {
    let target = match name {
        b"environment" => Target::Environment,
        b"stats" => Target::Stats,
        _ => Target::Setting(Setting::by_name(name).ok_or(Errno::ENOENT)?),
    };
    runtime::initialize();
    let mut changes = CHANGES.try_lock().ok_or(Errno::EBUSY)?;
    let before = runtime::get().ok_or(Errno::EBUSY)?;
    let mut next = *changes;
    let settings = sys::map_value(|| *before.settings)?;
    match target {
        Target::Setting(setting) => {
            set(setting, settings, value)?;
            next.set = next.set.with(setting);
        }
        Target::Environment => let_environment_set(Rows::by_names(value)?, next.set, settings)?,
        Target::Stats => {
            next.counts = match value {
                b"yes" => true,
                b"no" | b"" => false,
                _ => return Err(Errno::EINVAL),
            }
        }
    }
    // A value of the environment that contradicts one of the program's gives way.
    while let Err(error) = settings.reset_contradiction() {
        if next.set.contains(error.setting) {
            return Err(Errno::EINVAL);
        }
    }
    next.log = before.log.or(next.log);
    let has_new_faults = name == b"inject";
    let observer =
        runtime::changed_observer(before, settings, next.counts, has_new_faults, next.log)?;
    *changes = next;
    runtime::start(observer);
    Ok(())
}

/// Sets a value, or the default of a linked library if it is empty.
fn set(
    setting: &'static Setting,
    settings: &mut Settings<'static>,
    value: &[u8],
) -> Result<(), Errno> {
    if value.is_empty() {
        setting.copy(settings, &Settings::new(false));
        return Ok(());
    }
    let is_path = {
        let mut trial: Settings<'_> = *settings;
        setting.set(&mut trial, value).map_err(|_| Errno::EINVAL)?;
        match setting.values {
            Values::Template => true,
            Values::SwitchOrTemplate => matches!(trial.summary, SummaryTarget::File(_)),
            _ => false,
        }
    };
    // The settings borrow from their text, which is the program's own here.
    let room = sys::map_bytes(PATH_MAX)?;
    let len = if is_path {
        environment::make_absolute(value, room).ok_or(Errno::EINVAL)?
    } else {
        room.get_mut(..value.len()).ok_or(Errno::EINVAL)?.copy_from_slice(value);
        value.len()
    };
    let text: &'static [u8] = room;
    let text = text.get(..len).unwrap_or_default();
    setting.set(settings, text).map_err(|_| Errno::EINVAL)
}

/// Gives those settings that the program has not set the environment's value if that is allowed, else
/// the default of a linked library. Those that only the launcher sets stay.
fn let_environment_set(
    allowed: Rows,
    set_by_program: Rows,
    settings: &mut Settings<'static>,
) -> Result<(), Errno> {
    let of_environment = runtime::settings_of_environment().ok_or(Errno::EBUSY)?;
    let defaults = Settings::new(false);
    let others = |setting: &&Setting| setting.option.is_some() && !set_by_program.contains(setting);
    for setting in TABLE.iter().filter(others) {
        let from = if allowed.contains(setting) { of_environment } else { &defaults };
        setting.copy(settings, from);
    }
    Ok(())
}

//! Profiles: settings that make copies behave as they do in another environment.
//!
//! A file uses only files above it in this list.

mod table;

use crate::run::environment::{INJECT, Variables};
use crate::term::failure::{Failure, one_of, print_message, printable};
use cfr_engine::hook::Hooks;
use cfr_shared::inject::Faults;
use cfr_shared::settings::{Setting, SettingError, Settings};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// An environment that can be imitated.
#[derive(Debug)]
pub(crate) struct Profile {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// A description of one line.
    pub(crate) about: &'static str,
    /// Variables other than [`INJECT`], with their values.
    settings: &'static [(&'static str, &'static str)],
    /// The faults, in order.
    faults: &'static [&'static str],
    pub(crate) sources: &'static [Citation],
}

/// The source of a fact.
#[derive(Debug)]
pub(crate) struct Citation {
    /// The fact, as a sentence.
    pub(crate) says: &'static str,
    /// The section of a manual page, a commit, or an issue.
    pub(crate) at: &'static str,
}

/// The variable with the watched hooks.
const HOOKS: &str = "CFR_HOOKS";

/// Returns all profiles, in the order of the documentation.
pub(crate) fn all() -> &'static [Profile] {
    &table::TABLE
}

/// Finds profiles by name.
pub(crate) fn by_names(names: &[OsString]) -> Result<Vec<&'static Profile>, Failure> {
    let by_name = |name: &OsString| {
        all().iter().find(|profile| name == profile.name).ok_or_else(|| {
            let (name, known) = (printable(name), one_of(all().iter().map(|profile| profile.name)));
            let lower = name.to_ascii_lowercase();
            Failure::new(match all().iter().find(|profile| lower == profile.name) {
                Some(near) => format!("invalid profile '{name}'; did you mean {}?", near.name),
                None => format!("invalid profile '{name}': expected {known}"),
            })
        })
    };
    names.iter().map(by_name).collect()
}

/// Combines profiles: their faults in order, and their other settings unless `is_set` holds. Fails
/// if two profiles need different values of one setting.
pub(crate) fn combine(
    profiles: &[&'static Profile],
    is_set: impl Fn(&str) -> bool,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut chosen: Vec<(&Profile, &'static str, &str)> = Vec::new();
    for &profile in profiles {
        for &(variable, value) in profile.settings.iter().filter(|(name, _)| !is_set(name)) {
            match chosen.iter().find(|(_, chosen, _)| *chosen == variable) {
                None => chosen.push((profile, variable, value)),
                Some((_, _, chosen)) if *chosen == value => {}
                Some((first, _, chosen)) => {
                    let (first, second) = (first.name, profile.name);
                    return Err(Failure::new(format!(
                        "--profile: {first} needs {variable}={chosen}, but {second} needs {variable}={value}; \
                         set {variable} yourself"
                    )));
                }
            }
        }
    }
    let faults: Vec<_> = profiles.iter().flat_map(|profile| profile.faults).copied().collect();
    let settings = chosen.into_iter().map(|(_, variable, value)| (variable, value.to_owned()));
    Ok(settings.chain([(INJECT, faults.join(";"))]).collect())
}

/// The user's settings with those of profiles.
pub(crate) struct Combined {
    pub(crate) variables: Variables,
    /// The profiles, and how many faults each has added after those of the user.
    pub(crate) fault_counts: Vec<(&'static str, usize)>,
}

/// Adds the settings of profiles to the user's. The user's options and variables override those of
/// the profiles, and the user's faults come before theirs.
pub(crate) fn add_to(mut options: Variables, names: &[OsString]) -> Result<Combined, Failure> {
    let profiles = by_names(names)?;
    if profiles.is_empty() {
        return Ok(Combined { variables: options, fault_counts: Vec::new() });
    }
    let users = |options: &Variables, variable: &str| {
        let option = options.iter().find(|(name, _)| *name == variable);
        let value = option.map(|(_, value)| value.clone()).or_else(|| std::env::var_os(variable));
        value.filter(|value| !value.is_empty())
    };
    let hooks = users(&options, HOOKS)
        .and_then(|hooks| Hooks::by_names(hooks.as_bytes()))
        .unwrap_or(Hooks::ALL);
    for (variable, value) in combine(&profiles, |variable| users(&options, variable).is_some())? {
        let value = match variable {
            INJECT => with_faults(users(&options, INJECT).as_deref(), &value, hooks, &profiles)?,
            _ => value.into(),
        };
        options.retain(|(name, _)| *name != variable);
        options.push((variable, value));
    }
    let count = |profile: &&Profile| (profile.name, profile.faults_at(hooks).count());
    Ok(Combined { variables: options, fault_counts: profiles.iter().map(count).collect() })
}

impl Profile {
    /// Returns the faults that can hit a call through `hooks`.
    fn faults_at(&self, hooks: Hooks) -> impl Iterator<Item = &'static str> {
        self.faults.iter().copied().filter(move |fault| is_near(fault, hooks))
    }
}

fn is_near(fault: &str, hooks: Hooks) -> bool {
    Faults::parse(fault.as_bytes()).is_ok_and(|fault| fault.unreachable(hooks).is_none())
}

/// Joins the user's faults and those faults of the profiles that can hit a call through `hooks`.
fn with_faults(
    users: Option<&OsStr>,
    faults: &str,
    hooks: Hooks,
    profiles: &[&Profile],
) -> Result<OsString, Failure> {
    if let Some(idle) = profiles.iter().find(|profile| profile.faults_at(hooks).next().is_none()) {
        let name = idle.name;
        return Err(Failure::new(format!(
            "--profile: {name} has no fault for the hooks of {HOOKS}"
        )));
    }
    for profile in profiles {
        for fault in profile.faults.iter().filter(|fault| !is_near(fault, hooks)) {
            let name = profile.name;
            print_message(format!(
                "--profile {name}: {fault} cannot apply, because {HOOKS} watches none of its hooks"
            ));
        }
    }
    let near = faults.split(';').filter(|fault| is_near(fault, hooks)).map(OsStr::new);
    let value = users.into_iter().chain(near).collect::<Vec<_>>().join(OsStr::new(";"));
    if let Some(setting) = Setting::by_variable(INJECT.as_bytes()) {
        setting.set(&mut Settings::new(true), value.as_bytes()).map_err(|error| {
            let name = "--inject and --profile together";
            Failure::new(SettingError { name, ..error }.to_string())
        })?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_profile_has_usable_settings() {
        for profile in all() {
            let mut settings = Settings::new(true);
            let expanded = combine(&[profile], |_| false).unwrap();
            for (variable, value) in &expanded {
                let setting = Setting::by_variable(variable.as_bytes()).unwrap();
                let set = setting.set(&mut settings, value.as_bytes());
                assert!(set.is_ok(), "{}: {variable}: {}", profile.name, set.unwrap_err());
            }
            assert!(settings.reset_contradiction().is_ok(), "{}", profile.name);
            assert!(!profile.faults.is_empty(), "{}", profile.name);
        }
    }

    #[test]
    fn names_are_unique_and_every_profile_has_sources() {
        let names: BTreeSet<_> = all().iter().map(|profile| profile.name).collect();
        assert_eq!(names.len(), all().len());
        for Profile { name, about, sources, .. } in all() {
            assert!(!sources.is_empty() && !about.ends_with('.'), "{name}");
            for source in *sources {
                assert!(!source.says.ends_with('.') && !source.at.is_empty(), "{name}");
            }
        }
    }

    /// Programs try a reflink first. With its result in every profile, cp gets to copy_file_range.
    #[test]
    fn every_profile_has_a_fault_for_reflinks() {
        for Profile { name, faults, .. } in all() {
            let of_ioctl = |fault: &&&str| {
                fault.split(':').any(|word| {
                    word.strip_prefix("hook=")
                        .is_some_and(|hooks| hooks.split(',').any(|hook| hook == "ioctl"))
                })
            };
            assert!(faults.iter().any(|fault| of_ioctl(&fault)), "{name}");
        }
    }
}

//! `cfr profiles`: prints the profiles, their settings and their sources.

use crate::cli::{ProfilesArgs, ProfilesFormat};
use crate::run::profile::{self, Profile};
use crate::term::failure::Failure;
use crate::term::fit;
use crate::term::shell;
use crate::term::stdout;
use crate::term::width;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Prints the profiles that are named, or all of them.
pub(crate) fn run(args: &ProfilesArgs) -> Result<u8, Failure> {
    let named = profile::by_names(&args.names)?;
    let chosen = if named.is_empty() { profile::all().iter().collect() } else { named };
    let text = match args.format {
        ProfilesFormat::Text => {
            let texts: Result<Vec<_>, _> = chosen.into_iter().map(text).collect();
            let mut fitted = String::new();
            fit::write_text(&mut fitted, &texts?.join("\n"), width::of_stdout());
            fitted
        }
        ProfilesFormat::Json => {
            let profiles: Result<Value, _> = chosen.into_iter().map(as_json).collect();
            format!("{:#}\n", profiles?)
        }
        ProfilesFormat::Environment if args.names.is_empty() => {
            return Err(Failure::new("--format env needs the name of a profile; see cfr profiles"));
        }
        ProfilesFormat::Environment => {
            let mut text = String::new();
            for (variable, value) in profile::combine(&chosen, |_| false)? {
                let _ = writeln!(text, "export {variable}={}", shell::single_quoted(&value));
            }
            text
        }
    };
    stdout::write(&text)
}

fn text(profile: &'static Profile) -> Result<String, Failure> {
    let mut text = format!("{}: {}\n", profile.name, profile.about);
    for (variable, value) in profile::combine(&[profile], |_| false)? {
        let _ = writeln!(text, "  {variable}={value}");
    }
    for source in profile.sources {
        let _ = writeln!(text, "  * {}\n    ({})", source.says, source.at);
    }
    Ok(text)
}

fn as_json(profile: &'static Profile) -> Result<Value, Failure> {
    let settings: Map<_, _> = profile::combine(&[profile], |_| false)?
        .into_iter()
        .map(|(variable, value)| (variable.to_owned(), Value::from(value)))
        .collect();
    let sources: Value = profile
        .sources
        .iter()
        .map(|source| json!({ "says": source.says, "at": source.at }))
        .collect();
    Ok(json!({
        "name": profile.name,
        "about": profile.about,
        "settings": settings,
        "sources": sources,
    }))
}

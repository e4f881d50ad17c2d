//! Preloads the library into a program.

use crate::program::library;
use crate::program::locate::Visibility;
use crate::run::environment::{self, Variables};
use crate::run::shared_stats::{self, SharedStats};
use std::path::Path;
use std::process::Command;

/// Sets LD_PRELOAD and these settings for the program that `command` starts.
pub(crate) fn prepare(
    command: &mut Command,
    library: &Path,
    visibility: &Visibility,
    variables: &Variables,
    stats: Option<&SharedStats>,
) {
    let first = match visibility {
        Visibility::After(other) => vec![other.as_str()],
        _ => Vec::new(),
    };
    if !matches!(visibility, Visibility::Fatal(_)) {
        let list = library::preload_list(std::env::var_os("LD_PRELOAD"), library, &first);
        command.env("LD_PRELOAD", list);
    }
    command
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env_remove(environment::SUMMARY)
        .env("CFR_STRICT", "yes");
    if let Some(stats) = stats {
        command.env(shared_stats::VARIABLE, stats.path());
    }
}

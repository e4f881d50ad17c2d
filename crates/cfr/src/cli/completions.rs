//! Arguments of `cfr completions`.

use super::args::PROFILE;
use crate::run::profile;
use cfr_engine::dialect::{ALL, FORWARDED};
use cfr_shared::settings::TABLE;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;

const SHELL: &str = "SHELL";

pub(super) fn read(matches: &ArgMatches) -> Shell {
    match matches.get_one::<String>(SHELL).map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    }
}

/// Returns a script that teaches `shell` the command line `command`.
pub(super) fn script(shell: Shell, command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = command.mut_subcommands(|command| {
        let is_dialects = command.get_name() == DIALECTS;
        command.mut_args(|arg| match values(arg.get_id().as_str(), is_dialects) {
            values if values.is_empty() => arg,
            values => arg.value_parser(PossibleValuesParser::new(values)),
        })
    });
    clap_complete::generate(shell, &mut command, "cfr", &mut script);
    script
}

/// The command whose NAME is a dialect.
const DIALECTS: &str = "dialects";

/// Returns the values that an argument completes to. The command line itself takes them as bytes, to
/// refuse others with messages of its own.
fn values(id: &str, is_dialects: bool) -> Vec<&'static str> {
    match id {
        PROFILE => profile::all().iter().map(|profile| profile.name).collect(),
        super::dialects::NAME if is_dialects => {
            let dialects = ALL.iter().flat_map(|row| [Some(row.name), row.alias]).flatten();
            dialects.chain(FORWARDED.iter().flat_map(|calls| calls.name.split(", "))).collect()
        }
        id => {
            let setting = TABLE.iter().find(|setting| setting.variable == id);
            setting.map_or_else(Vec::new, |setting| setting.values.words().to_vec())
        }
    }
}

pub(super) fn command() -> Command {
    Command::new("completions")
        .about("Print a script that completes the command line of cfr in a shell")
        .after_help(
            "\
A package that is installed for all users brings these scripts.

Examples:
  eval \"$(cfr completions bash)\"       in ~/.bashrc
  cfr completions zsh > ~/.zfunc/_cfr    in a directory of $fpath
  cfr completions fish > ~/.config/fish/completions/cfr.fish",
        )
        .arg(
            Arg::new(SHELL)
                .help("The shell: bash, zsh or fish")
                .value_name("SHELL")
                .required(true)
                .hide_possible_values(true)
                .value_parser(["bash", "zsh", "fish"]),
        )
}

//! Arguments of `cfr completions`.

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
pub(super) fn script(shell: Shell, mut command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "cfr", &mut script);
    script
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

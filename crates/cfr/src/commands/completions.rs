//! `cfr completions`: prints a script that completes the command line in a shell.

use crate::cli::completions;
use crate::term::failure::Failure;
use crate::term::stdout;
use clap_complete::Shell;

pub(crate) fn run(shell: Shell) -> Result<u8, Failure> {
    stdout::write(&completions(shell))
}

//! `cfr run`: runs a program with the library in it, logging errors only.

use crate::cli::{LaunchArgs, RUN_LEVEL};
use crate::launch::{self, Mode};
use crate::term::failure::Failure;

pub(crate) fn run(args: LaunchArgs) -> Result<u8, Failure> {
    launch::run(args, &Mode { level: RUN_LEVEL, says_if_none: false })
}

//! `cfr trace`: logs every copy of a program.

use crate::cli::{LaunchArgs, TRACE_LEVEL};
use crate::launch::{self, Mode};
use crate::term::failure::Failure;

pub(crate) fn run(args: LaunchArgs) -> Result<u8, Failure> {
    launch::run(args, &Mode { level: TRACE_LEVEL, says_if_none: true })
}

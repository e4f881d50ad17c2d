//! Arguments of `cfr run`.

use super::launch::{self, EXIT_STATUS, EXPECTATIONS};
use clap::Command;

pub(crate) const LEVEL: &str = "error";

pub(super) fn command() -> Command {
    launch::command("run", LEVEL)
        .about("Run PROGRAM with the same settings and log errors only, e.g. for --expect")
        .after_help(format!(
            "\
{EXPECTATIONS}

Examples:
  cfr run -c make                                print a summary of all copies
  cfr run --expect method=reflink cp a b         were all blocks shared?
  cfr run --expect 'calls>=1' --expect 'no error' -- make install
  cfr run --inject error=EXDEV --expect 'injected>=1' -- ./test
  cfr run --expect 'bytes>=1M' --results copies.json -- ./test

{EXIT_STATUS}"
        ))
}

//! Arguments of `cfr trace`.

use super::launch::{self, EXIT_STATUS, EXPECTATIONS};
use clap::Command;

pub(crate) const LEVEL: &str = "info";

pub(super) fn command() -> Command {
    launch::command("trace", LEVEL)
        .about("Log every copy of PROGRAM and of the processes that it starts")
        .after_help(format!(
            "\
{EXPECTATIONS}

Examples:
  cfr trace cp a b                               log to standard error
  cfr trace -o log.json --format json -- make    then: cfr report log.json
  cfr trace --log debug -o log.%p -- ./backup    one file for each process, every attempt
  cfr trace --dialect freebsd make               which calls would FreeBSD refuse?
  cfr trace --inject short=4096:when=2 cp a b    the second call of each process copies 4096 bytes

{EXIT_STATUS}"
        ))
}

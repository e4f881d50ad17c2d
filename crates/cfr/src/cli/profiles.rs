//! Arguments of `cfr profiles`.

use super::args::{FORMAT, JSON, PROFILE};
use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;

#[derive(Debug)]
pub(crate) struct ProfilesArgs {
    pub(crate) format: ProfilesFormat,
    /// The profiles to print; empty for all.
    pub(crate) names: Vec<OsString>,
}

/// How profiles are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProfilesFormat {
    Text,
    Json,
    /// As `export` lines for sh(1).
    Environment,
}

const ENV: &str = "env";

pub(super) fn read(matches: &ArgMatches) -> ProfilesArgs {
    ProfilesArgs {
        format: match matches.get_one::<String>(FORMAT) {
            Some(name) if name == JSON => ProfilesFormat::Json,
            Some(name) if name == ENV => ProfilesFormat::Environment,
            _ => ProfilesFormat::Text,
        },
        names: matches.get_many(PROFILE).into_iter().flatten().cloned().collect(),
    }
}

pub(super) fn command() -> Command {
    Command::new("profiles")
        .about("Print the profiles: environments that cfr can imitate, as settings")
        .after_help(
            "\
A profile is a set of faults, and sometimes other settings, that make copies behave as they do in
another environment. Your own settings override those of a profile; your own faults come before
its faults. A program that calls statfs(2) or uname(2) still sees this machine.

Examples:
  cfr run --profile seccomp-eperm cargo build     does it build in an old container?
  cfr trace --profile nfs cp a b                  how does cp handle short copies?
  cfr profiles nfs                                print what the profile does, and its sources
  (eval \"$(cfr profiles --format env nfs)\"; LD_PRELOAD=libcfr.so cp a b)",
        )
        .arg(
            Arg::new(FORMAT)
                .long("format")
                .value_name("VALUE")
                .value_parser(["text", JSON, ENV])
                .default_value("text")
                .hide_default_value(true)
                .hide_possible_values(true)
                .help("Write text, JSON, or export lines for sh [text, json, env; default: text]"),
        )
        .arg(
            Arg::new(PROFILE)
                .help("The profiles [default: all]; with --format env they are combined")
                .value_name("NAME")
                .num_args(0..)
                .value_parser(OsStringValueParser::new()),
        )
}

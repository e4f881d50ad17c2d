//! Commands that only ask: `cfr probe`, `cfr inspect`, `cfr dialects`, `cfr profiles`.

use super::words::{FORMAT, Format, JSON, PROFILE, PROGRAM, format, report_format};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;
use std::path::PathBuf;

/// What can be done here?
#[derive(Debug)]
pub(crate) struct Probe {
    /// How to say it.
    pub(crate) format: Format,
    /// Where; one at least.
    pub(crate) paths: Vec<PathBuf>,
}

/// Can a program's copies be seen?
#[derive(Debug)]
pub(crate) struct Inspect {
    /// How to say it.
    pub(crate) format: Format,
    /// The program.
    pub(crate) program: OsString,
}

/// What are the rules?
#[derive(Debug)]
pub(crate) struct Dialects {
    /// How to say it.
    pub(crate) format: Format,
    /// Of which; `None` of all.
    pub(crate) name: Option<OsString>,
}

/// Which environments can be had?
#[derive(Debug)]
pub(crate) struct Profiles {
    /// How to say it.
    pub(crate) format: Listing,
    /// Which; none for all.
    pub(crate) names: Vec<OsString>,
}

/// How profiles are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// For human eyes.
    Text,
    /// For programs.
    Json,
    /// For sh(1): their settings as variables.
    Environment,
}

const PATH: &str = "PATH";
const DIALECT: &str = "NAME";
const ENV: &str = "env";

pub(super) fn probe(matches: &ArgMatches) -> Probe {
    Probe {
        format: format(matches),
        paths: matches.get_many(PATH).into_iter().flatten().cloned().collect(),
    }
}

pub(super) fn inspect(matches: &ArgMatches) -> Inspect {
    Inspect {
        format: format(matches),
        program: matches.get_one(PROGRAM).cloned().unwrap_or_default(),
    }
}

pub(super) fn dialects(matches: &ArgMatches) -> Dialects {
    Dialects { format: format(matches), name: matches.get_one(DIALECT).cloned() }
}

pub(super) fn profiles(matches: &ArgMatches) -> Profiles {
    Profiles {
        format: match matches.get_one::<String>(FORMAT) {
            Some(name) if name == JSON => Listing::Json,
            Some(name) if name == ENV => Listing::Environment,
            _ => Listing::Text,
        },
        names: matches.get_many(PROFILE).into_iter().flatten().cloned().collect(),
    }
}

pub(super) fn probe_command() -> Command {
    Command::new("probe")
        .about("Try what the kernel and the filesystems of these paths can do")
        .after_help(
            "\
It works on files without a name, leaves nothing behind and touches no file that is there.
The exit status is 1 where a PATH could not be probed.",
        )
        .arg(report_format())
        .arg(
            Arg::new(PATH)
                .help("A directory, or a file in it")
                .value_name("PATH")
                .num_args(0..)
                .default_value(".")
                .value_parser(PathBufValueParser::new()),
        )
}

pub(super) fn inspect_command() -> Command {
    Command::new("inspect")
        .about("Tell through which hooks PROGRAM can copy, and whether a preload can see it")
        .after_help(
            "\
It reads the files of PROGRAM and of the libraries that it needs; it executes nothing. A script
is followed to its interpreter. Hooks for copies only count where they are imported; syscall where
SYS_copy_file_range is passed, ioctl where a reflink or dedupe request stands in the code.

Examples:
  cfr inspect cp                     is there anything to be seen?
  cfr inspect ./deploy.py            the same of a script's interpreter
  LD_LIBRARY_PATH=build cfr inspect build/tool
  cfr inspect --format json node | jq -r .verdict

The exit status is 0 where it could be told, whatever the answer; 125 where the file is damaged,
126 where it cannot be executed, 127 where PROGRAM is not found.",
        )
        .arg(report_format())
        .arg(
            Arg::new(PROGRAM)
                .help("A program on the PATH, or its path")
                .value_name("PROGRAM")
                .required(true)
                .value_parser(OsStringValueParser::new()),
        )
}

pub(super) fn dialects_command() -> Command {
    Command::new("dialects")
        .about("Print the rules of the dialects, in order, with their sources")
        .after_help(
            "\
Where a call breaks several rules, the first decides what it is answered. A program is held to
a dialect with cfr trace --dialect NAME, and CFR_DIALECT=NAME.",
        )
        .arg(report_format())
        .arg(
            Arg::new(DIALECT)
                .help("Of this dialect only")
                .value_name("NAME")
                .value_parser(OsStringValueParser::new()),
        )
}

pub(super) fn profiles_command() -> Command {
    Command::new("profiles")
        .about("Print the profiles: environments whose answers a program can be given here")
        .after_help(
            "\
A profile is faults and maybe other settings. What the user sets goes before it, faults in
addition. Programs that ask statfs(2) or uname(2) where they are see this machine.

Examples:
  cfr run --profile seccomp-eperm cargo build     does it build in an old container?
  cfr trace --profile nfs cp a b                  what does cp make of short counts?
  cfr profiles nfs                                what is that, and from where is it known?
  (eval \"$(cfr profiles --format env nfs)\"; LD_PRELOAD=libcfr.so cp a b)",
        )
        .arg(
            Arg::new(FORMAT)
                .long("format")
                .value_name("VALUE")
                .value_parser(["text", JSON, ENV])
                .default_value("text")
                .hide_possible_values(true)
                .help("For eyes, as JSON, or as variables for sh [text, json, env]"),
        )
        .arg(
            Arg::new(PROFILE)
                .help("Of these profiles only; as variables all together")
                .value_name("NAME")
                .num_args(0..)
                .value_parser(OsStringValueParser::new()),
        )
}

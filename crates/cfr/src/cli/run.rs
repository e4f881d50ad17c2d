//! `cfr trace` and `cfr run`.

use super::words::{PROFILE, PROGRAM, command_line, option, settings};
use crate::run::environment::Variables;
use cfr_shared::settings::{Name, Setting, TABLE};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::path::PathBuf;

/// A program with the library in it.
#[derive(Debug)]
pub(crate) struct Run {
    /// Whether every copy is to be logged.
    pub(crate) trace: bool,
    /// Whether the copies under way are to be shown.
    pub(crate) progress: bool,
    /// What is expected of the calls.
    pub(crate) expectations: Vec<OsString>,
    /// Where to write what came of that.
    pub(crate) witness: Option<PathBuf>,
    /// Names of profiles.
    pub(crate) profiles: Vec<OsString>,
    /// The settings given on the command line.
    pub(crate) settings: Variables,
    /// The program and its arguments.
    pub(crate) program: Vec<OsString>,
}

const PROGRESS: &str = "progress";
const EXPECT: &str = "expect";
const WITNESS: &str = "results";

/// What the command of this name asks for.
pub(super) fn run(name: &str, matches: &ArgMatches) -> Run {
    Run {
        trace: name == "trace",
        progress: matches.get_flag(PROGRESS),
        expectations: matches.get_many(EXPECT).into_iter().flatten().cloned().collect(),
        witness: matches.get_one(WITNESS).cloned(),
        profiles: matches.get_many(PROFILE).into_iter().flatten().cloned().collect(),
        settings: settings(matches),
        program: matches.get_many(PROGRAM).into_iter().flatten().cloned().collect(),
    }
}

/// The command of this name.
pub(super) fn command(name: &'static str, about: &'static str) -> Command {
    let level = if name == "trace" { "info" } else { "error" };
    let default = |setting: &'static Setting| match setting.name {
        Name::Log => level,
        _ => setting.default,
    };
    let options = TABLE.iter().filter_map(|setting| option(setting, default(setting)));
    let usage = format!("cfr {name} [OPTIONS] [--] PROGRAM [ARG]...");
    let progress = Arg::new(PROGRESS)
        .long(PROGRESS)
        .action(ArgAction::SetTrue)
        .help("Show the copies under way, how far they are and how fast, where standard error is a terminal");
    let profile = Arg::new(PROFILE)
        .long(PROFILE)
        .value_name("NAME")
        .action(ArgAction::Append)
        .value_parser(OsStringValueParser::new())
        .help("Have calls answered as in another environment: see cfr profiles; may be repeated");
    let own = [profile, progress];
    let command = Command::new(name).about(about).override_usage(usage).args(options).args(own);
    command.args(expecting()).after_help(EXPECTATIONS).arg(command_line())
}

fn expecting() -> [Arg; 2] {
    let expect = Arg::new(EXPECT)
        .long(EXPECT)
        .value_name("EXPECTATION")
        .action(ArgAction::Append)
        .value_parser(OsStringValueParser::new())
        .help("What must be true of the calls in the end, else the status is 123; may be repeated");
    let witness = Arg::new(WITNESS)
        .long(WITNESS)
        .value_name("FILE")
        .value_parser(PathBufValueParser::new())
        .help("Write to this file, as JSON, what was seen and which expectations held");
    [expect, witness]
}

const EXPECTATIONS: &str = "\
Expectations:
  NAME OP NUMBER     OP is >= <= > < = == or !=. NAME is calls, bytes (1K, 1M, 1G, 1T), errors,
                     programs, end_of_file, differing, unfinished, injected, delayed,
                     lines_lost; shared, partly_shared, not_shared (with --shared yes);
                     a method, a hook, or an error as EXDEV: calls answered by it, through
                     it, that failed with it
  no NAME            the same as NAME = 0; no error, no emulated, no EXDEV
  method=WORD,...    some bytes moved so, and none otherwise: kernel, reflink, dedupe, emulated,
                     next, none
  hook=WORD,...      some calls came through these, and none through others
  error=NAME,...     some calls failed with these, and none with others
  method!=WORD       no call was answered so; hook!= and error!= likewise
Where libcfr.so was not loaded none holds; quote them, the shell knows > and !

Examples:
  cfr run --expect method=reflink cp a b         did it share the blocks?
  cfr run --expect 'calls>=1' --expect 'no error' -- make install
  cfr run --inject error=EXDEV --expect 'injected>=1' -- ./test     does it cope?
  cfr run --expect 'bytes>=1M' --results copies.json -- ./test

The exit status is PROGRAM's; 123 where an expectation does not hold.";

//! Arguments of `cfr trace` and `cfr run`, which differ in how much is logged.

use super::args::{
    PROGRAM, command_line, option, profile_option, profiles, reach, reach_option, settings,
};
use crate::run::environment::Variables;
use crate::run::reach::Reach;
use cfr_shared::settings::{Setting, TABLE};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug)]
pub(crate) struct LaunchArgs {
    /// Whether to show the copies in flight.
    pub(crate) progress: bool,
    pub(crate) reach: Reach,
    /// Whether to wait for all processes that the program started.
    pub(crate) waits_for_all: bool,
    pub(crate) expectations: Vec<OsString>,
    /// The file of `--results`.
    pub(crate) results: Option<PathBuf>,
    pub(crate) profiles: Vec<OsString>,
    /// The settings that the command line sets.
    pub(crate) settings: Variables,
    /// The program and its arguments.
    pub(crate) program: Vec<OsString>,
}

const PROGRESS: &str = "progress";
const EXPECT: &str = "expect";
const RESULTS: &str = "results";
const WAIT_ALL: &str = "wait-all";

pub(super) fn read(matches: &ArgMatches) -> LaunchArgs {
    LaunchArgs {
        progress: matches.get_flag(PROGRESS),
        reach: reach(matches),
        waits_for_all: matches.get_flag(WAIT_ALL),
        expectations: matches.get_many(EXPECT).into_iter().flatten().cloned().collect(),
        results: matches.get_one(RESULTS).cloned(),
        profiles: profiles(matches),
        settings: settings(matches),
        program: matches.get_many(PROGRAM).into_iter().flatten().cloned().collect(),
    }
}

/// Returns the command of this name, which logs at `level` if the user sets none.
pub(super) fn command(name: &'static str, level: &str) -> Command {
    let default = |setting: &'static Setting| match setting.variable {
        "CFR_LOG" => level,
        _ => setting.default,
    };
    let options = TABLE.iter().filter_map(|setting| option(setting, default(setting)));
    let expect = Arg::new(EXPECT)
        .long(EXPECT)
        .value_name("EXPECTATION")
        .action(ArgAction::Append)
        .value_parser(OsStringValueParser::new())
        .help("Exit with status 123 if this does not hold when PROGRAM has ended; repeatable");
    let results = Arg::new(RESULTS)
        .long(RESULTS)
        .value_name("FILE")
        .value_parser(PathBufValueParser::new())
        .help("Write what was counted and which expectations held to FILE, as JSON");
    let wait_all = Arg::new(WAIT_ALL)
        .long(WAIT_ALL)
        .action(ArgAction::SetTrue)
        .help("Wait for all processes that PROGRAM starts, also for daemons");
    let progress = Arg::new(PROGRESS)
        .long(PROGRESS)
        .action(ArgAction::SetTrue)
        .help("Show the copies in flight on the terminal: bytes, percent, speed, time left");
    Command::new(name)
        .override_usage(format!("cfr {name} [OPTIONS] [--] PROGRAM [ARG]..."))
        .args(options)
        .args([profile_option(), reach_option(), wait_all, progress, expect, results])
        .arg(command_line())
}

pub(super) const EXPECTATIONS: &str = "\
Expectations:
  NAME OP NUMBER     OP is >=, <=, >, <, =, == or !=. NAME is calls, bytes (1K, 1M, 1G, 1T), errors,
                     programs, end_of_file, differing, unfinished, injected, delayed, let_through,
                     lines_lost, written_otherwise (bytes), a method, a hook or an error such as
                     EXDEV; with --shared yes also shared, partly_shared, not_shared
  no NAME            the same as NAME = 0: no error, no emulated, no EXDEV
  method=WORD,...    some bytes were moved by these methods, and none by others: kernel, reflink,
                     dedupe, emulated, next, none
  hook=WORD,...      some calls came through these hooks, and none through others
  error=NAME,...     some calls failed with these errors, and none with others
  method!=WORD       no call had this method; the same for hook!= and error!=
An expectation fails if calls that were not seen could make it false. Quote > and ! for the shell.";

pub(super) const EXIT_STATUS: &str = "\
Exit status: that of PROGRAM; 128+N if signal N ended it; 123 if an expectation does not hold;
125 if cfr failed; 126 if PROGRAM cannot be executed; 127 if it is not found.";

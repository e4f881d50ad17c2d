//! `cfr sweep`.

use super::words::{Format, JSON, PROGRAM, command_line, format, option, report_format, settings};
use crate::run::environment::Variables;
use cfr_shared::settings::{Name, Setting, TABLE};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What does a program do with each fault?
#[derive(Debug)]
pub(crate) struct Sweep {
    /// The settings given on the command line.
    pub(crate) settings: Variables,
    /// The faults to try, by name.
    pub(crate) faults: Vec<String>,
    /// The faults that the program must get by.
    pub(crate) must_pass: Vec<String>,
    /// The signal that interrupts.
    pub(crate) signal: String,
    /// For a shell, before each run.
    pub(crate) setup: Option<OsString>,
    /// For a shell, after each run that says that it succeeded.
    pub(crate) check: Option<OsString>,
    /// Whether each run gets a directory of its own.
    pub(crate) fresh: bool,
    /// What to copy into it.
    pub(crate) from: Option<PathBuf>,
    /// Whether it stays where the run was bad.
    pub(crate) keep: bool,
    /// How many runs at a time, where they have directories of their own.
    pub(crate) jobs: Option<usize>,
    /// How long a run may take.
    pub(crate) timeout: Option<Duration>,
    /// Whether the points are only to be named.
    pub(crate) list: bool,
    /// How to say it.
    pub(crate) format: Format,
    /// A file for the JSON too.
    pub(crate) json: Option<PathBuf>,
    /// A file for JUnit XML too.
    pub(crate) junit: Option<PathBuf>,
    /// The program and its arguments.
    pub(crate) program: Vec<OsString>,
}

const FAULTS: &str = "faults";
const MUST_PASS: &str = "must-pass";
const SIGNAL: &str = "signal";
const SETUP: &str = "setup";
const CHECK: &str = "check";
const FRESH: &str = "fresh";
const FROM: &str = "from";
const KEEP: &str = "keep";
const JOBS: &str = "jobs";
const TIMEOUT: &str = "timeout";
const LIST: &str = "list";
const JUNIT: &str = "junit";

pub(super) fn sweep(matches: &ArgMatches) -> Sweep {
    let names = |option: &str| matches.get_many(option).into_iter().flatten().cloned().collect();
    Sweep {
        settings: settings(matches),
        faults: names(FAULTS),
        must_pass: names(MUST_PASS),
        signal: matches.get_one(SIGNAL).cloned().unwrap_or_default(),
        setup: matches.get_one(SETUP).cloned(),
        check: matches.get_one(CHECK).cloned(),
        fresh: matches.get_flag(FRESH),
        from: matches.get_one(FROM).cloned(),
        keep: matches.get_flag(KEEP),
        jobs: matches.get_one::<u16>(JOBS).map(|&jobs| usize::from(jobs)),
        timeout: matches.get_one(TIMEOUT).copied(),
        list: matches.get_flag(LIST),
        format: format(matches),
        json: matches.get_one(JSON).cloned(),
        junit: matches.get_one(JUNIT).cloned(),
        program: matches.get_many(PROGRAM).into_iter().flatten().cloned().collect(),
    }
}

pub(super) fn command() -> Command {
    let own = [
        Arg::new(CHECK).long(CHECK).value_name("COMMAND").help(
            "Whether what PROGRAM did is right, for sh -c; where it fails after PROGRAM has succeeded, the copy is wrong",
        ),
        Arg::new(SETUP)
            .long(SETUP)
            .value_name("COMMAND")
            .help("What to do before each run, for sh -c: remove the last run's target, or --check may see that one"),
    ];
    let own = own.map(|arg| arg.value_parser(OsStringValueParser::new()).allow_hyphen_values(true));
    let files = [
        Arg::new(FROM)
            .long(FROM)
            .value_name("DIR")
            .requires(FRESH)
            .help("Copy what is in DIR into each run's directory first"),
        Arg::new(JSON).long(JSON).value_name("FILE").help("Write the report as JSON to FILE too"),
        Arg::new(JUNIT).long(JUNIT).value_name("FILE").help("Write JUnit XML to FILE too"),
    ];
    let files = files.map(|arg| arg.value_parser(PathBufValueParser::new()));
    let flags = [
        Arg::new(FRESH).long(FRESH).help(
            "Give each run a new working directory in $TMPDIR, which is removed, and let them go in parallel",
        ),
        Arg::new(KEEP).long(KEEP).requires(FRESH).help("Keep the directories of bad runs"),
        Arg::new(LIST).long(LIST).help("Name the points, and try none"),
    ];
    let flags = flags.map(|arg| arg.action(ArgAction::SetTrue));
    let lists = [
        Arg::new(FAULTS)
            .long(FAULTS)
            .default_value("default")
            .hide_default_value(true)
            .help("Which faults to try: names of errors, short, short=BYTES, short=N%, zero, signal; default is all that a hook is known for"),
        Arg::new(MUST_PASS)
            .long(MUST_PASS)
            .help("The faults that PROGRAM must get by, of the same names, or all: where it fails, that is bad"),
    ];
    let lists = lists.map(|arg| arg.value_name("LIST").value_delimiter(','));
    Command::new("sweep")
        .about("Run PROGRAM once for each fault that its copies may meet, and tell what it made of it")
        .override_usage("cfr sweep [OPTIONS] [--] PROGRAM [ARG]...")
        .after_help(
            "\
First PROGRAM is run without a fault, to see that it works and which calls it makes. Then each
fault is tried at its first, second and last call through each hook. Outcomes:
  passed   it succeeded, and --check too       failed   it said that it failed
  WRONG    it succeeded, and --check did not   HUNG     it took longer than --timeout
  CRASHED  a signal ended it                   missed   no call met the fault
What is bad stands in capitals, with a command line that tries it again.

Without --check what is wrong passes. Without --fresh all runs are in this directory, one after
the other, and a target that one of them leaves is there for the next: remove it by --setup.

Examples:
  cfr sweep --setup 'rm -f b' --check 'cmp a b' -- cp a b
  cfr sweep --fresh --from tests/data --check 'cmp a b' -- python3 /path/of/copy.py a b
  cfr sweep --must-pass ENOSYS,EXDEV,EOPNOTSUPP,short --check 'cmp a b' -- ./program
  cfr sweep --faults EIO,short=4096 --junit sweep.xml -- make check

The exit status is 0 where nothing is bad, 1 where something is; 125 where cfr failed or PROGRAM
does not work without a fault, 126 where it cannot be executed, 127 where it is not found.",
        )
        .args(own)
        .args(flags)
        .args(files)
        .args(lists)
        .arg(
            Arg::new(SIGNAL)
                .long(SIGNAL)
                .value_name("NAME")
                .default_value("SIGURG")
                .hide_default_value(true)
                .help("The signal that interrupts [default: SIGURG, which ends no program]"),
        )
        .arg(
            Arg::new(TIMEOUT)
                .long(TIMEOUT)
                .value_name("TIME")
                .value_parser(time)
                .allow_negative_numbers(true)
                .help("How long a run may take, in seconds or with a unit [default: 20 times as long as without a fault, 10s at least]"),
        )
        .arg(
            Arg::new(JOBS)
                .short('j')
                .long(JOBS)
                .value_name("N")
                .requires(FRESH)
                .value_parser(value_parser!(u16).range(1..=1000))
                .help("How many runs at a time [1 to 1000; default: as many as there are processors]"),
        )
        .arg(report_format())
        .args(TABLE.iter().filter(|setting| is_for_sweep(setting)).filter_map(|setting| {
            option(setting, setting.default)
        }))
        .arg(command_line())
}

/// What is logged and summed up of each run is the sweep's own affair.
fn is_for_sweep(setting: &Setting) -> bool {
    matches!(
        setting.name,
        Name::Dialect
            | Name::Checks
            | Name::DefaultFlags
            | Name::Backend
            | Name::Fallback
            | Name::Verify
            | Name::Hooks
            | Name::Forward
    )
}

/// A time as timeout(1) has it, in seconds, or with a unit.
fn time(word: &str) -> Result<Duration, String> {
    let seconds = word.parse().ok().map(Duration::try_from_secs_f64);
    let time = match seconds {
        Some(time) => time.ok(),
        None => humantime::parse_duration(word).ok(),
    };
    time.filter(|time| !time.is_zero())
        .ok_or_else(|| "a time is a number of seconds, or of a unit as in 500ms or 2m".to_owned())
}

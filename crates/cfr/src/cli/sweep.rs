//! Arguments of `cfr sweep`.

use super::args::{
    FORMAT, JSON, PROGRAM, ReportFormat, command_line, format, number, option, profile_option,
    profiles, reach, reach_option, report_format, settings,
};
use crate::run::environment::Variables;
use crate::run::reach::Reach;
use cfr_shared::settings::{Setting, TABLE};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct SweepArgs {
    /// The settings that the command line sets.
    pub(crate) settings: Variables,
    /// The profiles whose faults and settings all runs have.
    pub(crate) profiles: Vec<OsString>,
    pub(crate) reach: Reach,
    /// The options by which a case is run again, as words of a command line.
    pub(crate) for_again: Vec<OsString>,
    /// Names of the cases to run; empty for all.
    pub(crate) only: Vec<String>,
    /// Names of the faults to try.
    pub(crate) faults: Vec<String>,
    /// Names of the faults after which the program must succeed.
    pub(crate) must_pass: Vec<String>,
    /// Name of the signal that interrupts calls.
    pub(crate) signal: String,
    /// The shell command before each run.
    pub(crate) setup: Option<OsString>,
    /// The shell command after each run that ended with status 0.
    pub(crate) check: Option<OsString>,
    /// The shell command after each run that ended otherwise.
    pub(crate) check_failed: Option<OsString>,
    /// Sources and targets whose content is checked after each run.
    pub(crate) check_files: Vec<[PathBuf; 2]>,
    /// Whether each run gets a new directory.
    pub(crate) fresh: bool,
    /// The directory that is copied into each new directory.
    pub(crate) from: Option<PathBuf>,
    /// Whether the directories of bad cases are kept.
    pub(crate) keep: bool,
    /// The number of runs at a time if each has a new directory.
    pub(crate) jobs: Option<usize>,
    /// The time limit of a run.
    pub(crate) timeout: Option<Duration>,
    /// Whether to list the cases only.
    pub(crate) list: bool,
    pub(crate) format: ReportFormat,
    /// A file that gets the report as JSON.
    pub(crate) json: Option<PathBuf>,
    /// A file that gets the report as JUnit XML.
    pub(crate) junit: Option<PathBuf>,
    /// A file that gets the report as a page for a browser.
    pub(crate) html: Option<PathBuf>,
    /// The program and its arguments.
    pub(crate) program: Vec<OsString>,
}

const ONLY: &str = "only";
const FAULTS: &str = "faults";
const MUST_PASS: &str = "must-pass";
const SIGNAL: &str = "signal";
const SETUP: &str = "setup";
const CHECK: &str = "check";
const CHECK_FAILED: &str = "check-failed";
const CHECK_FILES: &str = "check-files";
const FRESH: &str = "fresh";
const FROM: &str = "from";
const KEEP: &str = "keep";
const JOBS: &str = "jobs";
const TIMEOUT: &str = "timeout";
const LIST: &str = "list";
const JUNIT: &str = "junit";
const HTML: &str = "html";

pub(super) fn read(matches: &ArgMatches) -> SweepArgs {
    let names = |option: &str| matches.get_many(option).into_iter().flatten().cloned().collect();
    SweepArgs {
        settings: settings(matches),
        profiles: profiles(matches),
        reach: reach(matches),
        for_again: for_again(matches),
        only: names(ONLY),
        faults: names(FAULTS),
        must_pass: names(MUST_PASS),
        signal: matches.get_one(SIGNAL).cloned().unwrap_or_default(),
        setup: matches.get_one(SETUP).cloned(),
        check: matches.get_one(CHECK).cloned(),
        check_failed: matches.get_one(CHECK_FAILED).cloned(),
        check_files: pairs(matches),
        fresh: matches.get_flag(FRESH),
        from: matches.get_one(FROM).cloned(),
        keep: matches.get_flag(KEEP),
        jobs: matches.get_one(JOBS).copied(),
        timeout: matches.get_one(TIMEOUT).copied(),
        list: matches.get_flag(LIST),
        format: format(matches),
        json: matches.get_one(JSON).cloned(),
        junit: matches.get_one(JUNIT).cloned(),
        html: matches.get_one(HTML).cloned(),
        program: matches.get_many(PROGRAM).into_iter().flatten().cloned().collect(),
    }
}

fn pairs(matches: &ArgMatches) -> Vec<[PathBuf; 2]> {
    let paths = matches.get_many(CHECK_FILES).into_iter().flatten();
    let paths: Vec<&PathBuf> = paths.collect();
    let (pairs, _) = paths.as_chunks::<2>();
    pairs.iter().map(|pair| pair.map(PathBuf::clone)).collect()
}

/// Returns the options that are given, as words of a command line: all but those that choose cases, and
/// those of the report.
fn for_again(matches: &ArgMatches) -> Vec<OsString> {
    const OTHERS: [&str; 9] = [PROGRAM, ONLY, FAULTS, JOBS, LIST, FORMAT, JSON, JUNIT, HTML];
    let mut words = Vec::new();
    let command = command();
    let given = command.get_arguments().filter(|arg| {
        let id = arg.get_id().as_str();
        !OTHERS.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    });
    for arg in given {
        let Some(long) = arg.get_long() else { continue };
        let option = OsString::from(format!("--{long}"));
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            words.push(option);
            continue;
        }
        for values in matches.get_raw_occurrences(arg.get_id().as_str()).into_iter().flatten() {
            let values: Vec<_> = values.collect();
            words.push(option.clone());
            match arg.get_value_delimiter() {
                Some(_) => words.push(values.join(OsStr::new(","))),
                None => words.extend(values.into_iter().map(OsStr::to_owned)),
            }
        }
    }
    words
}

pub(super) fn command() -> Command {
    let scripts = [
        Arg::new(CHECK).long(CHECK).value_name("COMMAND").help(
            "Run sh -c COMMAND after PROGRAM has exited with 0; if it fails, the copy is wrong",
        ),
        Arg::new(CHECK_FAILED).long(CHECK_FAILED).value_name("COMMAND").help(
            "Run sh -c COMMAND after PROGRAM has failed; if it fails, PROGRAM left damaged files",
        ),
        Arg::new(SETUP)
            .long(SETUP)
            .value_name("COMMAND")
            .help("Run sh -c COMMAND before each run, e.g. to remove the target of the run before"),
    ]
    .map(|arg| arg.value_parser(OsStringValueParser::new()).allow_hyphen_values(true));
    let files = [
        Arg::new(FROM)
            .long(FROM)
            .value_name("DIR")
            .help("Copy the content of DIR into each new directory"),
        Arg::new(JSON).long(JSON).value_name("FILE").help("Also write the report as JSON to FILE"),
        Arg::new(JUNIT).long(JUNIT).value_name("FILE").help("Also write JUnit XML to FILE"),
        Arg::new(HTML).long(HTML).value_name("FILE").help(
            "Also write a page for a browser to FILE: the matrix, and what PROGRAM wrote in each case \
             that did not pass",
        ),
    ];
    let files = files.map(|arg| arg.value_parser(PathBufValueParser::new()));
    let flags = [
        Arg::new(FRESH).long(FRESH).help(
            "Run each case in a new directory in $TMPDIR, which is removed, several at a time",
        ),
        Arg::new(KEEP).long(KEEP).help("Keep the directories of bad cases"),
        Arg::new(LIST).long(LIST).help("List the cases, run none"),
    ];
    let flags = flags.map(|arg| arg.action(ArgAction::SetTrue));
    let lists = [
        Arg::new(FAULTS).long(FAULTS).default_value("default").hide_default_value(true).help(
            "Try these faults: names of errors, short, short=BYTES, short=N%, zero, signal, \
                 all [default: all that the hook is known to return]",
        ),
        Arg::new(MUST_PASS).long(MUST_PASS).help(
            "Report a case with one of these faults as bad if PROGRAM fails [names as for \
             --faults; default: none]",
        ),
    ];
    let lists = lists.map(|arg| arg.value_name("LIST").value_delimiter(','));
    Command::new("sweep")
        .about(
            "Run PROGRAM once for each fault that can apply to its copies, and report each result",
        )
        .override_usage("cfr sweep [OPTIONS] [--] PROGRAM [ARG]...")
        .after_help(
            "\
First PROGRAM is run without a fault, to see that it works and which calls it makes. Then each
fault is tried at the first, the second, the last and every call through each hook, and after short
copies: with a third copied (middle), and with three quarters (end). If there are several targets,
each has cases of its own, in which only one call of all processes is hit. If PROGRAM copies by
other calls after a fault, the fault is kept, and each fault is tried at these. The results:
  passed   exit status 0, and --check passed     failed   another exit status
  WRONG    exit status 0, but --check failed     HUNG     not finished after --timeout
  DAMAGED  failed, and --check-failed failed     CRASHED  ended by a signal
  missed   the fault applied to no call
If the fault is a signal and that signal ends PROGRAM, the case counts as failed.
--check-files checks after both, without a command. Bad cases are in capitals, each with a command
line that repeats it.

Without --check or --check-files, a wrong copy counts as passed. Without --fresh, all cases
run one after another in the working directory, and a target that one leaves is there for the next:
remove it with --setup.

Examples:
  cfr sweep --setup 'rm -f b' --check 'cmp a b' -- cp a b
  cfr sweep --setup 'rm -f b' --check-files a b -- ./program a b
  cfr sweep --fresh --from tests/data --check 'cmp a b' -- python3 /path/of/copy.py a b
  cfr sweep --must-pass ENOSYS,EXDEV,EOPNOTSUPP,short --check 'cmp a b' -- ./program
  cfr sweep --html sweep.html --check 'cmp a b' -- ./program
  cfr sweep --faults EIO,short=4096 --junit sweep.xml -- make check

Exit status: 0 if no case is bad; 1 if a case is bad; 125 if cfr failed or PROGRAM fails without a
fault; 126 if PROGRAM cannot be executed; 127 if it is not found.",
        )
        .args(scripts)
        .arg(
            Arg::new(CHECK_FILES)
                .long(CHECK_FILES)
                .value_names(["SOURCE", "TARGET"])
                .num_args(2)
                .action(ArgAction::Append)
                .value_parser(PathBufValueParser::new())
                .help(
                    "Check after a success that TARGET has SOURCE's bytes; after a failure, that \
                     TARGET is complete, as before or absent; and always that SOURCE is as before \
                     [repeatable]",
                ),
        )
        .args(lists)
        .args(flags)
        .args(files)
        .arg(
            Arg::new(ONLY)
                .long(ONLY)
                .value_name("CASE")
                .action(ArgAction::Append)
                .conflicts_with(FAULTS)
                .help("Run only this case, named as in the report; repeatable"),
        )
        .arg(
            Arg::new(SIGNAL)
                .long(SIGNAL)
                .value_name("NAME")
                .default_value("SIGURG")
                .hide_default_value(true)
                .help("Interrupt calls with this signal [default: SIGURG, which ends no program]"),
        )
        .arg(
            Arg::new(TIMEOUT)
                .long(TIMEOUT)
                .value_name("TIME")
                .value_parser(time)
                .allow_negative_numbers(true)
                .help(
                    "Kill a run after TIME, in seconds or with a unit [default: 20 times the run \
                     without a fault, at least 10s]",
                ),
        )
        .arg(
            Arg::new(JOBS)
                .short('j')
                .long(JOBS)
                .value_name("N")
                .value_parser(|word: &str| number(word, 1..=1000_usize))
                .help("Run N cases at a time [1 to 1000; default: the number of processors]"),
        )
        .arg(report_format())
        .args(
            TABLE
                .iter()
                .filter(|setting| is_for_sweep(setting))
                .filter_map(|setting| option(setting, setting.default)),
        )
        .args([profile_option(), reach_option()])
        .arg(command_line())
}

/// Reports whether a sweep has the setting. It sets those of the log and the summary itself.
fn is_for_sweep(setting: &Setting) -> bool {
    matches!(
        setting.variable,
        "CFR_INJECT"
            | "CFR_DIALECT"
            | "CFR_CHECKS"
            | "CFR_DEFAULT_FLAGS"
            | "CFR_BACKEND"
            | "CFR_FALLBACK"
            | "CFR_VERIFY"
            | "CFR_HOOKS"
            | "CFR_FORWARD"
    )
}

/// Parses a time as timeout(1) does: seconds, or a number with a unit.
fn time(word: &str) -> Result<Duration, String> {
    let time = match word.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(word).ok(),
    };
    time.filter(|time| !time.is_zero())
        .ok_or_else(|| "expected seconds, or a number with a unit such as 500ms or 2m".to_owned())
}

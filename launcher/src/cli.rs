//! The command line, made from the table of settings.

use crate::environment::Variables;
use crate::failure::Failure;
use cfr_core::settings::{Name, Setting, TABLE};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

/// What the user asks for: one arm a subcommand, or two where they differ in a word.
#[derive(Debug)]
pub(crate) enum Request {
    /// `cfr trace` and `cfr run`.
    Run(Run),
    /// `cfr probe`.
    Probe(Probe),
    /// `cfr inspect`.
    Inspect(Inspect),
    /// `cfr dialects`.
    Dialects(Dialects),
    /// `cfr profiles`.
    Profiles(Profiles),
    /// `cfr report`.
    Report(Report),
    /// `cfr sweep`.
    Sweep(Box<Sweep>),
}

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

/// What is in these logs?
#[derive(Debug)]
pub(crate) struct Report {
    /// How to say it.
    pub(crate) format: Format,
    /// How many calls and pairs of paths to name.
    pub(crate) top: usize,
    /// In which order the pairs stand.
    pub(crate) order: Order,
    /// Where to write a trace for viewers; `-` is standard output, in place of the report.
    pub(crate) chrome: Option<PathBuf>,
    /// The logs, one at least; `-` is standard input.
    pub(crate) logs: Vec<PathBuf>,
}

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

/// What makes one row of a report go before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Bytes copied or shared.
    Bytes,
    /// How many calls.
    Calls,
    /// Nanoseconds within calls.
    Time,
    /// How many calls failed.
    Errors,
}

impl Order {
    const ALL: [(&'static str, Order); 4] = [
        ("bytes", Order::Bytes),
        ("calls", Order::Calls),
        ("time", Order::Time),
        ("errors", Order::Errors),
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        Order::ALL.into_iter().find(|(_, order)| *order == self).map_or("", |(name, _)| name)
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For human eyes.
    Text,
    /// For programs.
    Json,
}

const PROGRAM: &str = "PROGRAM";
const PATH: &str = "PATH";
const DIALECT: &str = "NAME";
const FORMAT: &str = "format";
const PROGRESS: &str = "progress";
const EXPECT: &str = "expect";
const WITNESS: &str = "witness";
const PROFILE: &str = "profile";
const JSON: &str = "json";
const ENV: &str = "env";
const TOP: &str = "top";
const ORDER: &str = "by";
const CHROME: &str = "chrome";
const LOG: &str = "LOG";
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

/// Reads the command line. Help and version are printed here, and end the launcher.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, Failure> {
    let matches = command().try_get_matches_from(words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            process::exit(0);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Failure::new(format!("no command given\n\n{error}"))
        }
        _ => {
            let text = error.to_string();
            Failure::new(text.strip_prefix("error: ").unwrap_or(&text).trim_end())
        }
    })?;
    let (name, matches) =
        matches.subcommand().ok_or_else(|| Failure::new("no command; see cfr --help"))?;
    Ok(match name {
        "probe" => Request::Probe(Probe {
            format: format(matches),
            paths: matches.get_many(PATH).into_iter().flatten().cloned().collect(),
        }),
        "inspect" => Request::Inspect(Inspect {
            format: format(matches),
            program: matches.get_one(PROGRAM).cloned().unwrap_or_default(),
        }),
        "dialects" => Request::Dialects(Dialects {
            format: format(matches),
            name: matches.get_one(DIALECT).cloned(),
        }),
        "profiles" => Request::Profiles(Profiles {
            format: match matches.get_one::<String>(FORMAT) {
                Some(name) if name == JSON => Listing::Json,
                Some(name) if name == ENV => Listing::Environment,
                _ => Listing::Text,
            },
            names: matches.get_many(PROFILE).into_iter().flatten().cloned().collect(),
        }),
        "report" => Request::Report(report(matches)),
        "sweep" => Request::Sweep(Box::new(sweep(matches))),
        _ => Request::Run(Run {
            trace: name == "trace",
            progress: matches.get_flag(PROGRESS),
            expectations: matches.get_many(EXPECT).into_iter().flatten().cloned().collect(),
            witness: matches.get_one(WITNESS).cloned(),
            profiles: matches.get_many(PROFILE).into_iter().flatten().cloned().collect(),
            settings: settings(matches),
            program: matches.get_many(PROGRAM).into_iter().flatten().cloned().collect(),
        }),
    })
}

fn format(matches: &ArgMatches) -> Format {
    match matches.get_one::<String>(FORMAT) {
        Some(name) if name == JSON => Format::Json,
        _ => Format::Text,
    }
}

fn report(matches: &ArgMatches) -> Report {
    let order = matches.get_one::<String>(ORDER);
    let order = Order::ALL.into_iter().find(|(name, _)| order.is_some_and(|order| order == name));
    Report {
        format: format(matches),
        top: matches.get_one::<u16>(TOP).map_or(0, |&top| usize::from(top)),
        order: order.map_or(Order::Bytes, |(_, order)| order),
        chrome: matches.get_one(CHROME).cloned(),
        logs: matches.get_many(LOG).into_iter().flatten().cloned().collect(),
    }
}

fn sweep(matches: &ArgMatches) -> Sweep {
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

fn settings(matches: &ArgMatches) -> Variables {
    TABLE
        .iter()
        .filter(|setting| setting.option.is_some())
        .filter_map(|setting| {
            // Not every command has all of them. Only faults may be repeated.
            let values = matches.try_get_many::<OsString>(setting.variable).ok().flatten()?;
            let values: Vec<_> = values.map(OsString::as_os_str).collect();
            Some((setting.variable, values.join(OsStr::new(";"))))
        })
        .collect()
}

fn command() -> Command {
    Command::new("cfr")
        .version(env!("CARGO_PKG_VERSION"))
        .about("See every copy that a program makes: copy_file_range, reflink, dedupe, sendfile")
        .after_help(after_help())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(running("trace", "Log every copy of PROGRAM and of the processes it starts"))
        .subcommand(running("run", "The same settings, quietly: as trace --log error"))
        .subcommand(probe())
        .subcommand(inspect())
        .subcommand(dialects())
        .subcommand(profiles())
        .subcommand(reporting())
        .subcommand(sweeping())
}

/// The text in lines of at most 100 columns, of which the first `indent` are taken.
fn hanging(text: &str, indent: usize) -> String {
    const COLUMNS: usize = 100;
    let (mut lines, mut column) = (String::new(), indent);
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > COLUMNS {
            let _ = write!(lines, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

fn after_help() -> String {
    let mut settings = String::new();
    for (setting, option) in TABLE.iter().filter_map(|row| row.option.map(|option| (row, option))) {
        let short = setting.short().map_or("    ".into(), |short| format!("-{short}, "));
        let names = format!("  {short}--{option:<13} {:<17} ", setting.variable);
        let _ = writeln!(settings, "{names}{}", hanging(&setting.legal.to_string(), names.len()));
    }
    format!(
        "\
Settings, as options of trace and run and as environment variables:
{settings}
Examples:
  cfr trace cp a b                         what does cp ask for, and what does it get?
  cfr trace -o log.json --format json -- make
  LD_PRELOAD=libcfr.so cp a b              the same without the launcher
  cfr run --default-flags COPY_FR_REFLINK node build.js    share blocks, or fail
  cfr run --expect method=reflink cp a b   status 123 where it was no reflink
  cfr run -c make                          how many copies, how, how fast, which errors?
  cfr trace --dialect freebsd make         what would FreeBSD say to these calls?
  cfr dialects linux                       by which rules, and from where?
  cfr run --profile nfs ./sync             does it cope with short copies, as on NFS?
  cfr report log.json                      who copied what, how fast, and what failed?
  cfr sweep --check 'cmp a b' -- cp a b    does cp cope with each error and each short copy?
  cfr probe /home /mnt/usb                 what can the kernel and these filesystems do?
  cfr inspect busybox                      would cfr trace see its copies, and through which doors?

The exit status is PROGRAM's; 128+N where signal N ended it; 123 where an expectation
(cfr run --help) does not hold; 125 where cfr failed, 126 where PROGRAM cannot be executed, 127
where it is not found; of probe 1 where a PATH could not be probed, of sweep 1 where a point is bad.
See cfr(1) and libcfr(7)."
    )
}

fn running(name: &'static str, about: &'static str) -> Command {
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

fn command_line() -> Arg {
    Arg::new(PROGRAM)
        .help("The program, and its arguments")
        .value_name("PROGRAM")
        .required(true)
        .num_args(1..)
        .trailing_var_arg(true)
        .value_parser(OsStringValueParser::new())
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
                     lines_lost; shared, partly_shared, not_shared (with --shared yes); a method, a door, or an
                     error as EXDEV: calls answered by it, through it, that failed with it
  no NAME            the same as NAME = 0; no error, no emulated, no EXDEV
  method=WORD,...    some bytes moved so, and none otherwise: kernel, reflink, dedup, emulated,
                     next, none
  door=WORD,...      some calls came through these, and none through others
  error=NAME,...     some calls failed with these, and none with others
  method!=WORD       no call was answered so; door!= and error!= likewise
Where libcfr.so was not loaded none holds; quote them, the shell knows > and !

Examples:
  cfr run --expect method=reflink cp a b         did it share the blocks?
  cfr run --expect 'calls>=1' --expect 'no error' -- make install
  cfr run --expect 'bytes>=1M' --witness copies.json -- ./test

The exit status is PROGRAM's; 123 where an expectation does not hold.";

fn probe() -> Command {
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

fn inspect() -> Command {
    Command::new("inspect")
        .about("Tell through which doors PROGRAM can copy, and whether a preload can see it")
        .after_help(
            "\
It reads the files of PROGRAM and of the libraries that it needs; it executes nothing. A script
is followed to its interpreter. Doors for copies only count where they are imported; syscall where
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

fn dialects() -> Command {
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

fn profiles() -> Command {
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

fn reporting() -> Command {
    Command::new("report")
        .about("Add up JSON logs: totals, methods, errors, latency, the slowest calls, paths")
        .after_help(
            "\
Examples:
  cfr trace -o log.json --format json -- make && cfr report log.json
  cfr report --by errors --top 20 log.json         which files cannot be copied?
  cfr report --format json log.json | jq .latency_ns.p99
  cfr report --chrome trace.json log.json          for ui.perfetto.dev, chrome://tracing

A log of any size takes the same memory. The exit status is 125 where a LOG cannot be read.",
        )
        .arg(report_format())
        .arg(
            Arg::new(TOP)
                .long(TOP)
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=1000))
                .default_value("10")
                .hide_default_value(true)
                .help(
                    "How many calls, programs and pairs of paths to name [1 to 1000; default: 10]",
                ),
        )
        .arg(
            Arg::new(ORDER)
                .long(ORDER)
                .value_name("VALUE")
                .value_parser(Order::ALL.map(|(name, _)| name))
                .default_value("bytes")
                .hide_default_value(true)
                .hide_possible_values(true)
                .help("Which programs and pairs go first [bytes, calls, time, errors; default: bytes]"),
        )
        .arg(
            Arg::new(CHROME)
                .long(CHROME)
                .value_name("FILE")
                .value_parser(PathBufValueParser::new())
                .help(
                    "Write a trace for ui.perfetto.dev and chrome://tracing to this file too; \
                     - is standard output, without the report",
                ),
        )
        .arg(
            Arg::new(LOG)
                .help("A log that was written with --format json; - is standard input")
                .value_name("LOG")
                .required(true)
                .num_args(1..)
                .value_parser(PathBufValueParser::new()),
        )
}

fn sweeping() -> Command {
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
            .help("Which faults to try: names of errors, short, short=BYTES, short=N%, zero, signal; default is all that a door is known for"),
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
fault is tried at its first, second and last call through each door. Outcomes:
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
            | Name::Doors
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

fn report_format() -> Arg {
    Arg::new(FORMAT)
        .long("format")
        .value_name("VALUE")
        .value_parser(["text", JSON])
        .default_value("text")
        .hide_possible_values(true)
        .help("For eyes, or as JSON [text, json]")
}

fn option(setting: &'static Setting, default: &str) -> Option<Arg> {
    let long = setting.option?;
    let help = format!(
        "{} [{}; default: {default}] [env: {}]",
        setting.help(),
        setting.legal,
        setting.variable
    );
    let option = Arg::new(setting.variable)
        .long(long)
        .value_name(if long == "output" { "FILE" } else { "VALUE" })
        .value_parser(OsStringValueParser::new())
        .help(help);
    // A word behind a plain -c is the program.
    let option = match setting.name {
        Name::Summary => option.num_args(0..=1).require_equals(true).default_missing_value("yes"),
        Name::Inject => option.action(ArgAction::Append),
        _ => option.allow_hyphen_values(true),
    };
    Some(match setting.short() {
        Some(short) => option.short(short),
        None => option,
    })
}

//! The command line, made from the table of settings.

use crate::environment::Variables;
use crate::failure::Failure;
use cfr_core::settings::{Name, Setting, TABLE};
use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::process;

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
}

/// A program with the library in it.
#[derive(Debug)]
pub(crate) struct Run {
    /// Whether every copy is to be logged.
    pub(crate) trace: bool,
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
const JSON: &str = "json";

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
        _ => Request::Run(Run {
            trace: name == "trace",
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

fn settings(matches: &ArgMatches) -> Variables {
    TABLE
        .iter()
        .filter(|setting| setting.option.is_some())
        .filter_map(|setting| {
            let value = matches.get_one::<OsString>(setting.variable)?;
            Some((setting.variable, value.clone()))
        })
        .collect()
}

fn command() -> Command {
    Command::new("cfr")
        .version(env!("CARGO_PKG_VERSION"))
        .about("See every copy_file_range that a program makes")
        .after_help(after_help())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(running("trace", "Log every copy of PROGRAM and of the processes it starts"))
        .subcommand(running("run", "The same settings, quietly: as trace --log error"))
        .subcommand(probe())
        .subcommand(inspect())
        .subcommand(dialects())
}

fn after_help() -> String {
    let mut settings = String::new();
    for (setting, option) in TABLE.iter().filter_map(|row| row.option.map(|option| (row, option))) {
        let short = setting.short().map_or("    ".into(), |short| format!("-{short}, "));
        let _ = writeln!(
            settings,
            "  {short}--{option:<13} {:<17} {}",
            setting.variable, setting.legal
        );
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
  cfr trace --dialect freebsd make         what would FreeBSD say to these calls?
  cfr dialects linux                       by which rules, and from where?
  cfr probe /home /mnt/usb                 what can the kernel and these filesystems do?
  cfr inspect busybox                      would cfr trace see its copies, and through which doors?

The exit status is PROGRAM's; 128+N where signal N ended it; 125 where cfr failed,
126 where PROGRAM cannot be executed, 127 where it is not found; of probe 1 where a
PATH could not be probed.
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
    Command::new(name).about(about).override_usage(usage).args(options).arg(
        Arg::new(PROGRAM)
            .help("The program, and its arguments")
            .value_name("PROGRAM")
            .required(true)
            .num_args(1..)
            .trailing_var_arg(true)
            .value_parser(OsStringValueParser::new()),
    )
}

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
        .allow_hyphen_values(true)
        .value_parser(OsStringValueParser::new())
        .help(help);
    Some(match setting.short() {
        Some(short) => option.short(short),
        None => option,
    })
}

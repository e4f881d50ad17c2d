//! The command line, made from the table of settings.

use crate::environment::Variables;
use crate::failure::Failure;
use cfr_core::settings::{Setting, TABLE};
use clap::builder::OsStringValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;
use std::fmt::Write;
use std::process;

/// What the user asks for.
#[derive(Debug)]
pub(crate) struct Request {
    /// Whether every copy is to be logged.
    pub(crate) trace: bool,
    /// The settings given on the command line.
    pub(crate) settings: Variables,
    /// The program and its arguments.
    pub(crate) program: Vec<OsString>,
}

const PROGRAM: &str = "PROGRAM";

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
    Ok(Request {
        trace: name == "trace",
        settings: settings(matches),
        program: matches.get_many(PROGRAM).into_iter().flatten().cloned().collect(),
    })
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
}

fn after_help() -> String {
    let mut settings = String::new();
    for (setting, option) in TABLE.iter().filter_map(|row| row.option.map(|option| (row, option))) {
        let short = setting.short.map_or("    ".into(), |short| format!("-{short}, "));
        let _ =
            writeln!(settings, "  {short}--{option:<9} {:<15} {}", setting.variable, setting.legal);
    }
    format!(
        "\
Settings, as options of trace and run and as environment variables:
{settings}
Examples:
  cfr trace cp a b                         what does cp ask for, and what does it get?
  cfr trace -o log.json --format json -- make
  LD_PRELOAD=libcfr.so cp a b              the same without the launcher

The exit status is PROGRAM's; 128+N where signal N ended it; 125 where cfr failed,
126 where PROGRAM cannot be executed, 127 where it is not found.
See cfr(1) and libcfr(7)."
    )
}

fn running(name: &'static str, about: &'static str) -> Command {
    let options = TABLE.iter().filter_map(option);
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

fn option(setting: &'static Setting) -> Option<Arg> {
    let long = setting.option?;
    let help = format!(
        "{} [{}; default: {}] [env: {}]",
        setting.help, setting.legal, setting.default, setting.variable
    );
    let option = Arg::new(setting.variable)
        .long(long)
        .value_name(if long == "output" { "FILE" } else { "VALUE" })
        .allow_hyphen_values(true)
        .value_parser(OsStringValueParser::new())
        .help(help);
    Some(match setting.short {
        Some(short) => option.short(short),
        None => option,
    })
}

//! The command line: one file a command, and the options that are made from the table of settings.
//!
//! A file uses only files above it in this list.

mod settings_help;

mod args;

mod hints;

mod launch;

mod trace;

mod run;

mod sweep;

mod report;

mod summary;

mod probe;

mod inspect;

mod dialects;

mod profiles;

mod completions;

pub(crate) use args::ReportFormat;
pub(crate) use dialects::DialectsArgs;
pub(crate) use inspect::InspectArgs;
pub(crate) use launch::LaunchArgs;
pub(crate) use probe::ProbeArgs;
pub(crate) use profiles::{ProfilesArgs, ProfilesFormat};
pub(crate) use report::{Order, ReportArgs};
pub(crate) use run::LEVEL as RUN_LEVEL;
pub(crate) use summary::SummaryArgs;
pub(crate) use sweep::SweepArgs;
pub(crate) use trace::LEVEL as TRACE_LEVEL;

use crate::term::failure::Failure;
use crate::term::stdout;
use cfr_shared::settings::TABLE;
use clap::Command;
use clap::error::ErrorKind;
use clap_complete::Shell;
use std::ffi::OsString;
use std::fmt::Write;
use std::process;

/// A command with its arguments.
#[derive(Debug)]
pub(crate) enum Request {
    Trace(LaunchArgs),
    Run(LaunchArgs),
    Sweep(Box<SweepArgs>),
    Report(ReportArgs),
    Summary(SummaryArgs),
    Probe(ProbeArgs),
    Inspect(InspectArgs),
    Dialects(DialectsArgs),
    Profiles(ProfilesArgs),
    Completions(Shell),
}

/// Reads the command line. Prints help and the version itself, and exits then.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, Failure> {
    let words: Vec<_> = words.into_iter().collect();
    let matches = command().try_get_matches_from(&words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => print(&error, "the help"),
        ErrorKind::DisplayVersion => print(&error, "the version"),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Failure::new(format!("no command given\n\n{error}"))
        }
        _ => {
            let text = hints::better(&error, &words).unwrap_or_else(|| error.to_string());
            Failure::new(text.strip_prefix("error: ").unwrap_or(&text).trim_end())
        }
    })?;
    let (name, matches) =
        matches.subcommand().ok_or_else(|| Failure::new("no command given; see cfr --help"))?;
    hints::check(&words, matches)?;
    Ok(match name {
        "trace" => Request::Trace(launch::read(matches)),
        "sweep" => Request::Sweep(Box::new(sweep::read(matches))),
        "report" => Request::Report(report::read(matches)),
        "summary" => Request::Summary(summary::read(matches)),
        "probe" => Request::Probe(probe::read(matches)),
        "inspect" => Request::Inspect(inspect::read(matches)),
        "dialects" => Request::Dialects(dialects::read(matches)),
        "profiles" => Request::Profiles(profiles::read(matches)),
        "completions" => Request::Completions(completions::read(matches)),
        _ => Request::Run(launch::read(matches)),
    })
}

/// Prints help or the version and ends the process. Returns the failure if that could not be written.
fn print(text: &clap::Error, what: &str) -> Failure {
    match stdout::check(text.print(), what) {
        Ok(()) => process::exit(0),
        Err(failure) => failure,
    }
}

/// Returns the program that a command line of `cfr` runs, with its arguments.
pub(crate) fn program_of(words: &[OsString]) -> Option<Vec<OsString>> {
    let matches = command().try_get_matches_from(words).ok()?;
    let (_, matches) = matches.subcommand()?;
    Some(matches.try_get_many(args::PROGRAM).ok()??.cloned().collect())
}

fn command() -> Command {
    Command::new("cfr")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Trace, check and fault-inject the copies of a program: copy_file_range, reflink, \
             dedupe, sendfile",
        )
        .after_help(after_help())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(trace::command())
        .subcommand(run::command())
        .subcommand(sweep::command())
        .subcommand(report::command())
        .subcommand(summary::command())
        .subcommand(probe::command())
        .subcommand(inspect::command())
        .subcommand(dialects::command())
        .subcommand(profiles::command())
        .subcommand(completions::command())
}

/// Returns the completions of this command line for a shell.
pub(crate) fn completions(shell: Shell) -> String {
    String::from_utf8_lossy(&completions::script(shell, command())).into_owned()
}

/// Wraps the text at 100 columns, with a hanging indent of `indent` columns.
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
        let short =
            settings_help::of(setting).short.map_or("    ".into(), |short| format!("-{short}, "));
        let names = format!("  {short}--{option:<13} {:<17} ", setting.variable);
        let _ = writeln!(settings, "{names}{}", hanging(&setting.values.to_string(), names.len()));
    }
    format!(
        "\
Settings, as options of trace and run and as environment variables:
{settings}
Examples:
  cfr trace cp a b                          log every copy that cp makes, and its result
  cfr trace -o log.json --format json -- make
  cfr report log.json                       totals, speed, errors, the slowest calls
  cfr run -c make                           print a summary when make has ended
  cfr summary PID                           the same of a program that still runs
  cfr run --expect method=reflink cp a b    status 123 if cp did not share the blocks
  cfr run --profile nfs ./sync              does ./sync cope with the short copies of NFS?
  cfr sweep --check 'cmp a b' -- cp a b     try each error and each short copy on cp
  cfr trace --dialect freebsd make          apply the rules of FreeBSD
  cfr dialects linux                        print the rules of Linux with their sources
  cfr run --default-flags COPY_FR_REFLINK node build.js    reflink, or fail
  cfr probe /home /mnt/usb                  what can the kernel and these filesystems do?
  cfr inspect busybox                       by which calls can it copy, and what sees them?
  LD_PRELOAD=libcfr.so cp a b               trace without the launcher

Exit status: that of PROGRAM; 128+N if signal N ended it; 123 if an expectation does not hold (see
cfr run --help); 125 if cfr failed; 126 if PROGRAM cannot be executed; 127 if it is not found.
cfr probe: 1 if a PATH could not be probed. cfr sweep: 1 if a case is bad.
See cfr(1) and libcfr(7)."
    )
}

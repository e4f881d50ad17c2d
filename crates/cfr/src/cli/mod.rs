//! The command line, made from the table of settings: one file a command, or a few that only ask.

mod words;

mod ask;
mod report;
mod run;
mod sweep;

pub(crate) use ask::{Dialects, Inspect, Listing, Probe, Profiles};
pub(crate) use report::{Order, Report};
pub(crate) use run::Run;
pub(crate) use sweep::Sweep;
pub(crate) use words::Format;

use crate::term::failure::Failure;
use cfr_shared::settings::TABLE;
use clap::Command;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::fmt::Write;
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
    /// `cfr profiles`.
    Profiles(Profiles),
    /// `cfr report`.
    Report(Report),
    /// `cfr sweep`.
    Sweep(Box<Sweep>),
}

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
        "probe" => Request::Probe(ask::probe(matches)),
        "inspect" => Request::Inspect(ask::inspect(matches)),
        "dialects" => Request::Dialects(ask::dialects(matches)),
        "profiles" => Request::Profiles(ask::profiles(matches)),
        "report" => Request::Report(report::report(matches)),
        "sweep" => Request::Sweep(Box::new(sweep::sweep(matches))),
        _ => Request::Run(run::run(name, matches)),
    })
}

fn command() -> Command {
    Command::new("cfr")
        .version(env!("CARGO_PKG_VERSION"))
        .about("See every copy that a program makes: copy_file_range, reflink, dedupe, sendfile")
        .after_help(after_help())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::command(
            "trace",
            "Log every copy of PROGRAM and of the processes it starts",
        ))
        .subcommand(run::command("run", "The same settings, quietly: as trace --log error"))
        .subcommand(ask::probe_command())
        .subcommand(ask::inspect_command())
        .subcommand(ask::dialects_command())
        .subcommand(ask::profiles_command())
        .subcommand(report::command())
        .subcommand(sweep::command())
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
  cfr inspect busybox                      would cfr trace see its copies, and through which hooks?

The exit status is PROGRAM's; 128+N where signal N ended it; 123 where an expectation
(cfr run --help) does not hold; 125 where cfr failed, 126 where PROGRAM cannot be executed, 127
where it is not found; of probe 1 where a PATH could not be probed, of sweep 1 where a point is bad.
See cfr(1) and libcfr(7)."
    )
}

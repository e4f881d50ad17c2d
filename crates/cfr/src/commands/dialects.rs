//! `cfr dialects`: prints the rules of each dialect, in order, with their sources, and those of the
//! calls that are only forwarded.

use crate::cli::{DialectsArgs, ReportFormat};
use crate::term::failure::{Failure, one_of, printable};
use crate::term::stdout;
use cfr_engine::dialect::{ALL, Dialect, FORWARDED, ForwardedCalls, Phase, Rule, Ruling};
use cfr_sys::errno::Errno;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// A table of rules.
enum Table {
    Dialect(&'static Dialect),
    /// What the kernel checks of calls that are only forwarded.
    Forwarded(&'static ForwardedCalls),
}

/// Prints one table, or all of them.
pub(crate) fn run(args: &DialectsArgs) -> Result<u8, Failure> {
    let all = ALL.into_iter().map(Table::Dialect).chain(FORWARDED.iter().map(Table::Forwarded));
    let chosen: Vec<_> = match &args.name {
        None => all.collect(),
        Some(name) => vec![by_name(name)?],
    };
    let text = match args.format {
        ReportFormat::Text => chosen.iter().map(text).collect::<Vec<_>>().join("\n"),
        ReportFormat::Json => {
            let tables: Value = chosen.iter().map(as_json).collect();
            format!("{tables:#}\n")
        }
    };
    stdout::write(&text)
}

fn by_name(name: &OsStr) -> Result<Table, Failure> {
    let dialect = Dialect::by_name(name.as_bytes()).map(Table::Dialect);
    let forwarded = || ForwardedCalls::by_name(name.as_bytes()).map(Table::Forwarded);
    dialect.or_else(forwarded).ok_or_else(|| {
        let near = names().find(|known| name.eq_ignore_ascii_case(known));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let (name, known) = (printable(name), one_of(names()));
        Failure::new(format!("invalid dialect '{name}': expected {known}{near}"))
    })
}

/// Returns the names of all tables.
fn names() -> impl Iterator<Item = &'static str> {
    let dialects = ALL.iter().flat_map(|row| [Some(row.name), row.alias]).flatten();
    dialects.chain(FORWARDED.iter().flat_map(|calls| calls.name.split(", ")))
}

/// Returns the error that a call gets; `0` if it succeeds and copies nothing.
fn answer(ruling: Ruling) -> &'static str {
    ruling.errno().map_or("0", |errno: Errno| errno.name().unwrap_or("an error"))
}

fn flags(dialect: &Dialect) -> Vec<&'static str> {
    dialect.modes.iter().filter_map(|mode| mode.name()).collect()
}

fn text(table: &Table) -> String {
    let mut text = String::new();
    let rules = match table {
        Table::Dialect(dialect) => {
            let alias = dialect.alias.map_or_else(String::new, |alias| format!(" (or {alias})"));
            let _ = writeln!(text, "{}{alias}: {}", dialect.name, dialect.about);
            let flags = flags(dialect);
            let flags = if flags.is_empty() { "none".to_owned() } else { flags.join(", ") };
            let _ = writeln!(text, "  flags: {flags}");
            dialect.rules
        }
        Table::Forwarded(calls) => {
            let _ = writeln!(text, "{}: {}", calls.name, calls.about);
            let _ = writeln!(text, "  in every dialect; the kernel decides, and the rules explain");
            calls.rules
        }
    };
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    for (number, rule) in rules.iter().enumerate() {
        let signal = match rule.ruling {
            Ruling::RefuseAndRaise(..) => "; raises SIGXFSZ",
            _ => "",
        };
        let (id, answer) = (rule.id, answer(rule.ruling));
        let _ = writeln!(
            text,
            "  {:2}  {id:width$}  {answer:10}  {}{signal}\n{:width$}                    {}{}",
            number + 1,
            rule.why,
            "",
            rule.source.text(),
            phase_note(table, rule),
        );
    }
    text
}

/// Marks a rule that is not evaluated before bytes move.
fn phase_note(table: &Table, rule: &Rule) -> &'static str {
    match (table, rule.phase) {
        (Table::Dialect(_), Phase::Copy) => "; found during the copy",
        (Table::Dialect(_), Phase::Check) | (Table::Forwarded(_), _) => "",
    }
}

fn as_json(table: &Table) -> Value {
    let rule = |rule: &Rule| {
        json!({
            "id": rule.id,
            "answer": answer(rule.ruling),
            "signal": match rule.ruling {
                Ruling::RefuseAndRaise(..) => Value::from("SIGXFSZ"),
                _ => Value::Null,
            },
            "why": rule.why,
            "source": rule.source.text(),
            "phase": match rule.phase {
                Phase::Check => "check",
                Phase::Copy => "copy",
            },
        })
    };
    let rules = |rules: &[Rule]| rules.iter().map(rule).collect::<Value>();
    match table {
        Table::Dialect(dialect) => json!({
            "name": dialect.name,
            "alias": dialect.alias,
            "about": dialect.about,
            "flags": flags(dialect),
            "rules": rules(dialect.rules),
        }),
        Table::Forwarded(calls) => json!({
            "name": calls.name,
            "alias": null,
            "about": calls.about,
            "flags": null,
            "rules": rules(calls.rules),
        }),
    }
}

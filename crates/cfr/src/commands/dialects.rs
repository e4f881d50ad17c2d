//! `cfr dialects`: prints the rules of each dialect, in order, with their sources, and those of the
//! calls that are only forwarded.

use crate::cli::{DialectsArgs, ReportFormat};
use crate::term::failure::{Failure, one_of, printable};
use crate::term::fit::{self, Last, Row};
use crate::term::stdout;
use crate::term::width;
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
        ReportFormat::Text => {
            let texts = chosen.iter().map(|table| text(table, width::of_stdout()));
            texts.collect::<Vec<_>>().join("\n")
        }
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

fn text(table: &Table, columns: Option<usize>) -> String {
    let mut heading = String::new();
    let rules = match table {
        Table::Dialect(dialect) => {
            let alias = dialect.alias.map_or_else(String::new, |alias| format!(" (or {alias})"));
            let _ = writeln!(heading, "{}{alias}: {}", dialect.name, dialect.about);
            let flags = flags(dialect);
            let flags = if flags.is_empty() { "none".to_owned() } else { flags.join(", ") };
            let _ = writeln!(heading, "  flags: {flags}");
            dialect.rules
        }
        Table::Forwarded(calls) => {
            let _ = writeln!(heading, "{}: {}", calls.name, calls.about);
            let _ =
                writeln!(heading, "  in every dialect; the kernel decides, and the rules explain");
            calls.rules
        }
    };
    let mut text = String::new();
    fit::write_text(&mut text, &heading, columns);
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let rows = rules.iter().zip(1..).flat_map(|(rule, number)| {
        let signal = match rule.ruling {
            Ruling::RefuseAndRaise(..) => "; raises SIGXFSZ",
            _ => "",
        };
        let (id, answer) = (rule.id, answer(rule.ruling));
        let head = format!("  {number:2}  {id:width$}  {answer:10}  ");
        let below = " ".repeat(head.len());
        let source = format!("{}{}", rule.source.text(), phase_note(table, rule));
        [
            Row { head, last: Last::Text(format!("{}{signal}", rule.why)) },
            Row { head: below, last: Last::Text(source) },
        ]
    });
    fit::write(&mut text, &rows.collect::<Vec<_>>(), "", columns);
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

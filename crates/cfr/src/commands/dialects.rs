//! `cfr dialects`: prints the rules of each dialect, in order, with their sources.

use crate::cli::{DialectsArgs, ReportFormat};
use crate::term::failure::{Failure, one_of, printable};
use crate::term::stdout;
use cfr_engine::dialect::{ALL, Dialect, Phase, Rule, Ruling};
use cfr_sys::errno::Errno;
use serde_json::{Value, json};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// Prints one dialect, or all of them.
pub(crate) fn run(args: &DialectsArgs) -> Result<u8, Failure> {
    let chosen = match &args.name {
        None => ALL.to_vec(),
        Some(name) => vec![Dialect::by_name(name.as_bytes()).ok_or_else(|| {
            let known = ALL.iter().flat_map(|row| [Some(row.name), row.alias]).flatten();
            let (name, known) = (printable(name), one_of(known));
            Failure::new(format!("invalid dialect '{name}': expected {known}"))
        })?],
    };
    let text = match args.format {
        ReportFormat::Text => {
            chosen.iter().map(|dialect| text(dialect)).collect::<Vec<_>>().join("\n")
        }
        ReportFormat::Json => {
            let dialects: Value = chosen.iter().map(|dialect| as_json(dialect)).collect();
            format!("{dialects:#}\n")
        }
    };
    stdout::write(&text)
}

/// Returns the error that a call gets; `0` if it succeeds and copies nothing.
fn answer(ruling: Ruling) -> &'static str {
    ruling.errno().map_or("0", |errno: Errno| errno.name().unwrap_or("an error"))
}

fn flags(dialect: &Dialect) -> Vec<&'static str> {
    dialect.modes.iter().filter_map(|mode| mode.name()).collect()
}

fn text(dialect: &Dialect) -> String {
    let mut text = String::new();
    let alias = dialect.alias.map_or_else(String::new, |alias| format!(" (or {alias})"));
    let _ = writeln!(text, "{}{alias}: {}", dialect.name, dialect.about);
    let flags = flags(dialect);
    let flags = if flags.is_empty() { "none".to_owned() } else { flags.join(", ") };
    let _ = writeln!(text, "  flags: {flags}");
    let width = dialect.rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    for (number, rule) in dialect.rules.iter().enumerate() {
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
            phase_note(rule),
        );
    }
    text
}

/// Marks a rule that is not evaluated before bytes move.
fn phase_note(rule: &Rule) -> &'static str {
    match rule.phase {
        Phase::Check => "",
        Phase::Copy => "; found during the copy",
    }
}

fn as_json(dialect: &Dialect) -> Value {
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
    json!({
        "name": dialect.name,
        "alias": dialect.alias,
        "about": dialect.about,
        "flags": flags(dialect),
        "rules": dialect.rules.iter().map(rule).collect::<Value>(),
    })
}

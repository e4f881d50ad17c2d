//! The matrix as text: a line a hazard on the terminal, a row a hazard in docs/results/hazards.md.

use crate::failure::{self, Failure};
use crate::judge::{Ending, Tried};
use crate::mode::{Mode, Saying};
use crate::table::{Hazard, Log, Stage};
use cfr_testkit::project;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

/// What stands above the page's table.
const ABOVE: &str = "# Hazards\n\n\
    What programs do to a library that is loaded into them. Each row is a program in `c-tests/hazards/` that does\n\
    it and proves to itself that it has. The program is run bare; under `strace -f`; and with the library\n\
    in each way that it tells of calls (not at all, text on standard error, text in a file, JSON in a file, a\n\
    summary, text in a file while every call meets faults that change no result), each with `CFR_BACKEND=auto` and `emulate`. `same`: status, signal, standard output, its own lines on standard\n\
    error, the names of all files that it leaves, and every byte in them are those of the bare run. So\n\
    there is no byte of log in any file that was not opened for it.\n\n\
    This page is written by a run, `UPDATE=1 make hazards`; `make check` runs all of it, and fails where\n\
    the page says something else.\n\n";

/// A column: its heading, and the modes that it stands for.
fn columns() -> Vec<(String, Vec<Mode>)> {
    use crate::mode::Backend::{Auto, Emulate};
    let mut columns = vec![("strace".to_owned(), vec![Mode::Strace])];
    columns.extend(Saying::ALL.map(|saying| {
        let modes = [Auto, Emulate].map(|backend| Mode::Library(saying, backend));
        (saying.name().to_owned(), modes.to_vec())
    }));
    columns
}

/// What a column holds, in a word; what is said otherwise gets a number, from 1.
fn cell(tried: &Tried<'_>, modes: &[Mode], notes: &mut Vec<&'static str>) -> String {
    let endings = tried.endings.iter().filter(|(mode, _)| modes.contains(mode));
    let mut words = Vec::new();
    for (mode, ending) in endings {
        let word = match ending {
            Ending::Same => "same".to_owned(),
            Ending::AsSaid(why) => {
                let place = notes.iter().position(|note| note == why).unwrap_or_else(|| {
                    notes.push(why);
                    notes.len() - 1
                });
                let ending = tried.hazard.unlike(*mode).expect("it is said there").ending;
                format!("{ending} [{}]", place + 1)
            }
            Ending::Failed(_) => "FAILED".to_owned(),
            Ending::Skipped(_) => "skipped".to_owned(),
        };
        words.push(word);
    }
    let first = words.first().cloned().unwrap_or_else(|| "-".to_owned());
    if words.iter().all(|word| *word == first) { first } else { words.join("; emulate ") }
}

/// What must hold for the log.
fn log(hazard: &Hazard) -> String {
    let word = |log| match log {
        Log::Exact => "every call",
        Log::AtLeast => "every call, and the children's",
        Log::AtMost => "as far as it can",
        Log::Whole => "whole lines",
        Log::Silent => "none",
        Log::Any => "none, or lines cut off by the host",
    };
    match (word(hazard.on_stderr), word(hazard.in_file)) {
        (stderr, file) if stderr == file => file.to_owned(),
        (stderr, file) => format!("stderr: {stderr}; file: {file}"),
    }
}

/// Above the lines on the terminal.
pub fn heading() -> String {
    let columns = columns().into_iter().map(|(name, _)| format!("{name:<7} "));
    format!("{:<40} {}", "hazard", columns.collect::<String>().trim_end())
}

/// A hazard's line on the terminal.
pub fn line(tried: &Tried<'_>) -> String {
    let mut notes = Vec::new();
    let cells = columns().into_iter().map(|(_, modes)| {
        let cell = cell(tried, &modes, &mut notes);
        format!("{cell:<7} ")
    });
    let cells = cells.collect::<String>();
    let mut line = format!("{:<40} {}", tried.hazard.name, cells.trim_end());
    for (place, why) in notes.iter().enumerate() {
        let _ = write!(line, "\n{:41}[{}] {why}", "", place + 1);
    }
    line
}

/// docs/results/hazards.md.
fn page(tried: &[Tried<'_>]) -> String {
    let mut text = String::from(ABOVE);
    let mut notes = Vec::new();
    let mut heading = String::from("| hazard | the host | stands for | log |");
    let mut rule = String::from("|---|---|---|---|");
    for (name, _) in columns() {
        let _ = write!(heading, " {name} |");
        rule.push_str("---|");
    }
    let (hooks, rows): (Vec<_>, Vec<_>) =
        tried.iter().partition(|tried| matches!(tried.hazard.stage, Stage::Hook(_)));
    let _ = writeln!(text, "{heading}\n{rule}");
    for tried in rows {
        row(&mut text, tried, tried.hazard.does, &mut notes);
    }
    let _ = writeln!(text, "\nThe same by other hooks, the ioctls on btrfs:\n\n{heading}\n{rule}");
    for tried in hooks {
        row(&mut text, tried, "the same", &mut notes);
    }
    text.push('\n');
    for (place, why) in notes.iter().enumerate() {
        let _ = writeln!(text, "[{}] {why}.\n", place + 1);
    }
    text.push_str("What they stand for has happened to users of other preloaded tools:\n\n");
    for failure in failure::ALL {
        let _ = writeln!(text, "* F{}, {}: {}", failure.number, failure.name, failure.subject);
    }
    text
}

fn row(text: &mut String, tried: &Tried<'_>, does: &str, notes: &mut Vec<&'static str>) {
    let hazard = tried.hazard;
    let name = hazard.name.replace('_', " ");
    let Failure { number, name: failure, .. } = hazard.failure;
    let _ = write!(text, "| {name} | {does} | F{number}, {failure} | {} |", log(hazard));
    for (_, modes) in columns() {
        let _ = write!(text, " {} |", cell(tried, &modes, notes));
    }
    text.push('\n');
}

/// What differs from the page; `UPDATE=1` writes it there.
pub fn compare(tried: &[Tried<'_>]) -> Vec<String> {
    let stood_for: BTreeSet<_> = tried.iter().map(|tried| tried.hazard.failure.number).collect();
    let mut trouble: Vec<_> = failure::ALL
        .iter()
        .filter(|failure| !stood_for.contains(&failure.number))
        .map(|failure| format!("no hazard stands for F{}", failure.number))
        .collect();
    let path = project().join("docs/results/hazards.md");
    let page = page(tried);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page).expect("docs/ can be written");
    } else if fs::read_to_string(&path).unwrap_or_default() != page {
        trouble
            .push("docs/results/hazards.md says something else: UPDATE=1 make hazards".to_owned());
    }
    trouble
}

//! The matrix as text: a line for each hazard on the terminal, a row in docs/results/hazards.md.

use crate::check::{HazardResult, Verdict};
use crate::failure::{self, Failure};
use crate::mode::{LogOutput, Mode};
use crate::table::{ExpectedLog, Hazard, Setup};
use cfr_testkit::project;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

const INTRODUCTION: &str = "\
# Hazards

What programs do to a library that is loaded into them. Each row is a program in `c-tests/hazards/`
that does it and checks that it happened. `make hazards` runs each program bare, under `strace -f`,
under the launcher's supervisor (`cfr run --reach=all`) without the library, and with the library.
With the library it runs in these modes, each with `CFR_BACKEND=auto` and `emulate`:

* off: no log
* stderr: a text log on standard error
* text, JSON: a log in a file
* summary: a summary at the end of each process
* faults: a text log in a file, with faults that apply to every call and change no result

`same` means: exit status, signal, standard output, the program's own lines on standard error, and
the names and contents of all files that the program leaves are those of the bare run. So no byte of
the log is in a file that was not opened for it. The column `log` says what the log must hold.

`UPDATE=1 make hazards` writes this page. `make check` runs all of it and fails if the page differs.

";

/// Returns the columns of the matrix: heading and modes.
fn columns() -> Vec<(String, Vec<Mode>)> {
    use crate::mode::Backend::{Auto, Emulate};
    let mut columns = vec![
        ("strace".to_owned(), vec![Mode::Strace]),
        ("supervised".to_owned(), vec![Mode::Supervised]),
    ];
    columns.extend(LogOutput::ALL.map(|output| {
        let modes = [Auto, Emulate].map(|backend| Mode::Library(output, backend));
        (output.name().to_owned(), modes.to_vec())
    }));
    columns
}

/// Returns the cell of a column, and adds the reason of an exception to `notes`.
fn cell(result: &HazardResult<'_>, modes: &[Mode], notes: &mut Vec<&'static str>) -> String {
    let verdicts = result.verdicts.iter().filter(|(mode, _)| modes.contains(mode));
    let mut words = Vec::new();
    for (mode, verdict) in verdicts {
        let word = match verdict {
            Verdict::Same => "same".to_owned(),
            Verdict::Documented(reason) => {
                let index = notes.iter().position(|note| note == reason).unwrap_or_else(|| {
                    notes.push(reason);
                    notes.len() - 1
                });
                let exception = result.hazard.exception(*mode).expect("the verdict is of one");
                format!("{} [{}]", exception.end, index + 1)
            }
            Verdict::Failed(_) => "FAILED".to_owned(),
            Verdict::Skipped(_) => "skipped".to_owned(),
        };
        words.push(word);
    }
    let first = words.first().cloned().unwrap_or_else(|| "-".to_owned());
    if words.iter().all(|word| *word == first) { first } else { words.join("; emulate ") }
}

/// Describes what the log must hold.
fn expected_log(hazard: &Hazard) -> String {
    let describe = |log| match log {
        ExpectedLog::Exact => "every call",
        ExpectedLog::AtLeast => "every call, also of child programs",
        ExpectedLog::AtMost => "calls may be missing",
        ExpectedLog::WholeLines => "whole lines",
        ExpectedLog::Empty => "none",
        ExpectedLog::Unchecked => "lines may be cut off",
    };
    match (describe(hazard.on_stderr), describe(hazard.in_file)) {
        (stderr, file) if stderr == file => file.to_owned(),
        (stderr, file) => format!("stderr: {stderr}; file: {file}"),
    }
}

/// Returns the heading of the lines on the terminal.
pub fn heading() -> String {
    let columns = columns().into_iter().map(|(name, _)| format!("{name:<7} "));
    format!("{:<40} {}", "hazard", columns.collect::<String>().trim_end())
}

/// Returns a hazard's line on the terminal.
pub fn line(result: &HazardResult<'_>) -> String {
    let mut notes = Vec::new();
    let cells = columns().into_iter().map(|(_, modes)| {
        let cell = cell(result, &modes, &mut notes);
        format!("{cell:<7} ")
    });
    let cells = cells.collect::<String>();
    let mut line = format!("{:<40} {}", result.hazard.name, cells.trim_end());
    for (index, reason) in notes.iter().enumerate() {
        let _ = write!(line, "\n{:41}[{}] {reason}", "", index + 1);
    }
    line
}

/// Returns the text of docs/results/hazards.md.
fn page(results: &[HazardResult<'_>]) -> String {
    let mut text = String::from(INTRODUCTION);
    let mut notes = Vec::new();
    let mut heading = String::from("| hazard | the host | failure | log |");
    let mut rule = String::from("|---|---|---|---|");
    for (name, _) in columns() {
        let _ = write!(heading, " {name} |");
        rule.push_str("---|");
    }
    let (by_hook, plain): (Vec<_>, Vec<_>) =
        results.iter().partition(|result| matches!(result.hazard.setup, Setup::Hook(_)));
    let _ = writeln!(text, "{heading}\n{rule}");
    for result in plain {
        row(&mut text, result, result.hazard.does, &mut notes);
    }
    let _ = writeln!(text, "\n## Other hooks\n");
    let _ = writeln!(text, "Five of these hazards through the other hooks; the ioctls on btrfs.\n");
    let _ = writeln!(text, "{heading}\n{rule}");
    for result in by_hook {
        row(&mut text, result, "does the same", &mut notes);
    }
    let _ = writeln!(text, "\n## Exceptions\n");
    for (index, reason) in notes.iter().enumerate() {
        let _ = writeln!(text, "[{}] {reason}.\n", index + 1);
    }
    text.push_str(
        "## Failures\n\nUsers of other preloaded tools have reported each of these failures:\n\n\
         | | failure | what happens |\n|---|---|---|\n",
    );
    for failure in failure::ALL {
        let _ =
            writeln!(text, "| F{} | {} | {} |", failure.number, failure.name, failure.description);
    }
    text
}

fn row(text: &mut String, result: &HazardResult<'_>, does: &str, notes: &mut Vec<&'static str>) {
    let hazard = result.hazard;
    let name = hazard.name.replace('_', " ");
    let Failure { number, name: failure, .. } = hazard.failure;
    let _ = write!(text, "| {name} | {does} | F{number}, {failure} | {} |", expected_log(hazard));
    for (_, modes) in columns() {
        let _ = write!(text, " {} |", cell(result, &modes, notes));
    }
    text.push('\n');
}

/// Returns how docs/results/hazards.md differs from the results. `UPDATE=1` writes the page instead.
pub fn compare(results: &[HazardResult<'_>]) -> Vec<String> {
    let numbers: BTreeSet<_> = results.iter().map(|result| result.hazard.failure.number).collect();
    let mut errors: Vec<_> = failure::ALL
        .iter()
        .filter(|failure| !numbers.contains(&failure.number))
        .map(|failure| format!("no hazard stands for F{}", failure.number))
        .collect();
    let path = project().join("docs/results/hazards.md");
    let page = page(results);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page).expect("docs/ can be written");
    } else if fs::read_to_string(&path).unwrap_or_default() != page {
        errors.push("docs/results/hazards.md differs; UPDATE=1 make hazards writes it".to_owned());
    }
    errors
}

//! The report as text: the verdict, the program, its hooks, notes.

use super::hooks::{MARKS, NAMES, is_for_copies};
use super::image::{HookUse, ImportKind, InstructionCall, Role};
use super::report::{Inspection, Other, OtherWay, SeenBy};
use super::verdict::{file, notes, verdict};
use crate::program::elf::{Elf, our_machine};
use crate::term::failure::printable;
use crate::term::fit::{self, Last, Row};

/// Returns the report for a terminal with these columns; `None` for any width.
pub(super) fn render(report: &Inspection, columns: Option<usize>) -> String {
    let mut text = String::new();
    let (_, line) = verdict(report);
    fit::write_text(&mut text, &line, columns);
    text.push('\n');
    let mut rows = about(report);
    rows.push(InspectRow::default());
    rows.extend(hooks(report));
    rows.extend(instructions(report));
    rows.extend(other_ways(report));
    let width = |column: fn(&InspectRow) -> &str, last: fn(&InspectRow) -> &str| {
        let wide = rows.iter().filter(|row| !last(row).is_empty());
        wide.map(|row| column(row).chars().count()).max().unwrap_or(0)
    };
    let labels = width(|row| &row.label, |row| &row.label);
    let values = width(|row| &row.value, |row| &row.file);
    let files = width(|row| &row.file, |row| row.seen_by);
    let row = |InspectRow { label, value, file, seen_by }: &InspectRow| {
        let names = vec![file.clone()];
        match (file.is_empty(), seen_by.is_empty()) {
            (true, true) => {
                Row { head: format!("  {label:labels$}  "), last: Last::Text(value.clone()) }
            }
            (_, is_all) => Row {
                head: format!("  {label:labels$}  {value:values$}  "),
                last: Last::Names {
                    names,
                    width: files,
                    tail: if is_all { String::new() } else { format!("  {seen_by}") },
                },
            },
        }
    };
    fit::write(&mut text, &rows.iter().map(row).collect::<Vec<_>>(), "", columns);
    let notes = notes(report);
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        fit::write_text(&mut text, &format!("  * {note}"), columns);
    }
    text
}

/// A line of four columns.
#[derive(Default)]
struct InspectRow {
    label: String,
    value: String,
    /// The file that uses the hook.
    file: String,
    /// What sees the copies.
    seen_by: &'static str,
}

fn row(label: &str, value: impl Into<String>) -> InspectRow {
    InspectRow { label: label.into(), value: value.into(), ..InspectRow::default() }
}

fn about(report: &Inspection) -> Vec<InspectRow> {
    let program = &report.program;
    let mut rows = Vec::new();
    for script in &program.scripts {
        rows.push(row(if rows.is_empty() { "script" } else { "through" }, printable(script)));
    }
    rows.push(row("program", printable(&program.file)));
    match &program.elf {
        Elf::Native(native) => {
            let linker = match &native.linker {
                None if native.is_linker(&report.program.file) => "itself".into(),
                None => "none: statically linked".into(),
                Some(linker) if linker.exists() => printable(linker),
                Some(linker) => format!("{} (not found)", printable(linker)),
            };
            rows.push(row("machine", our_machine()));
            rows.push(row("dynamic linker", linker));
        }
        Elf::Foreign(machine) => rows.push(row("machine", machine)),
        Elf::Other => {}
    }
    if let Some(c_library) = &report.c_library {
        rows.push(row("C library", printable(c_library)));
    }
    let needed = report.images.iter().filter(|image| image.role == Role::Needed).count();
    if needed + report.missing.len() > 0 {
        let missing = match report.missing.len() {
            0 => String::new(),
            missing => format!(", {missing} not found"),
        };
        rows.push(row("libraries", format!("{needed} besides the C library{missing}")));
    }
    rows
}

/// Returns a line for each use of a hook, and a line with `-` for a hook that no file uses.
fn hooks(report: &Inspection) -> Vec<InspectRow> {
    let mut rows = Vec::new();
    if !report.images.is_empty() {
        rows.push(InspectRow {
            label: "call".into(),
            value: "how".into(),
            file: "file".into(),
            seen_by: "seen by",
        });
    }
    for hook in NAMES.into_iter().filter(|_| !report.images.is_empty()) {
        let mut label = hook;
        for (image, used) in report.uses().filter(|(_, used)| used.hook == hook) {
            let value = how(used);
            let seen_by = report.hook_seen_by(used).map_or("", SeenBy::name);
            rows.push(InspectRow { label: label.into(), value, file: file(image), seen_by });
            label = "";
        }
        if !label.is_empty() {
            rows.push(row(label, "-"));
        }
    }
    rows
}

fn how(used: &HookUse) -> String {
    let how = match used.how {
        ImportKind::Strong => "imported",
        ImportKind::Weak => "imported, weak",
        ImportKind::ByName => "by name only (dlsym?)",
    };
    match used.marks.as_slice() {
        [] if is_for_copies(used.hook) => how.into(),
        [] => format!("{how}, without {}", wanted(used.hook)),
        marks => format!("{how}: {}", marks.join(", ")),
    }
}

/// Returns what the file would have to pass to the hook to copy.
fn wanted(hook: &str) -> &'static str {
    let mut marks = MARKS.iter().filter(|mark| mark.hook == hook).map(|mark| mark.name);
    match (marks.next(), marks.next()) {
        (Some(only), None) => only,
        _ => "a reflink request",
    }
}

fn instructions(report: &Inspection) -> Vec<InspectRow> {
    let mut label = "by instruction";
    let mut rows = Vec::new();
    for image in report.images.iter().filter(|image| image.places > 0) {
        let places = match image.places {
            1 => "1 place".into(),
            places => format!("{places} places"),
        };
        let calls: Vec<_> = image.calls.iter().map(call).collect();
        let separator = if calls.is_empty() { "" } else { ": " };
        rows.push(InspectRow {
            label: label.into(),
            value: format!("{places}{separator}{}", calls.join(", ")),
            file: file(image),
            seen_by: if calls.is_empty() { "" } else { SeenBy::Supervisor.name() },
        });
        label = "";
    }
    if rows.is_empty() && !report.images.is_empty() {
        rows.push(row(label, "-"));
    }
    rows
}

fn call(call: &InstructionCall) -> String {
    match call.marks.as_slice() {
        [] => call.name.into(),
        marks => format!("{} ({})", call.name, marks.join(", ")),
    }
}

/// Returns a line for each file that may copy in a way that the files do not show.
fn other_ways(report: &Inspection) -> Vec<InspectRow> {
    let mut last = None;
    let line = |way: OtherWay<'_>| {
        let label = match way.other {
            other if last.replace(other) == Some(other) => "",
            Other::Libraries => "loads libraries",
            Other::Programs => "starts programs",
            Other::SystemCalls => "makes system calls",
        };
        let (value, file) = (way.why.join(", "), file(way.image));
        InspectRow { label: label.into(), value, file, seen_by: way.seen_by.name() }
    };
    report.other_ways().map(line).collect()
}

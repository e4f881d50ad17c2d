//! The verdict: can `cfr trace` see the copies of the program, and by what?

use super::hooks::{CALLS, NAMES};
use super::image::{Image, ImportKind, Role};
use super::report::{Inspection, Other};
use crate::program::locate::Visibility;
use crate::term::failure::printable;
use std::path::Path;

/// What can see the copies of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// The preload sees every way to copy that the files show.
    Preload,
    /// The preload sees some ways, only the supervisor the others.
    Both,
    Supervisor,
    /// The files show no way, but the program can find functions, load libraries or start programs.
    MayCopy,
    /// The files show no way to copy.
    NoCopy,
    Neither,
}

impl Coverage {
    /// Returns the words for it in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coverage::Preload => "preload sees",
            Coverage::Both => "both see",
            Coverage::Supervisor => "supervisor sees",
            Coverage::MayCopy => "may copy",
            Coverage::NoCopy => "no copy",
            Coverage::Neither => "neither sees",
        }
    }
}

/// Returns the verdict, and a sentence that explains it.
pub(super) fn verdict(report: &Inspection) -> (Coverage, String) {
    let shown = printable(report.asked());
    let sure = ways(report, |how| how != ImportKind::ByName);
    let own = report.uses().any(|(image, used)| {
        image.role == Role::Program && used.copies() && used.how != ImportKind::ByName
    });
    let calls = by_instruction(report);
    let own_calls = report.images.first().is_some_and(|program| !program.calls.is_empty());
    // A library that can copy does not prove that this program uses it to copy.
    let copies = |own: bool| {
        if own {
            format!("the copies of {shown}")
        } else {
            format!("what {shown} copies through its libraries")
        }
    };
    if let Some(why) = report.unseen() {
        let (own, copies) = (copies(own), copies(true));
        return match &report.visibility {
            _ if !report.is_supervised() => (
                Coverage::Neither,
                format!("neither the preload nor the supervisor sees {copies}: {why}"),
            ),
            Visibility::Bypassed(_) if !sure.is_empty() => (
                Coverage::Both,
                format!("the preload sees {own}: {sure}; the supervisor sees the others: {why}"),
            ),
            _ => (Coverage::Supervisor, format!("only the supervisor sees {copies}: {why}")),
        };
    }
    match (sure.is_empty(), calls.is_empty()) {
        (false, true) => (Coverage::Preload, format!("the preload sees {}: {sure}", copies(own))),
        (false, false) => (
            Coverage::Both,
            format!(
                "the preload sees {}: {sure}; by instruction, seen by the supervisor: {calls}",
                copies(own)
            ),
        ),
        (true, false) => (
            Coverage::Supervisor,
            format!("only the supervisor sees {}: by instruction: {calls}", copies(own_calls)),
        ),
        (true, true) => {
            let others = other_ways(report);
            if others.is_empty() {
                let line = format!("{shown} does not copy, as far as its files show");
                return (Coverage::NoCopy, line);
            }
            let others = others.iter().map(|(what, why)| format!("{what} ({why})"));
            let line = format!("{shown} may copy: {}", others.collect::<Vec<_>>().join("; "));
            (Coverage::MayCopy, line)
        }
    }
}

/// Returns the hooks through which the program copies, each with its marks and the library that
/// uses it.
fn ways(report: &Inspection, counts: impl Fn(ImportKind) -> bool) -> String {
    let of = |name: &'static str| {
        // The program itself comes first.
        let (image, used) = report
            .uses()
            .find(|(_, used)| used.hook == name && used.copies() && counts(used.how))?;
        Some(way(name, &used.marks, image))
    };
    NAMES.into_iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

fn by_instruction(report: &Inspection) -> String {
    let of = |name: &'static str| {
        report.images.iter().find_map(|image| {
            let call = image.calls.iter().find(|call| call.name == name)?;
            Some(way(name, &call.marks, image))
        })
    };
    CALLS.into_iter().filter_map(|(name, _)| of(name)).collect::<Vec<_>>().join(", ")
}

fn way(name: &str, marks: &[&str], image: &Image) -> String {
    let marks = match marks {
        [] => String::new(),
        marks => format!(" ({})", marks.join(", ")),
    };
    let through = match image.role {
        Role::Program => String::new(),
        Role::Preloaded | Role::Needed => format!(" through {}", name_of(&image.path)),
    };
    format!("{name}{marks}{through}")
}

/// What the text calls [`Other::SystemCalls`].
const SYSTEM_CALLS: &str = "system calls that it makes itself";

/// Returns the ways to copy that the files do not show, and in parentheses why they exist.
fn other_ways(report: &Inspection) -> Vec<(&'static str, String)> {
    let found = ways(report, |how| how == ImportKind::ByName);
    let of = |other: Other| {
        let all = report.other_ways().filter(|way| way.other == other);
        let why = all.map(|way| match way.image.role {
            Role::Program => way.why.join(", "),
            _ => format!("{} in {}", way.why.join(", "), file(way.image)),
        });
        listed(&why.collect::<Vec<_>>())
    };
    let all = [
        ("functions that it finds by name", found),
        ("libraries that it loads at run time", of(Other::Libraries)),
        ("programs that it starts", of(Other::Programs)),
        (SYSTEM_CALLS, of(Other::SystemCalls)),
    ];
    all.into_iter().filter(|(_, why)| !why.is_empty()).collect()
}

/// Returns how the text names a file.
pub(super) fn file(image: &Image) -> String {
    match image.role {
        Role::Program => "the program".into(),
        Role::Needed => name_of(&image.path),
        Role::Preloaded => format!("{} (preloaded)", name_of(&image.path)),
    }
}

/// Returns the last part of a path, by which a library is known.
pub(super) fn name_of(path: &Path) -> String {
    printable(path.file_name().unwrap_or(path.as_os_str()))
}

/// Returns remarks on what the report cannot show.
pub(super) fn notes(report: &Inspection) -> Vec<String> {
    let mut notes = Vec::new();
    let names = |chosen: &dyn Fn(&Image) -> bool| {
        let chosen = report.images.iter().filter(|image| chosen(image));
        chosen.map(|image| name_of(&image.path)).collect::<Vec<_>>()
    };
    for image in report.images.iter().filter(|image| !image.defines.is_empty()) {
        let hooks = image.defines.join(", ");
        let shown = printable(&image.path);
        notes.push(match image.role {
            Role::Program | Role::Preloaded => {
                format!("{shown} defines {hooks} and is loaded before libcfr.so: it gets the calls first")
            }
            Role::Needed => {
                format!("{shown} defines {hooks}; libcfr.so is loaded before it (see --forward)")
            }
        });
    }
    for missing in &report.missing {
        let (name, by) = (printable(&missing.name), printable(&missing.by));
        notes.push(format!("{name}, needed by {by}, was not found or cannot be read"));
    }
    for name in names(&|image| image.partial) {
        notes.push(format!("{name} was not searched to its end"));
    }
    let (coverage, _) = verdict(report);
    let needs_supervisor = match coverage {
        Coverage::Both | Coverage::Supervisor => true,
        Coverage::Neither => {
            notes.push("use strace -f -e trace=copy_file_range,ioctl,sendfile PROGRAM".into());
            return notes;
        }
        Coverage::Preload | Coverage::MayCopy | Coverage::NoCopy => false,
    };
    if needs_supervisor {
        notes.push(if report.unseen().is_some() {
            "cfr trace turns the supervisor on by itself for this program".into()
        } else {
            "the supervisor is on if root runs cfr trace, for other users with --reach all".into()
        });
    }
    if report.is_privileged() {
        notes.push(
            "if an ordinary user turns the supervisor on, the program runs without its privileges"
                .into(),
        );
    }
    let mut others = other_ways(report);
    if report.unseen().is_some() {
        let before = others.len();
        others.retain(|(what, _)| *what != SYSTEM_CALLS);
        if others.len() < before {
            notes.push(
                "it passes the numbers of system calls at run time: its file does not show which of \
                 them copy"
                    .into(),
            );
        }
    }
    if !others.is_empty() && coverage != Coverage::MayCopy {
        let others = others.iter().map(|(what, _)| *what).collect::<Vec<_>>().join(", ");
        notes.push(format!("it may also copy: {others}"));
    }
    if report.other_ways().any(|way| way.other != Other::SystemCalls) {
        notes.push("what it loads at run time and what it starts is not inspected".into());
    }
    notes
}

/// Joins the first few names, and counts the others.
fn listed(names: &[String]) -> String {
    const FEW: usize = 3;
    match names.len() {
        ..=FEW => names.join(", "),
        all => {
            let few = names.iter().take(FEW).cloned().collect::<Vec<_>>();
            format!("{} and {} others", few.join(", "), all - FEW)
        }
    }
}

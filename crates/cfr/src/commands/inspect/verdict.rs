//! The verdict: can `cfr trace` see the copies of the program?

use super::hooks::NAMES;
use super::image::{ImportKind, Role};
use super::report::Inspection;
use crate::term::failure::printable;
use std::path::Path;

/// What `cfr trace` can see of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    Sees,
    /// All but the system calls that the program makes by instruction.
    SeesPart,
    /// The copies, if the program makes some: its files do not show that.
    MaySee,
    /// No file of the program uses a hook.
    NoHook,
    CannotSee,
}

impl Coverage {
    /// Returns the word for it in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coverage::Sees => "sees",
            Coverage::SeesPart => "sees part",
            Coverage::MaySee => "may see",
            Coverage::NoHook => "no hook",
            Coverage::CannotSee => "cannot see",
        }
    }
}

/// Returns the verdict, and a sentence that explains it.
pub(super) fn verdict(report: &Inspection) -> (Coverage, String) {
    let shown = printable(report.asked());
    if let Some(why) = report.unseen() {
        return (Coverage::CannotSee, format!("cfr trace cannot see its copies: {why}"));
    }
    let sure = ways(report, |how| how != ImportKind::ByName);
    let by_name = ways(report, |how| how == ImportKind::ByName);
    let calls = by_instruction(report);
    let own = report.uses().any(|(image, used)| {
        image.role == Role::Program && used.copies() && used.how != ImportKind::ByName
    });
    // A library that can copy does not prove that this program uses it to copy.
    let copies = if own {
        format!("the copies of {shown}")
    } else {
        format!("what {shown} copies through its libraries")
    };
    let unseen = format!("system calls without the C library, which no preload sees: {calls}");
    match (sure.is_empty(), calls.is_empty()) {
        (false, true) => (Coverage::Sees, format!("cfr trace sees {copies}: {sure}")),
        (false, false) => (
            Coverage::SeesPart,
            format!("cfr trace sees a part: {copies}: {sure}; but not {unseen}"),
        ),
        (true, false) => {
            (Coverage::CannotSee, format!("cfr trace cannot see the copies of {shown}: {unseen}"))
        }
        (true, true) if !by_name.is_empty() => (
            Coverage::MaySee,
            format!("cfr trace sees the copies of {shown} if it finds a hook by name: {by_name}"),
        ),
        (true, true) => {
            (Coverage::NoHook, format!("{shown} uses no hook, as far as its files show"))
        }
    }
}

/// Returns the hooks through which the program copies, each with its marks and the library that
/// uses it.
fn ways(report: &Inspection, counts: impl Fn(ImportKind) -> bool) -> String {
    let of = |name: &'static str| {
        let all = report.uses().filter(|(_, used)| used.hook == name && used.copies());
        let mut all = all.filter(|(_, used)| counts(used.how));
        // The program itself comes first.
        let (image, used) = all.next()?;
        let marks = match used.marks.as_slice() {
            [] => String::new(),
            marks => format!(" ({})", marks.join(", ")),
        };
        let through = match image.role {
            Role::Program => String::new(),
            Role::Preloaded | Role::Needed => format!(" through {}", name_of(&image.path)),
        };
        Some(format!("{name}{marks}{through}"))
    };
    NAMES.into_iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

fn by_instruction(report: &Inspection) -> String {
    let of = |name: &&'static str| report.images.iter().any(|image| image.calls.contains(name));
    super::hooks::CALLS.iter().map(|(name, _)| *name).filter(of).collect::<Vec<_>>().join(", ")
}

/// Returns the last part of a path, by which a library is known.
pub(super) fn name_of(path: &Path) -> String {
    printable(path.file_name().unwrap_or(path.as_os_str()))
}

/// Returns remarks on what the report cannot show.
pub(super) fn notes(report: &Inspection) -> Vec<String> {
    let mut notes = Vec::new();
    let names = |chosen: &dyn Fn(&super::image::Image) -> bool| {
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
    if matches!(verdict(report).0, Coverage::CannotSee | Coverage::SeesPart) {
        notes.push(INSTEAD.into());
    }
    if report.unseen().is_some() {
        return notes;
    }
    let loading = names(&|image| image.loads);
    if !loading.is_empty() {
        let names_shown = listed(&loading);
        notes.push(format!(
            "libraries that it loads at run time are not inspected ({names_shown}: dlopen)"
        ));
    }
    if report.images.first().is_some_and(|image| image.starts) {
        notes.push("programs that it starts are traced too; they are not inspected here".into());
    }
    notes
}

/// What to use if a preload cannot see the copies.
const INSTEAD: &str = "use strace -f -e trace=copy_file_range,ioctl,sendfile PROGRAM";

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

//! What it all comes to: does `cfr trace` see the copies of the program?

use super::hooks::NAMES;
use super::image::{How, Role};
use super::report::Report;
use crate::term::failure::plain;
use std::path::Path;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It does.
    Sees,
    /// It does, but for what is copied by instruction.
    SeesPart,
    /// It does if the program copies: that could not be told.
    MaySee,
    /// There is nothing to be seen.
    NoHook,
    /// It does not.
    CannotSee,
}

impl Answer {
    /// The word for it in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Answer::Sees => "sees",
            Answer::SeesPart => "sees part",
            Answer::MaySee => "may see",
            Answer::NoHook => "no hook",
            Answer::CannotSee => "cannot see",
        }
    }
}

/// The answer and a line that says it.
pub(super) fn verdict(report: &Report) -> (Answer, String) {
    let shown = plain(report.asked());
    if let Some(why) = report.unseen() {
        return (Answer::CannotSee, format!("cfr trace cannot see its copies: {why}"));
    }
    let sure = ways(report, |how| how != How::ByName);
    let by_name = ways(report, |how| how == How::ByName);
    let calls = by_instruction(report);
    let own = report.uses().any(|(image, used)| {
        image.role == Role::Program && used.copies() && used.how != How::ByName
    });
    // That a library can copy does not say that this program has it do so.
    let copies = match own {
        true => format!("the copies of {shown}"),
        false => format!("what {shown} copies through its libraries"),
    };
    let unseen = format!("by instruction, which no preload sees: {calls}");
    match (sure.is_empty(), calls.is_empty()) {
        (false, true) => (Answer::Sees, format!("cfr trace sees {copies}: {sure}")),
        (false, false) => (
            Answer::SeesPart,
            format!("cfr trace sees a part: {copies}: {sure}; but not those {unseen}"),
        ),
        (true, false) => {
            (Answer::CannotSee, format!("cfr trace cannot see the copies of {shown}: {unseen}"))
        }
        (true, true) if !by_name.is_empty() => (
            Answer::MaySee,
            format!("cfr trace sees the copies of {shown} if it finds a hook by name: {by_name}"),
        ),
        (true, true) => {
            (Answer::NoHook, format!("{shown} copies through no hook, as far as its files tell"))
        }
    }
}

/// The hooks through which copies go, with what is asked for there and the library that asks.
fn ways(report: &Report, counts: impl Fn(How) -> bool) -> String {
    let of = |name: &'static str| {
        let all = report.uses().filter(|(_, used)| used.hook == name && used.copies());
        let mut all = all.filter(|(_, used)| counts(used.how));
        // The program's own comes first.
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

fn by_instruction(report: &Report) -> String {
    let of = |name: &&'static str| report.images.iter().any(|image| image.calls.contains(name));
    super::hooks::CALLS.iter().map(|(name, _)| *name).filter(of).collect::<Vec<_>>().join(", ")
}

/// The last part of a path, for a library that everybody knows by it.
pub(super) fn name_of(path: &Path) -> String {
    plain(path.file_name().unwrap_or(path.as_os_str()))
}

/// What is worth knowing besides.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let names = |chosen: &dyn Fn(&super::image::Image) -> bool| {
        let chosen = report.images.iter().filter(|image| chosen(image));
        chosen.map(|image| name_of(&image.path)).collect::<Vec<_>>()
    };
    for image in report.images.iter().filter(|image| !image.defines.is_empty()) {
        let hooks = image.defines.join(", ");
        let shown = plain(&image.path);
        notes.push(match image.role {
            Role::Program | Role::Preloaded => {
                format!("{shown} has {hooks} itself, before libcfr.so: it gets the calls first")
            }
            Role::Needed => {
                format!("{shown} has {hooks} itself: libcfr.so comes before it (see --forward)")
            }
        });
    }
    for missing in &report.missing {
        let (name, by) = (plain(&missing.name), plain(&missing.by));
        notes.push(format!("{name}, which {by} asks for, was not found or cannot be read"));
    }
    for name in names(&|image| image.partial) {
        notes.push(format!("{name} could not be looked through to its end"));
    }
    if let crate::program::locate::Visibility::After(runtime) = &report.visibility {
        notes.push(format!("{runtime} must be loaded first: cfr trace sees to it"));
    }
    if matches!(verdict(report).0, Answer::CannotSee | Answer::SeesPart) {
        notes.push(INSTEAD.into());
    }
    if report.unseen().is_some() {
        return notes;
    }
    let loading = names(&|image| image.loads);
    if !loading.is_empty() {
        let who = listed(&loading);
        notes.push(format!(
            "libraries that it loads while it runs are not looked at ({who}: dlopen)"
        ));
    }
    if report.images.first().is_some_and(|image| image.starts) {
        notes.push("programs that it starts are traced too, and are not looked at here".into());
    }
    notes
}

/// What to use where a preload is blind.
const INSTEAD: &str = "what sees them: strace -f -e trace=copy_file_range,ioctl,sendfile PROGRAM";

/// The first few of them.
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

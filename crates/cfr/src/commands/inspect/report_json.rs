//! The report as JSON: one object, on one line.

use super::image::{Image, ImportKind, Role};
use super::report::{Inspection, Other, OtherWay, SeenBy};
use super::verdict::{notes, verdict};
use crate::program::elf::{Elf, our_machine};
use crate::program::locate::Visibility;
use crate::term::failure::Failure;
use crate::term::json;
use serde_json::{Value, json};
use std::path::Path;

/// Returns the report as JSON. Bytes of a path that are not UTF-8 become U+FFFD.
pub(super) fn render(report: &Inspection) -> Result<String, Failure> {
    let (answer, line) = verdict(report);
    let program = &report.program;
    let (machine, native) = match &program.elf {
        Elf::Native(native) => (Some(our_machine()), Some(native)),
        Elf::Foreign(machine) => (Some(machine.clone()), None),
        Elf::Other => (None, None),
    };
    let missing = report
        .missing
        .iter()
        .map(|missing| json!({"name": missing.name.to_string_lossy(), "by": path(&missing.by)}));
    let object = json!({
        "verdict": answer.name(),
        "text": line,
        "asked": path(report.asked()),
        "scripts": program.scripts.iter().map(|script| path(script)).collect::<Value>(),
        "program": path(&program.file),
        "machine": machine,
        "dynamic_linker": native.and_then(|native| native.linker.as_deref()).map(path),
        "static": native.map(|native| native.linker.is_none() && !native.is_linker(&program.file)),
        "go": native.map(|native| native.go),
        "c_library": report.c_library.as_deref().map(path),
        "preload": preload(&report.visibility),
        "supervisor": if report.is_supervised() { "sees" } else { "does not see" },
        "why": report.unseen(),
        "files": report.images.iter().map(|file| image(report, file)).collect::<Value>(),
        "may_copy": report.other_ways().map(other_way).collect::<Value>(),
        "missing": missing.collect::<Value>(),
        "notes": notes(report),
    });
    json::to_line(&object)
}

fn path(path: &Path) -> Value {
    path.to_string_lossy().into()
}

/// Returns the JSON word for what a preload can do.
fn preload(visibility: &Visibility) -> &'static str {
    match visibility {
        Visibility::Seen => "sees",
        Visibility::Bypassed(_) => "is bypassed",
        Visibility::Unseen(_) => "is not loaded",
    }
}

fn image(report: &Inspection, image: &Image) -> Value {
    let hooks = image.uses.iter().map(|used| {
        json!({
            "hook": used.hook,
            "how": match used.how {
                ImportKind::Strong => "strong",
                ImportKind::Weak => "weak",
                ImportKind::ByName => "name",
            },
            "asks_for": used.marks,
            "copies": used.copies(),
            "seen_by": report.hook_seen_by(used).map(SeenBy::name),
        })
    });
    let calls = image.calls.iter().map(|call| {
        json!({
            "call": call.name,
            "asks_for": call.marks,
            "seen_by": SeenBy::Supervisor.name(),
        })
    });
    json!({
        "path": path(&image.path),
        "role": match image.role {
            Role::Program => "program",
            Role::Preloaded => "preloaded",
            Role::Needed => "needed",
        },
        "hooks": hooks.collect::<Value>(),
        "defines": image.defines,
        "by_instruction": {"places": image.places, "calls": calls.collect::<Value>()},
        "complete": !image.partial,
    })
}

fn other_way(way: OtherWay<'_>) -> Value {
    json!({
        "through": match way.other {
            Other::Libraries => "libraries",
            Other::Programs => "programs",
            Other::SystemCalls => "system calls",
        },
        "file": path(&way.image.path),
        "why": way.why,
        "seen_by": way.seen_by.name(),
    })
}

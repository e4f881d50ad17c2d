//! What could not be seen of a program, and why.

use crate::program::locate::Visibility;
use crate::run::environment::CheckedSettings;
use crate::run::shared_stats::SeenCounts;
use crate::term::failure::printable;
use cfr_engine::hook::Hooks;
use cfr_shared::settings::Level;
use std::path::Path;

/// The reason why some calls of a program could not be seen.
pub(crate) struct BlindSpot {
    pub(crate) why: String,
    /// Whether no process of the program could be seen.
    pub(crate) of_all: bool,
}

/// Returns the blind spot of a program that has ended; `None` if none is known.
pub(crate) fn blind_spot(
    seen: SeenCounts,
    visibility: &Visibility,
    checked: &CheckedSettings,
    path: &Path,
) -> Option<BlindSpot> {
    let shown = printable(path);
    let why = match (seen, visibility) {
        (SeenCounts { processes: 0, .. }, Visibility::Unseen(why)) => {
            format!("libcfr.so was not loaded: {why}")
        }
        (SeenCounts { processes: 0, .. }, _) if checked.log_has_grown() => {
            format!("{shown} cannot open the shared counters: another user, or another /proc")
        }
        (SeenCounts { processes: 0, .. }, _) => not_loaded(&shown),
        (_, Visibility::Unseen(why) | Visibility::Bypassed(why)) => why.clone(),
        (_, Visibility::Seen) => return None,
    };
    Some(BlindSpot { why, of_all: seen.processes == 0 })
}

fn not_loaded(shown: &str) -> String {
    format!("libcfr.so was not loaded: {shown} or a program that it started dropped LD_PRELOAD")
}

/// Returns the reason why no call was seen; `None` if calls were seen.
pub(crate) fn no_call_reason(
    seen: SeenCounts,
    visibility: &Visibility,
    log: Level,
    hooks: Hooks,
    path: &Path,
) -> Option<String> {
    let shown = printable(path);
    let never = match seen.processes {
        1 => format!("{shown} never"),
        processes => format!("none of the {processes} programs"),
    };
    let why = match (seen, visibility) {
        (SeenCounts { calls: 1.., .. }, _) => return None,
        (_, Visibility::Unseen(why) | Visibility::Bypassed(why)) => why.clone(),
        _ if log == Level::Off => "no call is watched while the log is off".into(),
        (SeenCounts { processes: 0, .. }, _) => not_loaded(&shown),
        _ if hooks != Hooks::ALL => format!("{never} called a watched hook (--hooks)"),
        _ => format!(
            "{never} called copy_file_range, sendfile, or ioctl with a reflink or dedupe request; \
             read, write and splice are not watched, nor are static and 32-bit programs"
        ),
    };
    Some(why)
}

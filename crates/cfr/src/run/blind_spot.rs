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
    /// Whether all calls were seen, and only some results are not known.
    pub(crate) of_results: bool,
}

/// How a run was watched.
pub(crate) struct Watch<'a> {
    pub(crate) visibility: &'a Visibility,
    /// Whether the supervisor watched all processes; if not, why not.
    pub(crate) supervisor: Result<(), String>,
    /// Whether all processes have ended that it watched.
    pub(crate) has_ended: bool,
}

/// Returns the blind spot of a program that has ended; `None` if none is known.
pub(crate) fn blind_spot(
    seen: SeenCounts,
    watch: &Watch,
    checked: &CheckedSettings,
    path: &Path,
) -> Option<BlindSpot> {
    let shown = printable(path);
    let why = match (seen, watch) {
        (_, Watch { supervisor: Ok(()), has_ended: false, .. }) => STILL_RUN.to_owned(),
        // Also if the filter was installed and the supervisor could not be started.
        (SeenCounts { let_through: calls @ 1.., .. }, _) => {
            let (calls, verb) = if calls == 1 { ("call", "was") } else { ("calls", "were") };
            format!("{} {calls} {verb} let through, with unknown results", seen.let_through)
        }
        (SeenCounts { unwatched: 1.., .. }, Watch { supervisor: Ok(()), .. }) => unwatched(seen),
        (_, Watch { supervisor: Ok(()), .. }) if checked.hooks == Hooks::ALL => return None,
        (SeenCounts { processes: 0, .. }, Watch { visibility: Visibility::Unseen(why), .. }) => {
            format!("libcfr.so was not loaded: {why}")
        }
        (SeenCounts { processes: 0, .. }, _) if checked.log_has_grown() => {
            format!("{shown} cannot open the shared counters: another user, or another /proc")
        }
        (SeenCounts { processes: 0, .. }, _) => not_loaded(&shown),
        (_, Watch { visibility: Visibility::Unseen(why) | Visibility::Bypassed(why), .. }) => {
            why.clone()
        }
        (_, Watch { visibility: Visibility::Seen, .. }) => return None,
    };
    let is_watched = watch.supervisor.is_ok() && seen.unwatched == 0;
    let of_results = is_watched && watch.has_ended && checked.hooks == Hooks::ALL;
    Some(BlindSpot { why, of_all: seen.processes == 0 && watch.supervisor.is_err(), of_results })
}

fn unwatched(seen: SeenCounts) -> String {
    let programs = match seen.unwatched {
        1 => "program does not watch all its calls",
        _ => "programs do not watch all their calls",
    };
    format!("{} {programs} (CFR_LOG, CFR_HOOKS)", seen.unwatched)
}

const STILL_RUN: &str = "processes that it started still run";

fn not_loaded(shown: &str) -> String {
    format!("libcfr.so was not loaded: {shown} or a program that it started dropped LD_PRELOAD")
}

/// Returns what is known of a run of which no call was seen; `None` if calls were seen.
pub(crate) fn silence(
    seen: SeenCounts,
    watch: &Watch,
    log: Level,
    hooks: Hooks,
    path: &Path,
) -> Option<String> {
    let shown = printable(path);
    let never = match seen.processes {
        1 => format!("{shown} never"),
        processes => format!("none of the {processes} programs"),
    };
    let why = match (seen, watch) {
        (SeenCounts { calls: 1.., .. }, _) => return None,
        _ if log == Level::Off => "no call is watched while the log is off".into(),
        (SeenCounts { unwatched: 1.., .. }, Watch { supervisor: Ok(()), .. }) => unwatched(seen),
        (_, Watch { supervisor: Ok(()), has_ended: true, .. }) if hooks == Hooks::ALL => {
            return Some(PROVEN.to_owned());
        }
        (_, Watch { supervisor: Ok(()), has_ended: false, .. }) => STILL_RUN.to_owned(),
        (_, Watch { visibility: Visibility::Unseen(why) | Visibility::Bypassed(why), .. }) => {
            why.clone()
        }
        (SeenCounts { processes: 0, .. }, _) => not_loaded(&shown),
        _ if hooks != Hooks::ALL => format!("{never} called a watched hook (--hooks)"),
        (_, Watch { supervisor: Err(why), .. }) => format!(
            "{never} called copy_file_range, sendfile, or ioctl with a reflink or dedupe request; \
             read, write and splice are not watched, nor are static and 32-bit programs: {why}"
        ),
        _ => never,
    };
    Some(format!("no copy was seen: {why}"))
}

/// Said of a run if the kernel's boundary was watched for all its processes.
const PROVEN: &str = "no copy was made: no process called copy_file_range, sendfile to a file, or \
                      ioctl with a reflink or dedupe request; read, write and splice are not watched";

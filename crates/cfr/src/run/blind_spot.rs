//! What could not be seen of a program, and why.

use crate::program::locate::Visibility;
use crate::run::environment::CheckedSettings;
use crate::run::shared_stats::SeenCounts;
use crate::term::failure::printable;
use cfr_engine::hook::Hooks;
use cfr_shared::settings::Level;
use cfr_shared::stats::OwnFilter;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The reason why some calls of a program could not be seen.
pub(crate) struct BlindSpot {
    pub(crate) why: String,
    /// Whether no process of the program could be seen.
    pub(crate) of_all: bool,
    /// Whether all calls were seen, and only some results are not known.
    pub(crate) of_results: bool,
    /// Whether no call is known that was not seen: there may have been one.
    pub(crate) is_possible: bool,
    /// Whether processes of the program are known to run on.
    pub(crate) still_run: bool,
}

/// How a run was watched.
pub(crate) struct Watch<'a> {
    pub(crate) visibility: &'a Visibility,
    /// How the program hides others that it starts from the library.
    pub(crate) hides: Option<&'static str>,
    /// Whether the supervisor watched all processes; if not, why not.
    pub(crate) supervisor: Result<(), String>,
    /// Whether all processes have ended that it watched.
    pub(crate) has_ended: bool,
}

/// Returns why nothing sees the copies of a program: why the library does not, and why there is no
/// supervisor. `None` if one of them does.
pub(crate) fn unseen(visibility: &Visibility, no_supervisor: Option<&String>) -> Option<String> {
    match (visibility, no_supervisor) {
        (Visibility::Unseen(why) | Visibility::Bypassed(why), Some(reason)) => {
            Some(format!("{why}, and there is no supervisor ({reason})"))
        }
        _ => None,
    }
}

/// Returns the blind spot of a program that has ended; `None` if none is known.
pub(crate) fn blind_spot(
    seen: SeenCounts,
    watch: &Watch,
    checked: &CheckedSettings,
    path: &Path,
) -> Option<BlindSpot> {
    let shown = printable(path);
    let unseen = unseen(watch.visibility, watch.supervisor.as_ref().err());
    let mut is_possible = false;
    let why = match (seen, watch, unseen) {
        (_, Watch { supervisor: Ok(()), has_ended: false, .. }, _) => STILL_RUN.to_owned(),
        // Also if the filter was installed and the supervisor could not be started.
        (SeenCounts { let_through: calls @ 1.., .. }, ..) => {
            let (calls, verb) = if calls == 1 { ("call", "was") } else { ("calls", "were") };
            format!("{} {calls} {verb} let through, with unknown results", seen.let_through)
        }
        (SeenCounts { uncounted: 1.., .. }, ..) => uncounted(seen),
        (SeenCounts { unwatched: 1.., .. }, Watch { supervisor: Ok(()), .. }, _) => unwatched(seen),
        (SeenCounts { own_filter: Some(one), .. }, Watch { supervisor: Ok(()), .. }, _) => {
            is_possible = true;
            own_filters(one, seen)
        }
        (_, Watch { supervisor: Ok(()), .. }, _) => return None,
        (SeenCounts { left: 1.., .. }, ..) => left(seen),
        (
            SeenCounts { processes: 0, .. },
            Watch { visibility: Visibility::Unseen(_), .. },
            Some(unseen),
        ) => {
            format!("libcfr.so was not loaded: {unseen}")
        }
        (SeenCounts { processes: 0, .. }, ..) if checked.log_has_grown() => {
            format!("{shown} cannot open the shared counters: another user, or another /proc")
        }
        (SeenCounts { processes: 0, .. }, ..) => not_loaded(&shown),
        (.., Some(unseen)) => unseen,
        (_, Watch { supervisor: Err(reason), hides, .. }, None) => {
            is_possible = true;
            match hides {
                Some(hides) => format!("{shown} {hides}, and there is no supervisor ({reason})"),
                None => format!("only the supervisor sees {BEYOND}, and there is none ({reason})"),
            }
        }
    };
    let is_watched = watch.supervisor.is_ok() && seen.unwatched == 0 && seen.own_filter.is_none();
    let of_results = is_watched && watch.has_ended && checked.hooks == Hooks::ALL;
    let of_all = seen.processes == 0 && watch.supervisor.is_err();
    let still_run = watch.supervisor.is_ok() && !watch.has_ended;
    Some(BlindSpot { why, of_all, of_results, is_possible, still_run })
}

/// Returns why calls may be missing in the counts of a program of which some were seen; `None` if all were
/// counted, or have a row of their own.
pub(crate) fn may_lack(seen: SeenCounts, blind_spot: Option<&BlindSpot>) -> Option<&str> {
    let blind_spot = blind_spot.filter(|_| seen.calls > 0 && seen.let_through == 0);
    blind_spot.map(|blind_spot| blind_spot.why.as_str())
}

/// Returns why calls were not counted; `None` if none are known that were not.
pub(crate) fn lacking(seen: SeenCounts, checked: &CheckedSettings) -> Option<String> {
    if seen.uncounted > 0 {
        return Some(uncounted(seen));
    }
    if seen.interrupted > 0 {
        return Some(interrupted(seen.interrupted));
    }
    (seen.calls == 0 && checked.log_has_grown()).then(|| {
        "the log has some, and no program could open the shared counters: another user, another \
         /proc, or no room for them"
            .to_owned()
    })
}

fn uncounted(seen: SeenCounts) -> String {
    let (programs, their) =
        if seen.uncounted == 1 { ("program", "its") } else { ("programs", "their") };
    format!(
        "{} {programs} had no room for the shared counters (RLIMIT_AS, RLIMIT_MEMLOCK): {their} \
         calls are not counted",
        seen.uncounted
    )
}

/// Describes calls that were interrupted before the supervisor received them.
pub(crate) fn interrupted(calls: u64) -> String {
    match calls {
        1 => {
            "1 call was interrupted before it was seen: it has failed with EINTR, or was made again"
                .to_owned()
        }
        _ => format!(
            "{calls} calls were interrupted before they were seen: they have failed with EINTR, or \
             were made again"
        ),
    }
}

/// Describes the programs, `one` among them, that can answer calls before the supervisor.
fn own_filters(one: OwnFilter, seen: SeenCounts) -> String {
    let name = match one.name() {
        [] => format!("process {}", one.pid),
        name => format!("{} ({})", printable(OsStr::from_bytes(name)), one.pid),
    };
    let filters = match seen.own_filters.saturating_sub(1) {
        0 => "has a seccomp filter of its own".to_owned(),
        1 => "and 1 other program have seccomp filters of their own".to_owned(),
        others => format!("and {others} other programs have seccomp filters of their own"),
    };
    format!("{name} {filters}, which can answer calls before the supervisor")
}

fn unwatched(seen: SeenCounts) -> String {
    let programs = match seen.unwatched {
        1 => "program does not watch all its calls",
        _ => "programs do not watch all their calls",
    };
    format!("{} {programs} (CFR_LOG, CFR_HOOKS)", seen.unwatched)
}

/// Describes the programs that pass their calls on. The launcher that runs this one has a supervisor,
/// which sees them.
fn left(seen: SeenCounts) -> String {
    let programs = match seen.left {
        1 => "program leaves its calls",
        _ => "programs leave their calls",
    };
    format!(
        "{} {programs} to the supervisor of the cfr that runs this one (--forward next)",
        seen.left
    )
}

/// What the supervisor alone sees.
const BEYOND: &str = "system calls by instruction and programs without libcfr.so or the shared counters \
                      (static, Go, 32-bit, another user's, in another namespace, with a cleaned \
                      environment)";

/// The reason if processes run on.
pub(crate) const STILL_RUN: &str = "processes that it started still run";

fn not_loaded(shown: &str) -> String {
    format!("libcfr.so was not loaded: {shown} ended before it could be, or LD_PRELOAD was dropped")
}

/// Returns what is known of a run of which no call was seen; `None` if calls were seen.
pub(crate) fn if_none_seen(
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
    let unseen = unseen(watch.visibility, watch.supervisor.as_ref().err());
    let why = match (seen, watch, unseen) {
        (SeenCounts { calls: 1.., .. }, ..) => return None,
        _ if log == Level::Off => "no call is watched while the log is off".into(),
        (SeenCounts { uncounted: 1.., .. }, ..) => uncounted(seen),
        (SeenCounts { left: 1.., .. }, Watch { supervisor: Err(_), .. }, _) => left(seen),
        (SeenCounts { unwatched: 1.., .. }, Watch { supervisor: Ok(()), .. }, _) => unwatched(seen),
        (SeenCounts { interrupted: calls @ 1.., .. }, ..) => interrupted(calls),
        (SeenCounts { own_filter: Some(one), .. }, Watch { supervisor: Ok(()), .. }, _) => {
            own_filters(one, seen)
        }
        (_, Watch { supervisor: Ok(()), has_ended: true, .. }, _) if hooks == Hooks::ALL => {
            return Some(PROVEN.to_owned());
        }
        (_, Watch { supervisor: Ok(()), has_ended: false, .. }, _) => STILL_RUN.to_owned(),
        (.., Some(unseen)) => unseen,
        (SeenCounts { processes: 0, .. }, Watch { supervisor: Err(_), .. }, None) => {
            not_loaded(&shown)
        }
        _ if hooks != Hooks::ALL => format!("{never} called a watched hook (--hooks)"),
        (_, Watch { supervisor: Err(why), hides: Some(hides), .. }, None) => {
            format!("{shown} {hides}, and there is no supervisor ({why})")
        }
        (_, Watch { supervisor: Err(why), .. }, None) => format!(
            "{never} called copy_file_range, sendfile, or ioctl with a reflink or dedupe request; \
             read, write and splice are not watched, nor, without a supervisor ({why}), are {BEYOND}"
        ),
        _ => never,
    };
    Some(format!("no copy was seen: {why}"))
}

/// Said of a run if the kernel's boundary was watched for all its processes.
const PROVEN: &str = "no copy was made by copy_file_range, sendfile to a file, or ioctl with a reflink or \
                      dedupe request; read, write and splice are not watched";

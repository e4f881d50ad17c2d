//! `cfr trace` and `cfr run`: the program with the library in it.

use crate::cli::Run;
use crate::expect::{Doubt, Evidence, Expected, NOT_AS_EXPECTED};
use crate::program::library;
use crate::program::locate::{self, Visibility};
use crate::run::child;
use crate::run::environment::{self, Checked, SummaryTo, Variables};
use crate::run::profile;
use crate::run::progress::Live;
use crate::run::shared_stats::{self, Seen, Witness};
use crate::run::summary;
use crate::term::failure::{Failure, plain, say};
use crate::term::status_line;
use cfr_engine::hook::Hooks;
use cfr_shared::settings::Level;
use cfr_shared::stats::Collect;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Runs the program to its end: its status, or that of an expectation which does not hold.
pub(crate) fn run(request: Run) -> Result<u8, Failure> {
    let (expectations, file) = (&request.expectations, request.witness.as_deref());
    let mut expected = Expected::new(expectations, file, &request.program)?;
    let status = run_expecting(request, &mut expected);
    if let Err(failure) = &status
        && let Err(also) = expected.give_up(failure)
    {
        also.say();
    }
    status
}

fn run_expecting(request: Run, expected: &mut Expected) -> Result<u8, Failure> {
    let Run { trace, progress: shows_progress, profiles, settings, program: words, .. } = request;
    let (name, arguments) =
        words.split_first().ok_or_else(|| Failure::new("no program; see cfr --help"))?;
    let settings = profile::below(settings, &profiles)?;
    let checked = environment::check(settings, if trace { "info" } else { "error" })?;
    expected.check(&checked)?;
    let library = library::find()?;
    let path = locate::find(name)?;
    let visibility = locate::visibility(&locate::follow(&path));
    if let Visibility::Unseen(why) | Visibility::Bypassed(why) | Visibility::Fatal(why) =
        &visibility
    {
        say(format!("{why}; its copies will not be seen"));
    }

    let is_summed = !matches!(checked.summary, SummaryTo::Nowhere);
    let wanted = [
        (is_summed || expected.is_wanted(), Collect::SUMMARY),
        (expected.is_any() && checked.log < Level::Info, Collect::LINES),
        (shows_progress && status_line::is_watched(), Collect::PROGRESS),
    ];
    let wanted = wanted.into_iter().filter(|(is_wanted, _)| *is_wanted);
    let wanted = wanted.fold(Collect::NOTHING, |all, (_, one)| all.and(one));
    let is_needed = trace || wanted != Collect::NOTHING;
    let witness = match is_needed.then(|| Witness::new(wanted)).transpose() {
        // A trace has its lines all the same.
        Err(failure) if wanted == Collect::NOTHING => {
            failure.say();
            None
        }
        made => made?,
    };
    let mut command = Command::new(&path);
    command.arg0(name).args(arguments);
    prepare(&mut command, &library, &visibility, &checked.variables, witness.as_ref());
    let watched = witness.as_ref().filter(|_| wanted.contains(Collect::PROGRESS));
    let live = watched.map(|witness| Live::new(*witness.accounts()));
    let ended = child::run(command)?;
    drop(live);
    let Some(witness) = witness else { return Ok(ended.status()) };
    let accounts = *witness.accounts();
    let written = summary::write(&checked, &accounts, &path, ended.pid);
    let seen = witness.close();
    let silence = why_silent(seen, &visibility, checked.log, checked.hooks, &path);
    // Who changes user, capabilities or namespace logs, and may not open the witness.
    if (trace || is_summed)
        && !checked.log_has_grown()
        && written.is_ok()
        && let Some(why) = &silence
    {
        say(format!("no copy was seen: {why}"));
    }
    let evidence = Evidence {
        accounts: &accounts,
        program: &path,
        doubt: doubt(seen, &visibility, &checked, &path),
        silence: silence.as_deref().filter(|_| !trace && !is_summed),
        checked: &checked,
        trouble: written.as_ref().err(),
    };
    let is_as_expected = expected.judge(&ended, &evidence)?;
    written?;
    // Ctrl-C ends the launcher here.
    let status = ended.status();
    Ok(if is_as_expected { status } else { NOT_AS_EXPECTED })
}

/// Has the library loaded into the program, with these settings.
pub(crate) fn prepare(
    command: &mut Command,
    library: &Path,
    visibility: &Visibility,
    variables: &Variables,
    witness: Option<&Witness>,
) {
    let first = match visibility {
        Visibility::After(other) => vec![other.as_str()],
        _ => Vec::new(),
    };
    if !matches!(visibility, Visibility::Fatal(_)) {
        let list = library::preload_list(std::env::var_os("LD_PRELOAD"), library, &first);
        command.env("LD_PRELOAD", list);
    }
    command
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env_remove(environment::SUMMARY)
        .env("CFR_STRICT", "yes");
    if let Some(witness) = witness {
        command.env(shared_stats::VARIABLE, witness.path());
    }
}

/// Why not every call of the program can have been seen.
fn doubt(seen: Seen, visibility: &Visibility, checked: &Checked, path: &Path) -> Option<Doubt> {
    let shown = plain(path);
    let why = match (seen, visibility) {
        (Seen { processes: 0, .. }, Visibility::Unseen(why) | Visibility::Fatal(why)) => {
            format!("libcfr.so was not loaded: {why}")
        }
        (Seen { processes: 0, .. }, _) if checked.log_has_grown() => {
            format!("{shown} may not open the launcher's accounts: another user, or another /proc")
        }
        (Seen { processes: 0, .. }, _) => not_loaded(&shown),
        (_, Visibility::Unseen(why) | Visibility::Bypassed(why) | Visibility::Fatal(why)) => {
            why.clone()
        }
        (_, Visibility::Seen | Visibility::After(_)) => return None,
    };
    Some(Doubt { why, of_all: seen.processes == 0 })
}

fn not_loaded(shown: &str) -> String {
    format!("libcfr.so was not loaded: {shown} or what it started dropped LD_PRELOAD")
}

/// A trace without a line wants a reason; `None` where there were calls.
pub(crate) fn why_silent(
    seen: Seen,
    visibility: &Visibility,
    log: Level,
    hooks: Hooks,
    path: &Path,
) -> Option<String> {
    let shown = plain(path);
    let who = match seen.processes {
        1 => shown.clone(),
        processes => format!("none of the {processes} programs"),
    };
    let never = if seen.processes == 1 { " never" } else { "" };
    let why = match (seen, visibility) {
        (Seen { calls: 1.., .. }, _) => return None,
        (_, Visibility::Unseen(why) | Visibility::Bypassed(why) | Visibility::Fatal(why)) => {
            why.clone()
        }
        _ if log == Level::Off => "nothing is watched where the log is off".into(),
        (Seen { processes: 0, .. }, _) => not_loaded(&shown),
        _ if hooks != Hooks::ALL => {
            format!("{who}{never} came through a watched hook (--hooks)")
        }
        _ => format!(
            "{who}{never} called copy_file_range, sendfile or an ioctl that shares blocks; \
             read, write and splice are not watched, nor static programs"
        ),
    };
    Some(why)
}

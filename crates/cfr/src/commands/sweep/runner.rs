//! The bench that the program is tried on: what is done before, with it, and after.

use super::process::{self, Ended, How};
use super::work_dir::Place;
use crate::cli::SweepArgs;
use crate::program::library;
use crate::program::locate::{self, Visibility};
use crate::run::environment;
use crate::run::preload;
use crate::run::shared_stats::{Seen, Witness};
use crate::term::failure::{FAILED, Failure, plain, told};
use cfr_shared::stats::{Collect, Counter};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What every run has in common.
pub(super) struct Bench<'a> {
    args: &'a SweepArgs,
    library: PathBuf,
    /// The launcher's working directory.
    here: PathBuf,
    /// Whether the program can be seen, once it was found.
    visibility: Visibility,
    /// How a command line in the directory of a run names the program.
    named: OsString,
}

/// A run that is over.
pub(super) struct Run {
    /// What became of the program.
    pub(super) ended: Ended,
    /// What became of the check, where the program said that it had succeeded.
    pub(super) check: Option<Ended>,
    /// How many calls met the fault.
    pub(super) injected: u64,
    /// Programs and calls that were seen.
    pub(super) seen: Seen,
    /// Where it took place.
    pub(super) place: Place,
}

impl<'a> Bench<'a> {
    /// With what the user asks for.
    pub(super) fn new(args: &'a SweepArgs) -> Result<Bench<'a>, Failure> {
        let here = std::env::current_dir().map_err(|error| {
            Failure::new(format!("cannot tell the working directory: {}", told(&error)))
        })?;
        let library = library::find()?;
        Ok(Bench { args, library, here, visibility: Visibility::Seen, named: OsString::new() })
    }

    /// Looks whether a preload can see the program, which stands there now.
    pub(super) fn look(&mut self, place: &Place) -> Result<(&Visibility, PathBuf), Failure> {
        let path = self.program(place)?;
        self.visibility = locate::visibility(&locate::follow(&path));
        let name = self.args.program.first().cloned().unwrap_or_default();
        let is_moved = self.args.fresh && name.as_bytes().contains(&b'/');
        let is_elsewhere = is_moved && !path.starts_with(place.path());
        self.named = if is_elsewhere { path.clone().into() } else { name };
        Ok((&self.visibility, path))
    }

    /// Whether a preload can see the program.
    pub(super) fn visibility(&self) -> &Visibility {
        &self.visibility
    }

    /// How a command line in the directory of a run names the program.
    pub(super) fn named(&self) -> &OsStr {
        &self.named
    }

    /// The directory of the next run, ready for it.
    pub(super) fn prepared(&self, limit: Duration) -> Result<Place, Failure> {
        let args = self.args;
        let place = if args.fresh { Place::fresh()? } else { Place::Here(self.here.clone()) };
        if let Some(from) = &args.from {
            let mut copy = self.command("cp", &place);
            copy.args(["-a", "--"]).arg(self.here.join(from).join(".")).arg(".");
            must_succeed(&process::run(copy, limit)?, "the copy of --from", limit)?;
        }
        if let Some(setup) = &args.setup {
            must_succeed(&process::run(self.shell(setup, &place), limit)?, "--setup", limit)?;
        }
        Ok(place)
    }

    /// Runs the program in `place` with these settings, and checks what it has done.
    pub(super) fn run(
        &self,
        place: Place,
        settings: &[(&str, OsString)],
        limit: Duration,
    ) -> Result<Run, Failure> {
        let witness = Witness::own(Collect::SUMMARY)?;
        let path = self.program(&place)?;
        let mut command = self.command(&path, &place);
        if let Some((name, arguments)) = self.args.program.split_first() {
            command.arg0(name).args(arguments);
        }
        let own = &self.args.settings;
        preload::prepare(&mut command, &self.library, &self.visibility, own, Some(&witness));
        // The user's log is not for hundreds of runs.
        for variable in ["CFR_LOG_FILE", "CFR_LOG_FORMAT", "CFR_PATHS", environment::INJECT] {
            command.env_remove(variable);
        }
        command.env("CFR_LOG", "error");
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let ended = process::run(command, limit)?;
        let check = match &self.args.check {
            Some(check) if ended.how == How::Status(0) => {
                Some(process::run(self.shell(check, &place), limit)?)
            }
            _ => None,
        };
        let injected = witness.accounts().get(Counter::Injected);
        Ok(Run { ended, check, injected, seen: witness.close(), place })
    }

    /// Where the program stands. A relative path is one of the directory that it will run in, or else of
    /// the launcher's.
    fn program(&self, place: &Place) -> Result<PathBuf, Failure> {
        let name = self.args.program.first().map_or(OsStr::new(""), OsString::as_os_str);
        if name.as_bytes().contains(&b'/')
            && let Ok(found) = locate::find(place.path().join(name).as_os_str())
        {
            return Ok(found);
        }
        // Without the dots in it.
        Ok(self.here.join(locate::find(name)?).components().collect())
    }

    /// A command in that directory, without the library.
    fn command(&self, program: impl AsRef<OsStr>, place: &Place) -> Command {
        let mut command = Command::new(program);
        command.current_dir(place.path()).env("PWD", place.path());
        let preloaded = library::without_ours(std::env::var_os("LD_PRELOAD"));
        match preloaded.is_empty() {
            true => command.env_remove("LD_PRELOAD"),
            false => command.env("LD_PRELOAD", preloaded),
        };
        command
    }

    fn shell(&self, script: &OsStr, place: &Place) -> Command {
        let mut command = self.command(locate::SHELL, place);
        command.arg("-c").arg(script);
        command
    }
}

/// Without this nothing can be said of the program.
pub(super) fn must_succeed(ended: &Ended, what: &str, limit: Duration) -> Result<(), Failure> {
    if ended.how == How::Status(0) {
        return Ok(());
    }
    let mut text = format!("{what} failed: {}", said(ended.how, limit));
    for line in last_lines(&ended.output) {
        text.push_str("\n    ");
        text.push_str(&line);
    }
    Err(Failure::with_status(FAILED, text))
}

/// How it ended, in words.
pub(super) fn said(how: How, limit: Duration) -> String {
    match how {
        How::Status(status) => format!("exit status {status}"),
        How::Signal(signal) => format!("killed by {}", signal_name(signal)),
        How::OutOfTime => format!("not over after {}", seconds(limit)),
    }
}

/// The signal's name, or its number.
pub(super) fn signal_name(signal: i32) -> String {
    let name = signal_hook::low_level::signal_name(signal);
    name.map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// A time for human eyes.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// How many lines of what a program said are shown.
const LINES: usize = 6;
/// How long such a line may be, in characters.
const COLUMNS: usize = 160;

/// The last lines, harmless and not too long.
pub(super) fn last_lines(output: &[u8]) -> Vec<String> {
    let lines: Vec<_> = output.split(|&byte| byte == b'\n').collect();
    let lines = lines.strip_suffix(&[&b""[..]]).unwrap_or(&lines);
    let from = lines.len().saturating_sub(LINES);
    let shown = |line: &&[u8]| plain(OsStr::from_bytes(line)).chars().take(COLUMNS).collect();
    lines.iter().skip(from).map(shown).collect()
}

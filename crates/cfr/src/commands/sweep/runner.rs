//! Runs the program of a sweep: with setup before it and the check after it.

use super::check_files::FilesBefore;
use super::process::{self, ProcessEnd, ProcessResult};
use super::work_dir::WorkDir;
use crate::cli::SweepArgs;
use crate::program::library::{self, Library};
use crate::program::locate::{self, Visibility};
use crate::program::starters;
use crate::run::blind_spot::Watch;
use crate::run::environment::{self, Variables};
use crate::run::preload;
use crate::run::reach::{self, Need, Plan};
use crate::run::shared_stats::{SeenCounts, SharedStats};
use crate::run::summary::RunInfo;
use crate::term::failure::{FAILED, Failure, describe, printable};
use cfr_engine::hook::{Hook, Hooks};
use cfr_shared::inject::{Faults, MAX_FAULTS, ParseError, ParseErrorKind};
use cfr_shared::stats::Collect;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long a run waits for the supervisor's end. Processes that left the group live on.
const MAX_WAIT: Duration = Duration::from_millis(200);
/// The index in `CFR_INJECT` of the fault that is tried.
const TRIED: usize = 0;

/// What all runs have in common.
pub(super) struct Runner<'a> {
    args: &'a SweepArgs,
    /// The settings of all runs.
    settings: Variables,
    /// The faults of all runs, from --inject and --profile.
    faults: Option<OsString>,
    library: Library,
    /// The launcher's working directory.
    here: PathBuf,
    /// Whether a preload can see the program, once it was found.
    visibility: Visibility,
    /// The supervisor that watches it too, or why there is none.
    plan: Plan,
    /// For each pair of `--check-files`, whether a run may remove the source; empty for all.
    may_move: Vec<bool>,
}

/// A run of the program that has ended.
pub(super) struct ProgramRun {
    pub(super) ended: ProcessResult,
    /// `--check` if the program exited with 0, or else `--check-failed`.
    pub(super) check: Option<ProcessResult>,
    /// What `--check-files` found wrong.
    pub(super) files: Option<String>,
    /// For each pair of `--check-files`, whether the source is gone.
    pub(super) gone: Vec<bool>,
    /// The number of calls to which the fault that is tried applied.
    pub(super) injected: u64,
    /// The hooks that were called. A supervised call is one of the hook that is named like its system
    /// call.
    pub(super) hooks: Hooks,
    /// The processes and calls that were seen.
    pub(super) seen: SeenCounts,
    pub(super) work_dir: WorkDir,
}

impl<'a> Runner<'a> {
    pub(super) fn new(args: &'a SweepArgs, settings: Variables) -> Result<Runner<'a>, Failure> {
        let here = std::env::current_dir().map_err(|error| {
            Failure::new(format!("cannot determine the working directory: {}", describe(&error)))
        })?;
        let library = library::find()?;
        Ok(Runner {
            args,
            faults: environment::faults(&settings),
            settings,
            library,
            here,
            visibility: Visibility::Seen,
            plan: Err(String::new()),
            may_move: Vec::new(),
        })
    }

    /// Finds the program in the directory, and determines whether a preload can see it.
    pub(super) fn find_program(
        &mut self,
        work_dir: &WorkDir,
        hooks: Hooks,
    ) -> Result<PathBuf, Failure> {
        let path = self.program(work_dir)?;
        let executable = locate::follow(&path);
        self.visibility = locate::visibility(&executable);
        let need = Need {
            program: &path,
            is_unseen: self.visibility != Visibility::Seen,
            gains_privileges: locate::privileged(&executable.file).is_some(),
            wants_proof: false,
            hooks,
            forwards_to_next: false,
        };
        self.plan = reach::plan(self.args.reach, need)?;
        Ok(path)
    }

    /// Returns how the program is watched.
    pub(super) fn watch(&self) -> Watch<'_> {
        let supervisor = self.plan.clone().map(drop);
        let hides = starters::hides(&self.args.program);
        Watch { visibility: &self.visibility, hides, supervisor, has_ended: true }
    }

    /// Fails if no room is left for the faults of a case.
    pub(super) fn has_room_for(&self, own: usize) -> Result<(), Failure> {
        let faults = self.with_faults(&["zero"].repeat(own).join(";"));
        match Faults::parse(faults.as_bytes()) {
            Err(ParseError { kind: ParseErrorKind::TooMany, .. }) => Err(Failure::new(format!(
                "too many faults in --inject and --profile: expected at most {}, because a case adds up to {own}",
                MAX_FAULTS.saturating_sub(own)
            ))),
            _ => Ok(()),
        }
    }

    /// Describes a run without a fault of the sweep's own.
    pub(super) fn baseline_name(&self) -> &'static str {
        match self.faults {
            None => "the run without a fault",
            Some(_) => "the run with only the faults of --inject and --profile",
        }
    }

    /// Returns these faults and those of all runs, as `CFR_INJECT` takes them. Those that come first
    /// decide.
    pub(super) fn with_faults(&self, faults: &str) -> OsString {
        let own = Some(OsStr::new(faults)).filter(|faults| !faults.is_empty());
        let all = own.into_iter().chain(self.faults.as_deref());
        all.collect::<Vec<_>>().join(OsStr::new(";"))
    }

    /// Lets only those runs that the list names remove a source of `--check-files`.
    pub(super) fn allow_moves(&mut self, may_move: Vec<bool>) {
        self.may_move = may_move;
    }

    /// Prepares the working directory of the next run.
    pub(super) fn prepare_dir(&self, limit: Duration) -> Result<WorkDir, Failure> {
        let args = self.args;
        let work_dir =
            if args.fresh { WorkDir::fresh()? } else { WorkDir::Here(self.here.clone()) };
        if let Some(from) = &args.from {
            let copy = || {
                let mut copy = self.command("cp", &work_dir);
                copy.args(["-a", "--"]).arg(self.here.join(from).join(".")).arg(".");
                copy
            };
            must_succeed(&process::run(copy, limit)?, "copying --from", limit)?;
        }
        if let Some(setup) = &args.setup {
            must_succeed(&process::run(|| self.shell(setup, &work_dir), limit)?, "--setup", limit)?;
        }
        Ok(work_dir)
    }

    /// Runs the program in a directory with these faults and settings, then the checks.
    pub(super) fn run(
        &self,
        work_dir: WorkDir,
        faults: &str,
        settings: &[(&str, OsString)],
        limit: Duration,
    ) -> Result<ProgramRun, Failure> {
        let before = FilesBefore::read(&self.args.check_files, work_dir.path())?;
        let shared = SharedStats::own(Collect::SUMMARY.union(Collect::FAULTS))?;
        let path = self.program(&work_dir)?;
        let command = || {
            let mut command = self.command(&path, &work_dir);
            if let Some((name, arguments)) = self.args.program.split_first() {
                command.arg0(name).args(arguments);
            }
            preload::prepare(&mut command, &self.library, &self.settings, Some(&shared));
            // The user's log would get the lines of hundreds of runs.
            for variable in ["CFR_LOG_FILE", "CFR_LOG_FORMAT", "CFR_PATHS"] {
                command.env_remove(variable);
            }
            command.env("CFR_LOG", "error").env(environment::INJECT, self.with_faults(faults));
            command.envs(settings.iter().map(|(name, value)| (name, value)));
            command
        };
        let stats = Some(*shared.stats());
        RunInfo::begin(&self.args.program).note_in(shared.stats());
        let (ended, supervisor) = process::run_with(command, limit, self.plan.clone(), stats)?;
        if let Ok(supervisor) = supervisor {
            // A copy of a process that was killed ends, too.
            supervisor.wait(Some(MAX_WAIT));
        }
        let has_succeeded = ended.how == ProcessEnd::Status(0);
        let files = before.compare(has_succeeded, &self.may_move);
        let check = match ended.how {
            ProcessEnd::OutOfTime => None,
            _ if has_succeeded => self.args.check.as_ref(),
            _ => self.args.check_failed.as_ref(),
        };
        let check = check.map(|check| process::run(|| self.shell(check, &work_dir), limit));
        let stats = shared.stats();
        let injected = stats.faults().map_or(0, |faults| faults.applied(TRIED));
        let called = Hook::ALL.into_iter().filter(|&hook| stats.calls_like(hook) > 0);
        let hooks = called.filter(|&hook| hook != Hook::Seccomp).fold(Hooks::NONE, Hooks::with);
        Ok(ProgramRun {
            ended,
            check: check.transpose()?,
            files: files.violation,
            gone: files.gone,
            injected,
            hooks,
            seen: shared.close(),
            work_dir,
        })
    }

    /// Returns the program's path. A relative path counts from the directory of the run, or else
    /// from the launcher's.
    fn program(&self, work_dir: &WorkDir) -> Result<PathBuf, Failure> {
        let name = self.args.program.first().map_or(OsStr::new(""), OsString::as_os_str);
        if name.as_bytes().contains(&b'/')
            && let Ok(found) = locate::find(work_dir.path().join(name).as_os_str())
        {
            return Ok(found);
        }
        // components() removes the dots in the path.
        Ok(self.here.join(locate::find(name)?).components().collect())
    }

    /// Returns a command in that directory, without the library.
    fn command(&self, program: impl AsRef<OsStr>, work_dir: &WorkDir) -> Command {
        let mut command = Command::new(program);
        command.current_dir(work_dir.path()).env("PWD", work_dir.path());
        let preloaded = library::without_ours(std::env::var_os("LD_PRELOAD"));
        if preloaded.is_empty() {
            command.env_remove("LD_PRELOAD");
        } else {
            command.env("LD_PRELOAD", preloaded);
        }
        command
    }

    fn shell(&self, script: &OsStr, work_dir: &WorkDir) -> Command {
        let mut command = self.command(locate::SHELL, work_dir);
        command.arg("-c").arg(script);
        command
    }
}

/// Fails unless the process exited with 0: without this step the sweep has no meaning.
pub(super) fn must_succeed(
    ended: &ProcessResult,
    what: &str,
    limit: Duration,
) -> Result<(), Failure> {
    if ended.how == ProcessEnd::Status(0) {
        return Ok(());
    }
    let mut text = format!("{what} failed: {}", describe_end(ended.how, limit));
    for line in last_lines(&ended.output) {
        text.push_str("\n    ");
        text.push_str(&line);
    }
    Err(Failure::with_status(FAILED, text))
}

/// Describes how a process ended.
pub(super) fn describe_end(how: ProcessEnd, limit: Duration) -> String {
    match how {
        ProcessEnd::Status(status) => format!("exit status {status}"),
        ProcessEnd::Signal(signal) => format!("killed by {}", signal_name(signal)),
        ProcessEnd::OutOfTime => format!("not finished after {}", seconds(limit)),
    }
}

/// Returns the signal's name, or its number if it has none.
pub(super) fn signal_name(signal: i32) -> String {
    let name = signal_hook::low_level::signal_name(signal);
    name.map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// Formats a time for text.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The number of output lines that are shown.
const LINES: usize = 6;
/// The most characters of such a line.
const COLUMNS: usize = 160;

/// Returns the last lines, printable and truncated.
pub(super) fn last_lines(output: &[u8]) -> Vec<String> {
    let mut lines: Vec<_> = output.split(|&byte| byte == b'\n').collect();
    lines.pop_if(|line| line.is_empty());
    let from = lines.len().saturating_sub(LINES);
    let shown = |line: &&[u8]| printable(OsStr::from_bytes(line)).chars().take(COLUMNS).collect();
    lines.iter().skip(from).map(shown).collect()
}

//! The baseline: a run without faults, which shows that the program works, how long it takes, and
//! which calls it makes.

use super::calls::{HookCalls, ProcessCalls, TreeCalls};
use super::runner::{ProgramRun, Runner, must_succeed};
use super::work_dir::{WorkDir, temp_dir};
use crate::log::entry::LogEntry;
use crate::log::reader::LogReader;
use crate::run::blind_spot::{Watch, if_none_seen, unseen};
use crate::term::failure::{Failure, describe, print_message, printable};
use cfr_engine::hook::{Hook, Hooks};
use cfr_shared::settings::Level;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time limit if the user sets none.
const DEFAULT_LIMIT: Duration = Duration::from_secs(300);
/// The least time limit of a run with a fault, and the limit as a multiple of the baseline's time.
const MIN_LIMIT: Duration = Duration::from_secs(10);
const TIMES: u32 = 20;

pub(super) struct Baseline {
    /// The time from its start to its end.
    pub(super) took: Duration,
    /// The time limit of a run with a fault.
    pub(super) limit: Duration,
    pub(super) used: Vec<HookCalls>,
}

/// Runs the program without a fault of the sweep's own.
pub(super) fn run(
    runner: &mut Runner,
    timeout: Option<Duration>,
    hooks: Hooks,
) -> Result<Baseline, Failure> {
    let limit = timeout.unwrap_or(DEFAULT_LIMIT);
    let work_dir = runner.prepare_dir(limit)?;
    let program = runner.find_program(&work_dir, hooks)?;
    let Watch { visibility, supervisor, .. } = runner.watch();
    if let Some(why) = unseen(visibility, supervisor.as_ref().err()) {
        return Err(Failure::new(format!("cannot inject faults: {why}")));
    }
    let (run, used) = record(runner, work_dir, "", limit)?;
    let name = runner.baseline_name();
    must_succeed(&run.ended, name, limit)?;
    if let Some(check) = &run.check {
        must_succeed(check, &format!("--check after {name}"), limit)?;
    }
    if let Some(violation) = &run.files {
        return Err(Failure::new(format!("--check-files after {name} failed: {violation}")));
    }
    runner.allow_moves(run.gone);
    if used.is_empty() {
        let none_seen = if_none_seen(run.seen, &runner.watch(), Level::Info, hooks, &program);
        let why = none_seen.unwrap_or_else(|| "its log could not be written".to_owned());
        return Err(Failure::new(format!("no call that a fault could hit: {why}")));
    }
    let took = run.ended.took;
    let limit = timeout.unwrap_or_else(|| MIN_LIMIT.max(took.saturating_mul(TIMES)));
    Ok(Baseline { took, limit, used })
}

/// Runs the program with these faults, and returns the calls that it made.
pub(super) fn record(
    runner: &Runner,
    work_dir: WorkDir,
    faults: &str,
    limit: Duration,
) -> Result<(ProgramRun, Vec<HookCalls>), Failure> {
    let directory = temp_dir();
    let log = tempfile::tempfile_in(&directory).map_err(|error| {
        let directory = printable(directory);
        Failure::new(format!("cannot create a log in {directory}: {}", describe(&error)))
    })?;
    let path = path(&log);
    let settings = [
        ("CFR_LOG", "info".into()),
        ("CFR_LOG_FILE", path.clone().into()),
        ("CFR_LOG_FORMAT", "json".into()),
        ("CFR_PATHS", "yes".into()),
    ];
    let directory = fs::canonicalize(work_dir.path()).unwrap_or_default();
    let run = runner.run(work_dir, faults, &settings, limit)?;
    let used = used(&path, &directory)?;
    Ok((run, used))
}

/// Returns a path of an unnamed file, for processes that may read this one's /proc directory.
fn path(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

/// Returns which calls were made, by hook. The paths of targets count from `directory`.
fn used(log: &Path, directory: &Path) -> Result<Vec<HookCalls>, Failure> {
    let mut by_process: BTreeMap<(u32, usize), ProcessCalls> = BTreeMap::new();
    let mut by_hook: BTreeMap<usize, TreeCalls> = BTreeMap::new();
    let mut log = LogReader::open_unnamed(log)?;
    while let Some(line) = log.next()? {
        match LogEntry::read(line) {
            Some(LogEntry::Call(call)) if call.first => {
                // A fault of the hook that is named like the system call meets supervised calls too.
                let is_supervised = call.hook == Hook::Seccomp.name();
                let name = if is_supervised { &call.call } else { &call.hook };
                let hook = Hook::ALL.iter().position(|hook| hook.name() == name);
                let Some(hook) = hook else { continue };
                let is_clone = matches!(call.request.as_deref(), Some("FICLONE" | "FICLONERANGE"));
                let calls = by_process.entry((call.moment.pid, hook)).or_default();
                calls.add(!is_clone, call.bytes);
                let shortened = |path| Path::new(path).strip_prefix(directory).ok()?.to_str();
                let target = call.target.as_deref().map(|path| shortened(path).unwrap_or(path));
                let tree = by_hook.entry(hook).or_default();
                tree.add(call.moment.pid, target, !is_clone, call.bytes);
            }
            Some(LogEntry::Message(message)) if message.lost().is_some() => {
                print_message("the log of a run is incomplete; some calls may not be tested");
            }
            _ => {}
        }
    }
    let most = |(index, hook)| {
        let calls = by_process
            .iter()
            .filter(|((_, other), _)| *other == index)
            .map(|(_, &calls)| calls)
            .reduce(ProcessCalls::most)?;
        Some(HookCalls { hook, calls, tree: by_hook.remove(&index)? })
    };
    Ok((0..).zip(Hook::ALL).filter_map(most).collect())
}

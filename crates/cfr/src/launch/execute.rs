//! From the program's start to its end, with the threads that look after it meanwhile.

use super::prepare::Prepared;
use crate::run::child::{self, ChildExit};
use crate::run::line_reader::LineReader;
use crate::run::preload;
use crate::run::progress::ProgressThread;
use crate::run::reach::Plan;
use crate::run::shared_stats::SharedStats;
use crate::run::start::Shortage;
use crate::run::summary::RunInfo;
use crate::run::supervisor::Supervisor;
use crate::run::terminal_signals::TerminalSignals;
use crate::run::unfinished::UnfinishedCalls;
use crate::term::failure::Failure;
use cfr_shared::stats::Collect;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// How long processes may take to end after the program.
const GRACE: Duration = Duration::from_millis(200);

/// A program that has ended.
pub(super) struct Finished<'a> {
    pub(super) ended: ChildExit,
    pub(super) info: RunInfo<'a>,
    /// The supervisor, or why there was none.
    pub(super) supervisor: Result<Supervisor, String>,
    /// Whether all processes have ended that it watched.
    pub(super) has_ended: bool,
}

/// Runs the program to its end, and ends what looked after it.
pub(super) fn execute<'a>(
    prepared: &'a Prepared,
    shared: Option<&SharedStats>,
    plan: Plan,
) -> Result<Finished<'a>, Failure> {
    let Prepared { command: words, path, checked, waits_for_all, .. } = prepared;
    // Before there are other threads: each would take them.
    let terminal = TerminalSignals::block(path);
    let stats = shared.map(|shared| *shared.stats());
    let own = shared.filter(|shared| shared.are_own());
    let mut progress =
        stats.filter(|_| prepared.wanted.contains(Collect::PROGRESS)).map(ProgressThread::new);
    let mut lines = shared
        .zip(checked.shared_log.as_ref())
        .and_then(|(shared, log)| LineReader::start(shared, &checked.variables, log));
    let mut unfinished = own.and_then(|own| {
        let written = lines.as_ref().and_then(LineReader::written);
        UnfinishedCalls::watch(*own.stats(), &checked.variables, written)
    });
    let command = || {
        let mut command = Command::new(path);
        if let Some((name, arguments)) = words.split_first() {
            command.arg0(name).args(arguments);
        }
        preload::prepare(&mut command, &prepared.library, &checked.variables, shared);
        command
    };
    let mut info = RunInfo::begin(words);
    if let Some(own) = own {
        info.note_in(own.stats());
    }
    let mut make_room = || {
        let threads = (progress.take(), unfinished.take(), lines.take());
        let were_any = !matches!(threads, (None, None, None));
        if let Some(unfinished) = threads.1 {
            unfinished.finish(false);
        }
        were_any
    };
    let shortage = Shortage { make_room: &mut make_room, may_replace: !prepared.reports };
    let (ended, supervisor) = child::run(command, plan, stats, terminal, *waits_for_all, shortage)?;
    info.end();
    let has_ended = match &supervisor {
        Ok(supervisor) => supervisor.wait(if *waits_for_all { None } else { Some(GRACE) }),
        Err(_) => {
            if *waits_for_all {
                child::wait_for_orphans();
            }
            true
        }
    };
    drop(progress);
    let all_ended = supervisor.is_ok() && has_ended;
    let missing = unfinished.map_or(0, |unfinished| unfinished.finish(all_ended));
    match lines {
        // The supervisor reads on: a process that has changed its user may be unable to open the log.
        Some(lines) if supervisor.is_ok() && !has_ended => lines.hand_on(),
        Some(lines) => lines.finish(missing),
        None => {}
    }
    Ok(Finished { ended, info, supervisor, has_ended })
}

//! Runs one process and its children with a time limit, and keeps the end of their output.

use super::live_runs;
use crate::run::reach::Plan;
use crate::run::start::{self, Shortage, Started};
use crate::run::supervisor::Supervisor;
use crate::term::failure::{Failure, describe};
use cfr_shared::stats::Stats;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::VecDeque;
use std::io::{self, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The bytes of the output that are kept, from its end.
const KEPT: usize = 16 << 10;
/// The longest wait for output after the process has ended: a process that left the group may keep
/// the pipe open.
const MAX_OUTPUT_WAIT: Duration = Duration::from_secs(1);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessEnd {
    Status(i32),
    Signal(i32),
    /// It exceeded the time limit, and was killed.
    OutOfTime,
}

#[derive(Debug)]
pub(super) struct ProcessResult {
    pub(super) how: ProcessEnd,
    /// The time from its start to its end.
    pub(super) took: Duration,
    /// The end of its standard output and standard error.
    pub(super) output: Vec<u8>,
}

/// Runs the command without input in a process group of its own, all of which is killed at the end.
pub(super) fn run(
    program: impl Fn() -> Command,
    limit: Duration,
) -> Result<ProcessResult, Failure> {
    run_with(program, limit, Err(String::new()), None).map(|(ended, _)| ended)
}

/// Runs the command likewise, under the planned supervisor, whose calls `stats` have. Returns the
/// supervisor too, or the reason why there is none.
pub(super) fn run_with(
    program: impl Fn() -> Command,
    limit: Duration,
    plan: Plan,
    stats: Option<Stats>,
) -> Result<(ProcessResult, Result<Supervisor, String>), Failure> {
    let cannot =
        |error: io::Error| Failure::new(format!("cannot run the program: {}", describe(&error)));
    let (reader, writer) = io::pipe().map_err(cannot)?;
    let output = Arc::new(Mutex::new(VecDeque::new()));
    let is_read = read(reader, &output).map_err(cannot)?;
    let begun = Instant::now();
    let set_up = |command: &mut Command| -> io::Result<()> {
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer.try_clone()?);
        command.process_group(0);
        start::give_signals_back(command);
        Ok(())
    };
    let no_room = Shortage { make_room: &mut || false, may_replace: false };
    let (Started { mut child, supervisor }, group) = {
        let mut runs = live_runs::lock();
        let started = start::start(program, set_up, plan, stats, no_room)?;
        let group = Pid::from_child(&started.child);
        runs.add_group(group);
        (started, group)
    };
    // It holds the pipe open.
    drop(writer);
    let is_in_time = wait(group, limit);
    let took = begun.elapsed();
    // The process is still a zombie, so no other process can have its ID.
    let _ = kill_process_group(group, Signal::KILL);
    let status = {
        let mut runs = live_runs::lock();
        runs.forget_group(group);
        child.wait()
    };
    let (status, is_in_time) = (status.map_err(cannot)?, is_in_time.map_err(cannot)?);
    let _ = is_read.recv_timeout(MAX_OUTPUT_WAIT);
    let output = output.lock().unwrap_or_else(PoisonError::into_inner);
    let ended = ProcessResult {
        how: match (is_in_time, status.signal()) {
            (false, _) => ProcessEnd::OutOfTime,
            (true, Some(signal)) => ProcessEnd::Signal(signal),
            (true, None) => ProcessEnd::Status(status.code().unwrap_or(-1)),
        },
        took,
        output: output.iter().copied().collect(),
    };
    Ok((ended, supervisor))
}

/// Waits for the process, and kills its group at the time limit. Returns whether it ended in time.
fn wait(pid: Pid, limit: Duration) -> io::Result<bool> {
    let (at_end, is_over) = mpsc::channel::<()>();
    let watch = move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        drop(at_end);
    };
    thread::Builder::new().spawn(watch)?;
    if is_over.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
        return Ok(true);
    }
    let _ = kill_process_group(pid, Signal::KILL);
    let _ = is_over.recv();
    Ok(false)
}

/// Reads all output and keeps its end. The channel closes when all is read.
fn read(mut from: PipeReader, to: &Arc<Mutex<VecDeque<u8>>>) -> io::Result<Receiver<()>> {
    let (at_end, is_read) = mpsc::channel::<()>();
    let to = Arc::clone(to);
    let read = move || {
        let mut piece = [0; 4096];
        loop {
            match from.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
                    to.extend(piece.iter().take(count));
                    let over = to.len().saturating_sub(KEPT);
                    to.drain(..over);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(at_end);
    };
    thread::Builder::new().spawn(read).map(|_| is_read)
}

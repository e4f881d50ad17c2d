//! Runs the program as a child process, passes signals on to it, and waits for it.

use super::reach::Plan;
use super::start::{self, Shortage, Started};
use super::supervisor::Supervisor;
use super::terminal_signals::TerminalSignals;
use crate::term::failure::{Failure, describe, print_message};
use crate::term::inherited::is_ignored;
use crate::term::small_thread::small_thread;
use cfr_shared::stats::Stats;
use cfr_sys as sys;
use rustix::io::Errno as IoErrno;
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process,
    set_dumpable_behavior,
};
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

/// These are passed on to the program if another process sends them to the launcher.
const PASSED_ON: [i32; 4] = [SIGHUP, SIGTERM, SIGUSR1, SIGUSR2];

/// The end of the program.
pub(crate) struct ChildExit {
    /// The launcher's exit status: the program's, or 128+N if signal N ended it.
    pub(crate) status: u8,
    /// As waitpid(2) reported it.
    pub(crate) exit: ExitStatus,
    pub(crate) pid: u32,
    /// The bytes that it and the descendants that were waited for have written; `None` if unknown.
    pub(crate) written: Option<u64>,
    /// SIGINT or SIGQUIT if Ctrl-C or Ctrl-\ ended it.
    interrupted: Option<i32>,
}

impl ChildExit {
    /// Reports whether Ctrl-C or Ctrl-\ ended the program, and so ends the launcher.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// Returns the launcher's exit status. If Ctrl-C or Ctrl-\ ended the program, ends the launcher by
    /// SIGINT or SIGQUIT too: a shell breaks a loop only if it sees that signal, and `$?` is the same.
    pub(crate) fn status(self) -> u8 {
        if let Some(signal) = self.interrupted {
            // The default action of SIGQUIT is a core dump: the program's is enough.
            let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
            let _ = emulate_default_handler(signal);
        }
        self.status
    }
}

/// Runs the program that `program` returns the command of to its end, under the planned supervisor,
/// whose calls `stats` have. `terminal` has the signals that are for it. Returns the supervisor too,
/// or the reason why there is none. If the launcher `waits_for_all` processes and there is none, it
/// adopts them. If there is no room for the program's process, the threads of `shortage` are ended
/// first, and then the one that passes signals on.
pub(crate) fn run(
    program: impl Fn() -> Command,
    plan: Plan,
    stats: Option<Stats>,
    terminal: TerminalSignals,
    waits_for_all: bool,
    shortage: Shortage<'_>,
) -> Result<(ChildExit, Result<Supervisor, String>), Failure> {
    // The handlers are set before the start, so that no signal ends the launcher alone. Ignored
    // signals stay ignored, here and in the program, except SIGCHLD: the kernel reports no child to
    // a parent that ignores it.
    let watched: Vec<_> = PASSED_ON
        .into_iter()
        .filter(|&signal| !is_ignored(signal))
        .chain(is_ignored(SIGCHLD).then_some(SIGCHLD))
        .collect();
    let signals = Signals::new(&watched)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", describe(&error))))?;
    let mut passing = pass_on(signals);
    let mut make_room = || {
        (shortage.make_room)()
            || passing.take().is_some_and(|(started, thread)| {
                drop(started);
                thread.join().is_ok()
            })
    };
    let shortage = Shortage { make_room: &mut make_room, may_replace: shortage.may_replace };
    adopt_orphans(waits_for_all);
    let set_up = |command: &mut Command| {
        terminal.give_to(command);
        start::give_back(command);
        Ok(())
    };
    let start = || start::start(program, set_up, plan, stats, shortage);
    let Started { mut child, supervisor } = terminal.while_starting(start)?;
    let started = passing.map(|(started, _)| started);
    if started.is_none() {
        watched.into_iter().for_each(sys::reset);
        print_message("cannot start a thread: signals that cfr gets are not passed on");
    }
    // Only root may open it once the program has ended.
    let counters = File::open(format!("/proc/{}/io", child.id()));
    // The thread lives as long as the launcher.
    let _ = started.map(|started| started.send(child.id()));
    adopt_orphans(waits_for_all && supervisor.is_err());
    let written = written_at_end(&child, counters);
    let status = child.wait().map_err(|error| {
        Failure::new(format!("cannot wait for the program: {}", describe(&error)))
    })?;
    HAS_ENDED.store(true, Ordering::Relaxed);
    drop(terminal);
    let is_of_terminal = |signal: &i32| [SIGINT, SIGQUIT].contains(signal) && !is_ignored(*signal);
    let interrupted = status.signal().filter(is_of_terminal);
    let (status, exit, pid) = (launcher_status(status), status, child.id());
    Ok((ChildExit { status, exit, pid, written, interrupted }, supervisor))
}

/// Waits for the end of the program without collecting it, and returns the bytes that it has written
/// (proc_pid_io(5), `wchar`): a process has those of the children that it has waited for, too.
fn written_at_end(child: &Child, counters: io::Result<File>) -> Option<u64> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw)?;
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(rustix::process::waitid(WaitId::Pid(pid), ended), Err(IoErrno::INTR)) {}
    let counters = io::read_to_string(counters.ok()?).ok()?;
    counters.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
}

/// Makes this process the parent, or not, of all processes whose own parent ends (prctl(2),
/// `PR_SET_CHILD_SUBREAPER`), so that it can wait for them.
fn adopt_orphans(is_parent: bool) {
    let _ = rustix::process::set_child_subreaper(is_parent.then(rustix::process::getpid));
}

/// Waits for all processes that were adopted.
pub(crate) fn wait_for_orphans() {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(IoErrno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Whether the program has ended. Later signals are for the launcher.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Starts a thread that passes signals on to the process with the ID that it receives. Signals that
/// arrive before the ID are kept. `None` if it cannot be started.
fn pass_on(mut signals: Signals) -> Option<(Sender<u32>, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel();
    let started = small_thread(move || {
        let number = receiver.recv().ok().and_then(|number| i32::try_from(number).ok());
        let Some(pid) = number.and_then(Pid::from_raw) else { return };
        for signal in signals.forever() {
            if HAS_ENDED.load(Ordering::Relaxed) {
                let _ = emulate_default_handler(signal);
            } else if PASSED_ON.contains(&signal)
                && let Some(signal) = Signal::from_named_raw(signal)
            {
                // This fails if the program has just ended.
                let _ = kill_process(pid, signal);
            }
        }
    });
    Some((sender, started.ok()?))
}

fn launcher_status(status: ExitStatus) -> u8 {
    let number = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => i32::from(u8::MAX),
    };
    u8::try_from(number & 0xff).unwrap_or(u8::MAX)
}

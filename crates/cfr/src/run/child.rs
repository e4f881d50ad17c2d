//! Starts the program as a child process, passes signals on to it, and waits for it.

use crate::program::locate::{SHELL, is_text};
use crate::run::supervisor::Filter;
use crate::term::failure::{CANNOT_EXECUTE, Failure, NOT_FOUND, describe, printable};
use crate::term::inherited::{closed, is_ignored};
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use rustix::io::Errno as IoErrno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process};
use signal_hook::consts::signal::{
    SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

/// A terminal sends these to the whole process group, including the program: the launcher ignores
/// them.
const FROM_TERMINAL: [i32; 2] = [SIGINT, SIGQUIT];
/// These are passed on to the program if another process sends them to the launcher.
const PASSED_ON: [i32; 4] = [SIGHUP, SIGTERM, SIGUSR1, SIGUSR2];

/// The standard library changes SIGPIPE and the launcher SIGCHLD, which it needs to wait. If the
/// launcher inherited them ignored, the program gets them ignored too.
const GIVEN_BACK: [i32; 2] = [SIGPIPE, SIGCHLD];

/// The end of the program.
pub(crate) struct ChildExit {
    /// The launcher's exit status: the program's, or 128+N if signal N ended it.
    pub(crate) status: u8,
    /// As waitpid(2) reported it.
    pub(crate) exit: ExitStatus,
    pub(crate) pid: u32,
    /// The bytes that it and the descendants that were waited for have written; `None` if unknown.
    pub(crate) written: Option<u64>,
    /// Whether Ctrl-C ended it.
    interrupted: bool,
}

impl ChildExit {
    /// Reports whether Ctrl-C ended the program, and so ends the launcher.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Returns the launcher's exit status. If Ctrl-C ended the program, ends the launcher by SIGINT
    /// too: a shell breaks a loop only if it sees that signal, and `$?` is the same.
    pub(crate) fn status(self) -> u8 {
        if self.interrupted {
            let _ = emulate_default_handler(SIGINT);
        }
        self.status
    }
}

/// Runs the command to its end.
///
/// `filter` is what the program's process does first; `started` is called when the program runs.
pub(crate) fn run(
    mut command: Command,
    filter: Option<Filter>,
    at_start: impl FnOnce(),
) -> Result<ChildExit, Failure> {
    // The handlers are set before the start, so that no signal ends the launcher alone. Ignored
    // signals stay ignored, here and in the program, except SIGCHLD: the kernel reports no child to
    // a parent that ignores it.
    let watched = FROM_TERMINAL
        .into_iter()
        .chain(PASSED_ON)
        .filter(|&signal| !is_ignored(signal))
        .chain(is_ignored(SIGCHLD).then_some(SIGCHLD));
    let signals = Signals::new(watched)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", describe(&error))))?;
    give_back(&mut command, filter);
    let started = pass_on(signals)?;
    let mut child = start(&mut command, filter)?;
    // Only root may open it once the program has ended.
    let counters = File::open(format!("/proc/{}/io", child.id()));
    at_start();
    // The thread lives as long as the launcher.
    let _ = started.send(child.id());
    let written = written_at_end(&child, counters);
    let status = child.wait().map_err(|error| {
        Failure::new(format!("cannot wait for the program: {}", describe(&error)))
    })?;
    HAS_ENDED.store(true, Ordering::Relaxed);
    let interrupted = status.signal() == Some(SIGINT) && !is_ignored(SIGINT);
    let (status, exit, pid) = (launcher_status(status), status, child.id());
    Ok(ChildExit { status, exit, pid, written, interrupted })
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

/// Makes this process the parent of all processes whose own parent ends (prctl(2),
/// `PR_SET_CHILD_SUBREAPER`), so that it can wait for them.
pub(crate) fn adopt_orphans() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
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

/// Gives the program the signals and standard descriptors that the launcher was started with.
fn give_back(command: &mut Command, filter: Option<Filter>) {
    begin_with(command, closed(), filter);
}

/// Gives the program the signals that the launcher was started with, for a program with its own
/// standard descriptors.
pub(crate) fn give_signals_back(command: &mut Command, filter: Option<Filter>) {
    begin_with(command, &[], filter);
}

fn begin_with(command: &mut Command, closed: &'static [i32], filter: Option<Filter>) {
    let ignored = GIVEN_BACK.map(|signal| is_ignored(signal).then_some(signal));
    if ignored.iter().all(Option::is_none) && closed.is_empty() && filter.is_none() {
        return;
    }
    let begin = move || {
        ignored.into_iter().flatten().for_each(sys::ignore);
        closed.iter().copied().for_each(sys::close);
        if let Some(filter) = filter {
            filter.install();
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe functions may run: signal(2), close(2) and
    // the system calls of the filter are.
    #[expect(unsafe_code, reason = "the standard library has no safe way to do this")]
    unsafe {
        command.pre_exec(begin);
    }
}

fn start(command: &mut Command, filter: Option<Filter>) -> Result<Child, Failure> {
    match command.spawn() {
        Err(error) if is_for_shell(command, &error) => {
            let mut shell = through_shell(command);
            give_back(&mut shell, filter);
            shell.spawn()
        }
        started => started,
    }
    .map_err(|error| cannot_start(command, &error))
}

/// Returns the failure to start the program.
pub(crate) fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    let program = printable(command.get_program());
    match error.kind() {
        io::ErrorKind::NotFound => Failure::with_status(
            NOT_FOUND,
            format!("{program}: its interpreter or dynamic linker was not found"),
        ),
        _ => Failure::with_status(CANNOT_EXECUTE, format!("{program}: {}", describe(error))),
    }
}

/// Reports whether the shell must run the file, as in execvp(3): the kernel does not know its
/// format.
pub(crate) fn is_for_shell(command: &Command, error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOEXEC.0) && is_text(Path::new(command.get_program()))
}

/// Returns the command as a script of sh(1), without its standard descriptors and process group.
pub(crate) fn through_shell(command: &Command) -> Command {
    let mut shell = Command::new(SHELL);
    shell.arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Whether the program has ended. Later signals are for the launcher.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Starts a thread that passes signals on to the process with the ID that it receives. Signals that
/// arrive before the ID are kept.
fn pass_on(mut signals: Signals) -> Result<Sender<u32>, Failure> {
    let (sender, receiver) = mpsc::channel();
    let started = thread::Builder::new().spawn(move || {
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
    started
        .map_err(|error| Failure::new(format!("cannot start a thread: {}", describe(&error))))?;
    Ok(sender)
}

fn launcher_status(status: ExitStatus) -> u8 {
    let number = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => i32::from(u8::MAX),
    };
    u8::try_from(number & 0xff).unwrap_or(u8::MAX)
}

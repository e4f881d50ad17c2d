//! The program as a child: started, sent the signals that are meant for it, waited for.

use crate::program::locate::{SHELL, is_text};
use crate::term::failure::{CANNOT_EXECUTE, Failure, NOT_FOUND, plain, told};
use crate::term::inherited::{closed, is_ignored};
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::signal::{
    SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

/// A terminal sends these to the whole process group, the program included: the launcher only
/// has to survive them.
const FROM_TERMINAL: [i32; 2] = [SIGINT, SIGQUIT];
/// Who sends these to the launcher means the program.
const PASSED_ON: [i32; 4] = [SIGHUP, SIGTERM, SIGUSR1, SIGUSR2];

/// Not left alone in the launcher, which has to wait, nor by the standard library: where they were
/// ignored, the program gets them so again.
const GIVEN_BACK: [i32; 2] = [SIGPIPE, SIGCHLD];

/// A program that has ended.
pub(crate) struct Ended {
    /// Its status as the launcher's own: a death by signal N is 128+N.
    pub(crate) status: u8,
    /// How it ended itself.
    pub(crate) exit: ExitStatus,
    /// The process that it was.
    pub(crate) pid: u32,
    /// Ctrl-C ended it.
    interrupted: bool,
}

impl Ended {
    /// Whether Ctrl-C ended it, and ends the launcher too.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Ends the launcher as its program ended, once all is said: a shell ends its loop only where it sees
    /// that, and the status in `$?` is the same in any case.
    pub(crate) fn status(self) -> u8 {
        if self.interrupted {
            let _ = emulate_default_handler(SIGINT);
        }
        self.status
    }
}

/// Runs the command to its end.
pub(crate) fn run(mut command: Command) -> Result<Ended, Failure> {
    // From before the start: a signal that comes between must not end the launcher alone. What is
    // ignored stays so, here and in the program; but for SIGCHLD, with which no child is waited for.
    let watched = FROM_TERMINAL.into_iter().chain(PASSED_ON).filter(|&signal| !is_ignored(signal));
    let watched = watched.chain(is_ignored(SIGCHLD).then_some(SIGCHLD));
    let signals = Signals::new(watched)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", told(&error))))?;
    give_back(&mut command);
    let started = pass_on(signals)?;
    let mut child = start(&mut command)?;
    // The thread goes on as long as the launcher does.
    let _ = started.send(child.id());
    let status = child
        .wait()
        .map_err(|error| Failure::new(format!("cannot wait for the program: {}", told(&error))))?;
    HAS_ENDED.store(true, Ordering::Relaxed);
    let interrupted = status.signal() == Some(SIGINT) && !is_ignored(SIGINT);
    Ok(Ended { status: as_own(status), exit: status, pid: child.id(), interrupted })
}

/// Has the program begin as the launcher did.
fn give_back(command: &mut Command) {
    begin_with(command, closed());
}

/// The same of signals alone, for a program that gets standard descriptors of its own.
pub(crate) fn give_signals_back(command: &mut Command) {
    begin_with(command, &[]);
}

fn begin_with(command: &mut Command, closed: &'static [i32]) {
    let ignored = GIVEN_BACK.map(|signal| is_ignored(signal).then_some(signal));
    if ignored.iter().all(Option::is_none) && closed.is_empty() {
        return;
    }
    let begin = move || {
        ignored.into_iter().flatten().for_each(sys::ignore);
        closed.iter().copied().for_each(sys::close);
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe functions may run: signal(2), close(2).
    #[expect(unsafe_code, reason = "the standard library offers no other way")]
    unsafe {
        command.pre_exec(begin);
    }
}

fn start(command: &mut Command) -> Result<Child, Failure> {
    match command.spawn() {
        Err(error) if is_for_shell(command, &error) => {
            let mut shell = through_shell(command);
            give_back(&mut shell);
            shell.spawn()
        }
        started => started,
    }
    .map_err(|error| cannot_start(command, &error))
}

/// What is said where it could not be started.
pub(crate) fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    let program = plain(command.get_program());
    match error.kind() {
        io::ErrorKind::NotFound => Failure::with_status(
            NOT_FOUND,
            format!("{program}: its interpreter or dynamic linker is not there"),
        ),
        _ => Failure::with_status(CANNOT_EXECUTE, format!("{program}: {}", told(error))),
    }
}

/// As execvp(3): what the kernel does not know is for the shell.
pub(crate) fn is_for_shell(command: &Command, error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOEXEC.0) && is_text(Path::new(command.get_program()))
}

/// The same command as a script of sh(1), but for its standard descriptors and its group.
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

/// Whether the program has ended: then signals are the launcher's.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// A thread that passes signals on to the process whose number it is sent; those that came before are kept
/// for it.
fn pass_on(mut signals: Signals) -> Result<Sender<u32>, Failure> {
    let (sender, receiver) = mpsc::channel();
    // Ends with the launcher.
    let started = thread::Builder::new().spawn(move || {
        let number = receiver.recv().ok().and_then(|number| i32::try_from(number).ok());
        let Some(pid) = number.and_then(Pid::from_raw) else { return };
        for signal in signals.forever() {
            if HAS_ENDED.load(Ordering::Relaxed) {
                let _ = emulate_default_handler(signal);
            } else if PASSED_ON.contains(&signal)
                && let Some(signal) = Signal::from_named_raw(signal)
            {
                // The program may have ended just now.
                let _ = kill_process(pid, signal);
            }
        }
    });
    started.map_err(|error| Failure::new(format!("cannot start a thread: {}", told(&error))))?;
    Ok(sender)
}

fn as_own(status: ExitStatus) -> u8 {
    let number = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => i32::from(u8::MAX),
    };
    u8::try_from(number & 0xff).unwrap_or(u8::MAX)
}

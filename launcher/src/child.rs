//! The program as a child: started, sent the signals that are meant for it, waited for.

use crate::failure::{CANNOT_EXECUTE, Failure, NOT_FOUND, told};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::thread;

/// A terminal sends these to the whole process group, the program included: the launcher only
/// has to survive them.
const FROM_TERMINAL: [i32; 2] = [SIGINT, SIGQUIT];
/// Who sends these to the launcher means the program.
const PASSED_ON: [i32; 4] = [SIGHUP, SIGTERM, SIGUSR1, SIGUSR2];

/// Runs the command to its end and returns its status as the launcher's own: a death by signal N
/// is 128+N.
pub(crate) fn run(mut command: Command) -> Result<u8, Failure> {
    // From before the start: a signal that comes between must not end the launcher alone.
    let ignored = ignored_signals();
    let watched = FROM_TERMINAL.into_iter().chain(PASSED_ON).filter(|signal| {
        // What is ignored (nohup(1)) stays so, here and in the program.
        ignored & 1 << (signal - 1) == 0
    });
    let signals = Signals::new(watched)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", told(&error))))?;
    let mut child = start(&mut command)?;
    pass_on(signals, &child);
    let status = child
        .wait()
        .map_err(|error| Failure::new(format!("cannot wait for the program: {}", told(&error))))?;
    Ok(as_own(status))
}

fn start(command: &mut Command) -> Result<Child, Failure> {
    command.spawn().map_err(|error| {
        let program = command.get_program().display();
        match error.kind() {
            io::ErrorKind::NotFound => Failure::with_status(
                NOT_FOUND,
                format!("{program}: its interpreter or dynamic linker is not there"),
            ),
            _ => Failure::with_status(CANNOT_EXECUTE, format!("{program}: {}", told(&error))),
        }
    })
}

fn pass_on(mut signals: Signals, child: &Child) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return;
    };
    // Ends with the launcher.
    thread::spawn(move || {
        for signal in signals.forever() {
            if PASSED_ON.contains(&signal)
                && let Some(signal) = Signal::from_named_raw(signal)
            {
                // The program may have ended just now.
                let _ = kill_process(pid, signal);
            }
        }
    });
}

/// The signals that the launcher was started with ignored: a bit each, proc_pid_status(5).
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn as_own(status: ExitStatus) -> u8 {
    let number = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => i32::from(u8::MAX),
    };
    u8::try_from(number & 0xff).unwrap_or(u8::MAX)
}

//! Starts the program: under the supervisor if one is planned, and by a shell if the kernel does not
//! know its format.

use super::reach::Plan;
use super::supervisor::{Planned, Supervisor};
use crate::program::locate::{SHELL, is_text};
use crate::term::failure::{
    CANNOT_EXECUTE, Failure, NOT_FOUND, describe, print_message, printable,
};
use crate::term::inherited::{closed, is_ignored};
use cfr_shared::stats::Stats;
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use signal_hook::consts::signal::{SIGCHLD, SIGPIPE};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

/// The standard library changes SIGPIPE and the launcher SIGCHLD, which it needs to wait. If the
/// launcher inherited them ignored, the program gets them ignored too.
const GIVEN_BACK: [i32; 2] = [SIGPIPE, SIGCHLD];

/// A program that was started.
pub(crate) struct Started {
    pub(crate) child: Child,
    /// Its supervisor, or the reason why there is none.
    pub(crate) supervisor: Result<Supervisor, String>,
}

/// What is done if the user may have no more processes and threads (RLIMIT_NPROC), or if there is no
/// memory for another one.
pub(crate) struct Shortage<'a> {
    /// Ends threads of the launcher. Reports whether there were any.
    pub(crate) make_room: &'a mut dyn FnMut() -> bool,
    /// Whether the program may take the launcher's place, which then reports nothing.
    pub(crate) may_replace: bool,
}

/// Starts the program that `program` returns the command of, with what `set_up` adds to it or to the
/// shell that runs it. If the planned supervisor cannot be started, the program runs without, and the
/// reason is printed. `stats` have the calls that the supervisor carries out.
pub(crate) fn start(
    program: impl Fn() -> Command,
    set_up: impl Fn(&mut Command) -> io::Result<()>,
    plan: Plan,
    stats: Option<Stats>,
    shortage: Shortage<'_>,
) -> Result<Started, Failure> {
    let command = || {
        let mut command = program();
        match set_up(&mut command) {
            Ok(()) => Ok(command),
            Err(error) => Err(cannot_start(&command, &error)),
        }
    };
    let (why, is_news) = match plan {
        Ok(planned) => match under_supervisor(command()?, planned, stats) {
            Ok(started) => return Ok(started),
            Err(why) => (why, true),
        },
        Err(why) => (why, false),
    };
    let mut command = command()?;
    let spawned = loop {
        match command.spawn() {
            Err(error) if is_shortage(&error) && (shortage.make_room)() => {}
            Err(error) if is_for_shell(&command, &error) => {
                let mut shell = through_shell(&command);
                break set_up(&mut shell).and_then(|()| shell.spawn());
            }
            spawned => break spawned,
        }
    };
    let child = spawned.map_err(|error| {
        if !is_shortage(&error) {
            return cannot_start(&command, &error);
        }
        let why = format!("cannot start a process: {}", no_process(&error));
        if !shortage.may_replace {
            return Failure::new(why);
        }
        print_message(format!("{why}; the program takes the place of cfr"));
        let error = command.exec();
        cannot_start(&command, &error)
    })?;
    if is_news {
        print_message(format!("there is no supervisor: {why}"));
    }
    Ok(Started { child, supervisor: Err(why) })
}

/// Starts a program that begins when its supervisor answers calls. Returns why it cannot.
fn under_supervisor(
    mut command: Command,
    planned: Planned,
    stats: Option<Stats>,
) -> Result<Started, String> {
    let prepared = planned.prepare(&mut command, stats)?;
    let filter = prepared.filter;
    before_exec(&mut command, move || filter.install());
    match (command.spawn(), prepared.finish()) {
        (Ok(child), supervisor) => {
            let killed = || "its process was killed before it began".to_owned();
            Ok(Started { child, supervisor: supervisor.map_err(|why| why.unwrap_or_else(killed)) })
        }
        (Err(_), Err(Some(why))) => Err(why),
        (Err(error), _) => Err(describe(&error)),
    }
}

/// Gives the program the signals and standard descriptors that the launcher was started with.
pub(crate) fn give_back(command: &mut Command) {
    give_back_without(command, closed());
}

/// Gives the program the signals that the launcher was started with, for a program with its own
/// standard descriptors.
pub(crate) fn give_signals_back(command: &mut Command) {
    give_back_without(command, &[]);
}

fn give_back_without(command: &mut Command, closed: &'static [i32]) {
    let ignored = GIVEN_BACK.map(|signal| is_ignored(signal).then_some(signal));
    if ignored.iter().all(Option::is_none) && closed.is_empty() {
        return;
    }
    before_exec(command, move || {
        ignored.into_iter().flatten().for_each(sys::ignore);
        closed.iter().copied().for_each(sys::close);
        Ok(())
    });
}

/// Lets the program's process do this before it executes the program. Of several, in this order.
pub(super) fn before_exec(
    command: &mut Command,
    first: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: between fork and exec only async-signal-safe functions may run: signal(2), close(2) and
    // the system calls of the filter and of the terminal's signals are.
    #[expect(unsafe_code, reason = "the standard library has no safe way to do this")]
    unsafe {
        command.pre_exec(first);
    }
}

/// Reports whether a process could not be started for want of processes or memory (fork(2)).
fn is_shortage(error: &io::Error) -> bool {
    [Errno::EAGAIN, Errno::ENOMEM].iter().any(|errno| error.raw_os_error() == Some(errno.0))
}

/// Describes the error of fork(2), and the limit that is its usual reason.
fn no_process(error: &io::Error) -> String {
    let limit = match error.raw_os_error() {
        Some(number) if number == Errno::EAGAIN.0 => ", the limit on processes (RLIMIT_NPROC)",
        _ => "",
    };
    format!("{}{limit}", describe(error))
}

/// Returns the failure to start the program.
fn cannot_start(command: &Command, error: &io::Error) -> Failure {
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
fn is_for_shell(command: &Command, error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOEXEC.0) && is_text(Path::new(command.get_program()))
}

/// Returns the command as a script of sh(1), without its standard descriptors and process group.
fn through_shell(command: &Command) -> Command {
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

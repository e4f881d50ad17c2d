//! The launcher's side of the supervisor, the process that answers the calls which the filter stops
//! (`crate::supervise`).

use super::environment;
use super::filter::{self, Filter};
use super::guard::{self, Guard, Start};
use super::handover;
use crate::term::failure::describe;
use crate::term::small_thread::check_room;
use cfr_shared::stats::Stats;
use cfr_sys::errno::Errno;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::rand::{GetRandomFlags, getrandom};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// The variable with the mark of calls that the library has seen.
const COOKIE: &str = "CFR_COOKIE";

/// The name by which the launcher starts itself as the supervisor, and which ps(1) shows.
pub(crate) const NAME: &str = "cfr-supervisor";

/// How long the supervisor may take to end after the last process of the tree, on a machine that is
/// busy.
const MAX_END: Duration = Duration::from_secs(10);

/// The most memory that the launcher's part takes, in bytes.
const ROOM: usize = 1 << 20;

/// What the supervisor sends when it answers calls.
pub(crate) const READY: u8 = b'r';

/// A supervisor that can be had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    /// Whether the filter may only be installed without new privileges.
    no_new_privs: bool,
}

impl Planned {
    /// Tries whether the filter can be installed. Returns why not.
    pub(crate) fn new(no_new_privs: bool) -> Result<Planned, String> {
        match filter::try_out(no_new_privs).map_err(|error| describe(&error))? {
            Ok(()) => Ok(Planned { no_new_privs }),
            Err(Errno::EBUSY) => {
                Err("this process has one already, and can have no second; if it is that of a \
                 cfr, its log has the calls"
                    .to_owned())
            }
            Err(Errno::EINVAL) => Err("this kernel cannot (before Linux 5.19)".to_owned()),
            Err(errno) => Err(errno.to_string()),
        }
    }

    /// Prepares a supervisor for the program that `command` starts, and passes the mark of the library's
    /// own calls to the program. `stats` have the calls that it carries out. Returns why it cannot.
    pub(crate) fn prepare(
        self,
        command: &mut Command,
        stats: Option<Stats>,
    ) -> Result<Prepared, String> {
        // The program is more than its supervisor.
        check_room(ROOM).map_err(|error| describe(&error))?;
        let cookie = cookie();
        command.env(COOKIE, cookie.to_string());
        let start = Start { command: supervisor(command), log: own_log(command), stats };
        let prepared = handover::pair().and_then(|(to_launcher, from_program)| {
            let filter = Filter::new(cookie, self.no_new_privs, to_launcher.as_raw_fd());
            let guard = guard::start(from_program, start)?;
            Ok(Prepared { filter, to_launcher, guard })
        });
        prepared.map_err(|error| describe(&error))
    }
}

/// Returns the command that starts the supervisor, with the settings of the program.
fn supervisor(program: &Command) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).arg(std::process::id().to_string()).env_remove("LD_PRELOAD");
    for (name, value) in program.get_envs().filter(|(name, _)| name.as_bytes().starts_with(b"CFR_"))
    {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Opens a log file of the program that another process may not find by its name: below /dev or /proc,
/// where names such as /dev/stdout and /dev/tty are about the process that opens them.
fn own_log(program: &Command) -> Option<File> {
    let (_, path) = program.get_envs().find(|(name, _)| *name == environment::LOG_FILE)?;
    let path: &OsStr = path?;
    let is_of_process =
        [&b"/dev/"[..], b"/proc/"].iter().any(|start| path.as_bytes().starts_with(start));
    if !is_of_process {
        return None;
    }
    // NONBLOCK: a FIFO without a reader is an error instead of a wait.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().append(true).custom_flags(flags.bits().cast_signed()).open(path).ok()
}

/// Draws the mark of the library's own calls: neither 0 nor all bits, which are what 32-bit arguments
/// have in the upper half of a register.
fn cookie() -> u32 {
    let mut bytes = [0; 4];
    // If it fails, the number below is as good: it is no secret.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    match u32::from_ne_bytes(bytes) {
        0 | u32::MAX => 0xc0c0_5eed,
        cookie => cookie,
    }
}

/// A supervisor that starts with the program.
pub(crate) struct Prepared {
    /// What the program's process does first.
    pub(crate) filter: Filter,
    /// The filter's socket.
    to_launcher: OwnedFd,
    guard: Guard,
}

impl Prepared {
    /// Returns the supervisor of a program that was started, or could not be. `Err` with the reason, if
    /// one is known, if there is none.
    pub(crate) fn finish(self) -> Result<Supervisor, Option<String>> {
        let Prepared { to_launcher, guard, .. } = self;
        // The guard sees the end of a process that has sent nothing.
        drop(to_launcher);
        match guard.is_started.recv() {
            Ok(Ok(listener)) => Ok(Supervisor { listener, has_ended: guard.has_ended }),
            Ok(Err(why)) => Err(Some(why)),
            Err(_) => Err(None),
        }
    }
}

/// A supervisor that runs.
pub(crate) struct Supervisor {
    /// The descriptor that receives calls.
    listener: OwnedFd,
    has_ended: Receiver<()>,
}

impl Supervisor {
    /// Waits for the end of all processes of the tree, at most until `limit`. Reports whether they have
    /// ended. If they have, the supervisor too may take longer.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> bool {
        match limit {
            Some(limit) => {
                self.has_ended.recv_timeout(limit).is_ok()
                    || guard::have_all_ended(&self.listener)
                        && self.has_ended.recv_timeout(MAX_END).is_ok()
            }
            None => self.has_ended.recv().is_ok(),
        }
    }
}

//! Starts programs and waits for them, but never for ever. A program starts as from a new shell,
//! however the tests were started: with default signals and without inherited descriptors.

use super::Output;
use super::schema::hold_json;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The size of the pipes that programs write to, in bytes; an unprivileged process may ask for it. On
/// a busy machine the reader may be late, and the library drops lines that wait for a second.
const PIPE_BYTES: i32 = 1 << 20;

/// How long the end of the output may take after the process group was killed: a process outside of it
/// may have the pipe open.
const MAX_END_WAIT: Duration = Duration::from_secs(10);

/// The process groups of the running programs; 0 is a free slot. A program without a slot is not
/// ended with the tests.
static GROUPS: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];

/// A program that was started and not yet waited for. It runs in a process group of its own, which is
/// killed at the time limit or if the value is dropped.
pub struct Running {
    pid: libc::pid_t,
    /// The command line, for messages.
    shown: String,
    stdin: Option<ChildStdin>,
    stdout: Option<Receiver<Vec<u8>>>,
    stderr: Option<Receiver<Vec<u8>>>,
    limit: Duration,
    /// `None` when the program has been waited for.
    guard: Option<Guard>,
    slot: Option<&'static AtomicI32>,
}

/// A thread that kills the process group at the time limit.
struct Guard {
    is_over: Sender<()>,
    /// Returns whether it had to.
    thread: JoinHandle<bool>,
}

impl Running {
    /// Starts the program with a pipe as standard input, and as standard output and standard error if
    /// `stdout` says so.
    pub(super) fn start(
        mut command: Command,
        stdout: Stdio,
        limit: Duration,
    ) -> io::Result<Running> {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            keep_descriptors_to_this_process();
            give_programs_default_signals();
        });
        block_no_signal();
        let shown = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let pid = child.id().cast_signed();
        let is_free =
            |slot: &&AtomicI32| slot.compare_exchange(0, pid, Ordering::Relaxed, Ordering::Relaxed);
        let slot = GROUPS.iter().find(|slot| is_free(slot).is_ok());
        let (is_over, over) = mpsc::channel();
        let thread = thread::spawn(move || {
            let is_late = over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if is_late {
                end_group(pid);
            }
            is_late
        });
        Ok(Running {
            pid,
            shown,
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(read_all),
            stderr: child.stderr.take().map(read_all),
            limit,
            guard: Some(Guard { is_over, thread }),
            slot,
        })
    }

    /// Returns the process ID.
    pub fn id(&self) -> libc::pid_t {
        self.pid
    }

    /// Returns the program's standard input. Unless it is taken, it stays open until the program has
    /// ended.
    pub fn stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("taken once")
    }

    /// Sends a signal to the program, not to the processes that it has started.
    pub fn send(&self, signal: i32) {
        // SAFETY: no pointers; the process is not reaped before `self` is consumed.
        assert_eq!(unsafe { libc::kill(self.pid, signal) }, 0, "{}", self.shown);
    }

    /// Waits for the program and for the end of its output, at most for the time limit.
    #[track_caller]
    pub fn output(self) -> Output {
        self.finish().0
    }

    /// Waits in the same way. Returns also the resources that the program has used.
    #[track_caller]
    pub fn output_and_usage(self) -> (Output, libc::rusage) {
        self.finish()
    }

    #[track_caller]
    fn finish(mut self) -> (Output, libc::rusage) {
        self.await_end();
        drop(self.stdin.take());
        let outputs = [self.stdout.take(), self.stderr.take()].map(|output| {
            output.map_or(Some(Vec::new()), |output| {
                output.recv_timeout(self.limit + MAX_END_WAIT).ok()
            })
        });
        let was_late = self.end_guard();
        let (status, usage) = self.reap();
        let (shown, limit) = (&self.shown, self.limit);
        let [Some(stdout), Some(stderr)] = outputs else {
            panic!("{shown}: ended, but a process that left its group holds its output open");
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let output = Output {
            status: status.code(),
            signal: status.signal(),
            stdout: text(stdout),
            stderr: text(stderr),
        };
        assert!(!was_late, "{shown}: it or its output had not ended after {limit:?}\n{output:#?}");
        hold_json(&output);
        (output, usage)
    }

    /// Waits for the end of the program, not of its output. It is not reaped, so no other process or
    /// process group can get its number.
    pub fn await_end(&self) {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let pid = self.pid.cast_unsigned();
        loop {
            // SAFETY: the kernel writes one siginfo_t.
            let done = unsafe {
                libc::waitid(libc::P_PID, pid, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT)
            };
            let error = io::Error::last_os_error();
            if done == 0 {
                return;
            }
            assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{}: {error}", self.shown);
        }
    }

    /// Ends the guard's thread. Returns whether it has killed the process group.
    fn end_guard(&mut self) -> bool {
        self.guard.take().is_some_and(|Guard { is_over, thread }| {
            drop(is_over);
            thread.join().expect("the guard does not panic")
        })
    }

    fn reap(&mut self) -> (ExitStatus, libc::rusage) {
        if let Some(slot) = self.slot.take() {
            slot.store(0, Ordering::Relaxed);
        }
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the kernel writes one int and one struct rusage; only this value waits for the
        // program.
        let ended = unsafe { libc::wait4(self.pid, &raw mut status, 0, usage.as_mut_ptr()) };
        assert_eq!(ended, self.pid, "{}: {}", self.shown, io::Error::last_os_error());
        // SAFETY: it was zeroed, and wait4 has filled it.
        (ExitStatus::from_raw(status), unsafe { usage.assume_init() })
    }
}

/// After a failed assertion.
impl Drop for Running {
    fn drop(&mut self) {
        if self.guard.is_some() {
            end_group(self.pid);
            self.end_guard();
            self.reap();
        }
    }
}

/// Waits until `holds`. Fails the test with `what` if that takes longer than a minute.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not after a minute: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn read_all(mut stream: impl Read + AsRawFd + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let fd: RawFd = stream.as_raw_fd();
    // SAFETY: no pointers. If the limit of the user's pipes is reached, the pipe stays as it is.
    unsafe { libc::fcntl(fd, libc::F_SETPIPE_SZ, PIPE_BYTES) };
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// Sends a signal to a process group whose leader is not reaped, so that the number is not another
/// group's.
fn send_to_group(group: libc::pid_t, signal: i32) {
    // SAFETY: no pointers.
    unsafe { libc::kill(-group, signal) };
}

/// Gives the programs a second to end those that they have started in groups of their own.
fn end_group(group: libc::pid_t) {
    send_to_group(group, libc::SIGTERM);
    thread::sleep(Duration::from_secs(1));
    send_to_group(group, libc::SIGKILL);
}

/// Closes the descriptors at execve(2) that the tests were started with.
fn keep_descriptors_to_this_process() {
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: no pointers, and nothing is closed now.
    let done = unsafe { libc::close_range(3, libc::c_uint::MAX, flags) };
    assert_eq!(done, 0, "close_range: {}", io::Error::last_os_error());
}

/// Empties the signal mask of this thread, which the programs that it starts inherit.
fn block_no_signal() {
    let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the C library writes one sigset_t.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: a valid set; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

/// A program inherits ignored signals, as nohup(1) wants, but not handlers (execve(2)). So an empty
/// handler keeps a signal ignored here and default there. A signal that ends the tests is passed on to
/// the running programs: a terminal sends it to the tests' process group only.
fn give_programs_default_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: the kernel writes one struct sigaction.
        if unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } != 0 {
            // The C library's own signals.
            continue;
        }
        // SAFETY: it was zeroed, and sigaction has filled it.
        let mut action = unsafe { action.assume_init() };
        let ends = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&signal);
        (action.sa_sigaction, action.sa_flags) = match action.sa_sigaction {
            libc::SIG_IGN => (ignore as *const () as usize, libc::SA_RESTART),
            libc::SIG_DFL if ends => {
                let flags = libc::SA_RESETHAND | libc::SA_NODEFER;
                (pass_on_and_end as *const () as usize, flags)
            }
            _ => continue,
        };
        // SAFETY: both handlers are async-signal-safe functions of one int.
        let done = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        // SIGKILL and SIGSTOP have no handler; they cannot be ignored either.
        assert_eq!(done, 0, "sigaction of {signal}: {}", io::Error::last_os_error());
    }
}

extern "C" fn ignore(_: libc::c_int) {}

/// The handler is reset before it is called, so the signal ends the process now.
extern "C" fn pass_on_and_end(signal: libc::c_int) {
    for group in &GROUPS {
        let group = group.load(Ordering::Relaxed);
        if group != 0 {
            send_to_group(group, signal);
        }
    }
    // SAFETY: no pointers.
    unsafe { libc::raise(signal) };
}

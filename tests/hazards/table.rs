//! The hazards, one row each: what the host does, and what its log must hold. In every row and mode
//! the host must also end, write and leave behind the same as when it runs bare.

use crate::failure::{self, Failure};
use crate::mode::{Backend, LogOutput, Mode};
use ExpectedLog::{AtLeast, AtMost, Empty, Exact, Unchecked, WholeLines};
use Setup::{
    InitializedFirst, OpensLibrary, OpensOther, Plain, PreloadedAfter, PreloadedBefore, Sanitized,
    SetUserId,
};

/// Something that a host does to the library, and the program that does it.
#[derive(PartialEq, Eq, Debug)]
pub struct Hazard {
    pub name: String,
    /// The program's source: `c-tests/hazards/PROGRAM.c`.
    pub program: &'static str,
    /// The program's arguments after the path of the log.
    pub args: &'static [&'static str],
    pub setup: Setup,
    /// The failure in the field that the hazard stands for.
    pub failure: Failure,
    pub on_stderr: ExpectedLog,
    pub in_file: ExpectedLog,
    /// What the host does: the rest of a sentence that starts with "The host".
    pub does: &'static str,
    /// The modes in which the host ends in another way.
    pub exception: Option<Exception>,
}

/// What a log must hold. Except in `Unchecked`, every line is whole and is a call's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedLog {
    /// One line for each call that the program reports.
    Exact,
    /// At least that, because programs that it starts copy too.
    AtLeast,
    /// At most that, because the program takes the log away for a while.
    AtMost,
    /// Any number of lines, because the program cannot count its calls.
    WholeLines,
    /// No line and no file.
    Empty,
    /// Anything, because the program prevents writing whole lines.
    Unchecked,
}

/// How a program is built and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    Plain,
    /// Built with this sanitizer of the compiler.
    Sanitized(&'static str),
    /// libcfr.so comes after this library in `LD_PRELOAD`: a source in c-tests/ or an installed one.
    PreloadedAfter(&'static str),
    /// libcfr.so comes before this library in `LD_PRELOAD`, and forwards calls to it.
    PreloadedBefore(&'static str),
    /// libcfr.so comes before this library, a source in c-tests/, whose constructor the dynamic
    /// linker runs before all others (DF_1_INITFIRST).
    InitializedFirst(&'static str),
    /// The program gets the path of this library as an argument and opens it.
    OpensOther(&'static str),
    /// The program gets the paths of libcfr.so and these libraries as arguments and opens them.
    /// Nothing is preloaded. In modes without the library it opens the C library instead.
    OpensLibrary(&'static [&'static str]),
    /// The program is set-user-ID root, linked with the library, and started by the user nobody.
    SetUserId,
    /// The program copies through this hook; ioctls on a filesystem that can share blocks.
    Hook(&'static str),
}

/// Modes in which a host may end in another way than bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    pub modes: Modes,
    pub end: ProcessEnd,
    pub reason: &'static str,
}

/// A set of modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modes {
    Strace,
    /// Every mode in which the library does more than forward calls.
    Intercepting,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Hazard {
    /// Reports whether the hazard's name or its program's name contains `word`.
    pub fn matches(&self, word: &str) -> bool {
        self.name.contains(word) || self.program.contains(word)
    }

    /// Reports whether the supervisor's log must hold the calls that the program reports. Other
    /// libraries may answer calls themselves.
    pub fn is_logged_supervised(&self) -> bool {
        // The first looks for the log file before the library makes it, which the launcher does at once.
        // The other does not report what it copies without the library.
        let differs = ["replaces_log", "wiped_environment"].contains(&self.program);
        let is_alone = matches!(self.setup, Setup::Plain | Setup::Hook(_));
        self.in_file == ExpectedLog::Exact && is_alone && !differs
    }

    /// Returns the exception that applies in `mode`.
    pub fn exception(&self, mode: Mode) -> Option<Exception> {
        self.exception.filter(|exception| match exception.modes {
            Modes::Strace => mode == Mode::Strace,
            Modes::Intercepting => {
                matches!(mode, Mode::Library(..))
                    && mode != Mode::Library(LogOutput::Off, Backend::Auto)
            }
        })
    }
}

impl std::fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProcessEnd::Status(status) => write!(f, "status {status}"),
            ProcessEnd::Signal(libc::SIGSYS) => f.write_str("SIGSYS"),
            ProcessEnd::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl ProcessEnd {
    /// Returns the exit status and the signal; one of them is `None`.
    pub fn status_and_signal(self) -> (Option<i32>, Option<i32>) {
        match self {
            ProcessEnd::Status(status) => (Some(status), None),
            ProcessEnd::Signal(signal) => (None, Some(signal)),
        }
    }
}

macro_rules! or_default {
    ($default:expr;) => {
        $default
    };
    ($default:expr; $value:expr) => {
        $value
    };
}

macro_rules! hazards {
    ($($name:ident {
        program: $program:literal $(, args: $args:expr)? $(, setup: $setup:expr)?,
        failure: $failure:ident,
        on_stderr: $on_stderr:ident, in_file: $in_file:ident,
        does: $does:literal,
        $(exception: $exception:expr,)?
    })*) => {
        fn rows() -> Vec<Hazard> {
            vec![$(Hazard {
                name: stringify!($name).to_owned(),
                program: $program,
                args: or_default!(&[]; $(&$args)?),
                setup: or_default!(Plain; $($setup)?),
                failure: failure::$failure,
                on_stderr: $on_stderr,
                in_file: $in_file,
                does: $does,
                exception: or_default!(None; $(Some($exception))?),
            }),*]
        }
    };
}

hazards! {
    closes_by_loop {
        program: "closes_descriptors", args: ["loop"], failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: Exact,
        does: "closes every descriptor in a loop, then opens data files in their place",
    }
    closes_by_close_range {
        program: "closes_descriptors", args: ["close_range"], failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: Exact,
        does: "does the same with close_range(2)",
    }
    closes_by_closefrom {
        program: "closes_descriptors", args: ["closefrom"], failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: Exact,
        does: "does the same with closefrom(3)",
    }
    closes_by_syscall {
        program: "closes_descriptors", args: ["syscall"], failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: Exact,
        does: "does the same with syscall(2)",
    }
    closes_often {
        program: "closes_often", failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: Exact,
        does: "closes every descriptor after each of 400 copies",
    }
    closes_log_often {
        program: "closes_log_often", failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: AtMost,
        does: "closes the log's descriptor in one thread, again and again, while four others copy",
    }
    replaces_log {
        program: "replaces_log", failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: Exact,
        does: "finds the log's descriptor and puts a data file under its number with dup2(2)",
    }
    daemonizes {
        program: "daemonizes", failure: LOG_IN_DATA,
        on_stderr: AtMost, in_file: Exact,
        does: "becomes a daemon: forks twice, closes everything, opens /dev/null and then data files",
    }
    descriptor_tables {
        program: "descriptor_tables", failure: LOG_IN_DATA,
        on_stderr: Exact, in_file: Exact,
        does: "has threads with separate descriptor tables, in which the log's number means other files",
    }
    inode_reused {
        program: "inode_reused", failure: LOG_IN_DATA,
        on_stderr: Unchecked, in_file: WholeLines,
        does: "closes a standard error that is a deleted file, and a data file gets its inode and number",
    }
    replaces_standard {
        program: "replaces_standard", failure: LOG_ON_STANDARD_STREAM,
        on_stderr: AtMost, in_file: Exact,
        does: "closes its standard descriptors, then opens data files in their place",
    }
    without_standard {
        program: "without_standard", failure: LOG_ON_STANDARD_STREAM,
        on_stderr: AtMost, in_file: Exact,
        does: "is started without standard descriptors: the third file that it opens is its standard error",
    }
    standard_streams {
        program: "standard_streams", failure: LOG_ON_STANDARD_STREAM,
        on_stderr: Exact, in_file: Exact,
        does: "copies from standard input to standard output",
    }
    early_constructor_first {
        program: "copies_once", setup: PreloadedAfter("shims/early_constructor.c"), failure: CALLED_EARLY,
        on_stderr: Exact, in_file: Exact,
        does: "has another library preloaded before libcfr.so; its constructor copies",
    }
    early_constructor_last {
        program: "copies_once", setup: PreloadedBefore("shims/early_constructor.c"), failure: CALLED_EARLY,
        on_stderr: Exact, in_file: Exact,
        does: "has the same library preloaded after libcfr.so",
    }
    resolver_first {
        program: "copies_once", setup: PreloadedAfter("shims/copies_in_resolver.c"), failure: CALLED_EARLY,
        on_stderr: Exact, in_file: Exact,
        does: "has another library preloaded before libcfr.so that copies while it is relocated (IFUNC)",
    }
    resolver_last {
        program: "copies_once", setup: PreloadedBefore("shims/copies_in_resolver.c"), failure: CALLED_EARLY,
        on_stderr: AtMost, in_file: AtMost,
        does: "has the same library preloaded after libcfr.so, which is not yet relocated then",
    }
    constructor_before_all {
        program: "copies_once", setup: InitializedFirst("shims/early_constructor.c"), failure: CALLED_EARLY,
        on_stderr: Exact, in_file: Exact,
        does: "has a library whose constructor runs before that of the C library, and copies",
    }
    copies_in_preinit {
        program: "copies_in_preinit", failure: CALLED_EARLY,
        on_stderr: Exact, in_file: Exact,
        does: "copies in a function of .preinit_array, before any constructor, and in main",
    }
    own_environ {
        program: "own_environ", failure: CALLED_EARLY,
        on_stderr: Exact, in_file: Exact,
        does: "defines a variable environ of its own, which stays NULL",
    }
    errno {
        program: "errno", failure: WRONG_ERRNO,
        on_stderr: Exact, in_file: Exact,
        does: "checks errno after calls that succeed and calls that fail in 13 ways, through both functions",
    }
    errno_kept {
        program: "errno_kept", failure: WRONG_ERRNO,
        on_stderr: Exact, in_file: Exact,
        does: "checks errno after calls that succeed and calls that fail because of a descriptor",
    }
    appends {
        program: "appends", failure: WRONG_ERRNO,
        on_stderr: Exact, in_file: Exact,
        does: "copies to a file that is open with O_APPEND; the kernel refuses it",
    }
    wild_offsets {
        program: "wild_offsets", failure: WRONG_ERRNO,
        on_stderr: Exact, in_file: Exact,
        does: "passes offset pointers that cannot be read, cannot be written, or straddle two pages",
    }
    forks_from_threads {
        program: "forks_from_threads", failure: FORK,
        on_stderr: Exact, in_file: Exact,
        does: "forks again and again while three threads copy; each child copies at once",
    }
    fork_then_threads {
        program: "fork_then_threads", failure: FORK,
        on_stderr: Exact, in_file: Exact,
        does: "forks children whose threads all copy at once while another thread opens files",
    }
    forks_in_handler {
        program: "forks_in_handler", failure: FORK,
        on_stderr: Exact, in_file: Exact,
        does: "forks in a signal handler that interrupts copies and malloc(3); the child copies",
    }
    signal_handler {
        program: "signal_handler", failure: SIGNAL_HANDLER,
        on_stderr: Exact, in_file: Exact,
        does: "copies in a signal handler that interrupts copies and malloc(3), again and again",
    }
    signal_handler_on_8_kib {
        program: "signal_handler", args: ["altstack"], failure: SIGNAL_HANDLER,
        on_stderr: Exact, in_file: Exact,
        does: "does the same on an alternate stack of 8 KiB",
    }
    signal_handler_on_the_smallest_stack {
        program: "signal_handler", args: ["smallest"], failure: SIGNAL_HANDLER,
        on_stderr: Exact, in_file: Exact,
        does: "does the same on an alternate stack 3 KiB larger than the kernel needs",
    }
    jumps_out {
        program: "jumps_out", failure: SIGNAL_HANDLER,
        on_stderr: Unchecked, in_file: Unchecked,
        does: "leaves copies half-way by siglongjmp(3) from a handler",
    }
    backtrace {
        program: "backtrace", failure: SIGNAL_HANDLER,
        on_stderr: Exact, in_file: Exact,
        does: "takes backtraces in a signal handler that interrupts copies",
    }
    small_stack {
        program: "small_stack", failure: SIGNAL_HANDLER,
        on_stderr: Exact, in_file: Exact,
        does: "copies in threads with a stack of PTHREAD_STACK_MIN",
    }
    stuck_threads {
        program: "stuck_threads", failure: SIGNAL_HANDLER,
        on_stderr: Unchecked, in_file: AtMost,
        does: "copies in 400 such threads at once while standard error is full",
    }
    late_copies {
        program: "late_copies", failure: CALLED_LATE,
        on_stderr: Exact, in_file: Exact,
        does: "copies in every round of its threads' key destructors, in atexit(3) and in an ELF destructor",
    }
    leader_gone {
        program: "leader_gone", failure: CALLED_LATE,
        on_stderr: Exact, in_file: Exact,
        does: "ends its main thread and copies in another",
    }
    late_destructor_first {
        program: "copies_once", setup: PreloadedAfter("shims/late_destructor.c"), failure: CALLED_LATE,
        on_stderr: Exact, in_file: Exact,
        does: "has another library preloaded before libcfr.so; its destructor copies",
    }
    late_destructor_last {
        program: "copies_once", setup: PreloadedBefore("shims/late_destructor.c"), failure: CALLED_LATE,
        on_stderr: Exact, in_file: Exact,
        does: "has the same library preloaded after libcfr.so",
    }
    deletes_log {
        program: "deletes_log", failure: UNWRITABLE_LOG,
        on_stderr: WholeLines, in_file: Unchecked,
        does: "deletes the log and its directory",
    }
    moves_log {
        program: "moves_log", failure: UNWRITABLE_LOG,
        on_stderr: Exact, in_file: Exact,
        does: "renames the log as logrotate does, then creates a data file with its name",
    }
    log_disk_full {
        program: "log_disk_full", failure: UNWRITABLE_LOG,
        on_stderr: WholeLines, in_file: WholeLines,
        does: "fills the disk that holds the log, then makes room again",
    }
    log_on_full_device {
        program: "log_on_full_device", failure: UNWRITABLE_LOG,
        on_stderr: WholeLines, in_file: Unchecked,
        does: "makes the log's path a link to /dev/full",
    }
    log_reader_gone {
        program: "log_reader_gone", failure: UNWRITABLE_LOG,
        on_stderr: WholeLines, in_file: Unchecked,
        does: "makes the log a FIFO and closes its reading end: SIGPIPE",
    }
    log_never_read {
        program: "log_never_read", failure: UNWRITABLE_LOG,
        on_stderr: WholeLines, in_file: Unchecked,
        does: "makes the log a FIFO that is full and never read",
    }
    reader_gone {
        program: "reader_gone", failure: UNWRITABLE_LOG,
        on_stderr: Unchecked, in_file: Exact,
        does: "has a pipe without a reader as standard error, and a SIGPIPE of its own pending",
    }
    full_pipe {
        program: "full_stderr", args: ["pipe"], failure: UNWRITABLE_LOG,
        on_stderr: Unchecked, in_file: WholeLines,
        does: "has a full pipe as standard error",
    }
    full_fifo_on_stderr {
        program: "full_stderr", args: ["fifo"], failure: UNWRITABLE_LOG,
        on_stderr: Unchecked, in_file: WholeLines,
        does: "has a full FIFO as standard error",
    }
    full_socket {
        program: "full_stderr", args: ["socket"], failure: UNWRITABLE_LOG,
        on_stderr: Unchecked, in_file: WholeLines,
        does: "has a full socket as standard error",
    }
    full_terminal {
        program: "full_stderr", args: ["terminal"], failure: UNWRITABLE_LOG,
        on_stderr: Unchecked, in_file: WholeLines,
        does: "has a full terminal as standard error",
    }
    signal_while_waiting {
        program: "signal_while_waiting", failure: UNWRITABLE_LOG,
        on_stderr: Unchecked, in_file: Exact,
        does: "gets a SIGPIPE of its own while a line waits for room",
    }
    file_size_limit {
        program: "file_size_limit", failure: UNWRITABLE_LOG,
        on_stderr: WholeLines, in_file: WholeLines,
        does: "lowers RLIMIT_FSIZE to before, inside and after a line of the log: SIGXFSZ",
    }
    many_threads {
        program: "many_threads", failure: MIXED_LINES,
        on_stderr: Exact, in_file: Exact,
        does: "copies in 64 threads, for ten seconds in `make hazards`",
    }
    many_processes {
        program: "many_processes", failure: MIXED_LINES,
        on_stderr: Exact, in_file: Exact,
        does: "copies in nine processes that share a log",
    }
    wiped_environment {
        program: "wiped_environment", failure: EXEC,
        on_stderr: Exact, in_file: Exact,
        does: "empties its environment, sets CFR_ variables, and executes a program without any",
    }
    exec_chain {
        program: "exec_chain", failure: EXEC,
        on_stderr: Exact, in_file: Exact,
        does: "executes itself 30 times and counts its descriptors",
    }
    vfork_exec {
        program: "vfork_exec", failure: EXEC,
        on_stderr: AtLeast, in_file: AtLeast,
        does: "starts programs with vfork(2) and posix_spawn(3)",
    }
    opens_static_tls {
        program: "opens_static_tls", setup: OpensOther("shims/needs_static_tls.c"), failure: STATIC_TLS,
        on_stderr: Exact, in_file: Exact,
        does: "opens a library that needs static thread-local memory",
    }
    static_tls {
        program: "static_tls", setup: OpensLibrary(&["shims/needs_static_tls.c"]), failure: STATIC_TLS,
        on_stderr: Exact, in_file: Exact,
        does: "opens such libraries until none is left, then opens libcfr.so",
    }
    address_sanitizer {
        program: "copies_and_allocates", setup: Sanitized("address"), failure: SANITIZER,
        on_stderr: Exact, in_file: Exact,
        does: "is built with AddressSanitizer; copies and allocates in threads and a child",
        exception: Exception {
            modes: Modes::Strace,
            end: ProcessEnd::Status(1),
            reason: "LeakSanitizer does not work under ptrace(2)",
        },
    }
    thread_sanitizer {
        program: "copies_and_allocates", setup: Sanitized("thread"), failure: SANITIZER,
        on_stderr: Exact, in_file: Exact,
        does: "is built with ThreadSanitizer; copies and allocates in threads and a child",
    }
    many_sanitized_threads {
        program: "many_threads", setup: Sanitized("thread"), failure: SANITIZER,
        on_stderr: Exact, in_file: Exact,
        does: "is built with ThreadSanitizer; copies in 64 threads, which use the library's memory in turn",
    }
    kills_unknown {
        program: "kills_unknown", args: ["own"], failure: SECCOMP,
        on_stderr: Unchecked, in_file: Unchecked,
        does: "installs a filter that kills the process for every system call except its own",
        exception: Exception {
            modes: Modes::Intercepting,
            end: ProcessEnd::Signal(libc::SIGSYS),
            reason: "the filter does not allow the system calls of a log or of the library's copies: see libcfr(7)",
        },
    }
    kills_undocumented {
        program: "kills_unknown", args: ["documented"], failure: SECCOMP,
        on_stderr: Exact, in_file: Exact,
        does: "installs the same filter, with the system calls allowed that libcfr(7) names",
    }
    writes_nothing {
        program: "writes_nothing", failure: SECCOMP,
        on_stderr: AtMost, in_file: AtMost,
        does: "installs a filter that makes the log's writes return 0",
    }
    set_user_id {
        program: "copies_once", setup: SetUserId, failure: PRIVILEGE,
        on_stderr: Empty, in_file: Empty,
        does: "is set-user-ID root, linked with the library, and started by the user nobody, who sets the variables",
    }
    changes_identity {
        program: "changes_identity", failure: PRIVILEGE,
        on_stderr: Exact, in_file: Exact,
        does: "leaves its namespaces, its root directory and its user between copies",
    }
    without_proc {
        program: "without_proc", failure: PRIVILEGE,
        on_stderr: Exact, in_file: Exact,
        does: "confines itself to a directory without /proc",
    }
    vfork_copies {
        program: "vfork_copies", failure: VFORK,
        on_stderr: Exact, in_file: Exact,
        does: "copies in a child of vfork(2) that has closed the log",
    }
    vfork_often {
        program: "vfork_often", failure: VFORK,
        on_stderr: Exact, in_file: Exact,
        does: "copies in such a child and then in its parent, 300 times",
    }
    other_syscalls {
        program: "other_syscalls", failure: FORWARDING,
        on_stderr: Exact, in_file: Exact,
        does: "makes calls of every sort with syscall(2), with garbage in the arguments that the kernel ignores",
    }
    cancel_pending {
        program: "cancel_pending", failure: CANCELLATION,
        on_stderr: Exact, in_file: Exact,
        does: "copies with a cancellation pending: acted on, disabled, or not at a cancellation point",
    }
    cancel_async {
        program: "cancel_async", failure: CANCELLATION,
        on_stderr: WholeLines, in_file: WholeLines,
        does: "cancels threads with asynchronous cancelability at any instruction",
    }
    cancel_late {
        program: "cancel_late", failure: CANCELLATION,
        on_stderr: WholeLines, in_file: WholeLines,
        does: "cancels threads in the middle of a copy",
    }
    stacked_first {
        program: "stacked", setup: PreloadedAfter("shims/counting_copy.c"), failure: STACKING,
        on_stderr: AtMost, in_file: AtMost,
        does: "has another library preloaded before libcfr.so that replaces copy_file_range too",
    }
    stacked_last {
        program: "stacked", setup: PreloadedBefore("shims/counting_copy.c"), failure: STACKING,
        on_stderr: Exact, in_file: Exact,
        does: "has the same library preloaded after libcfr.so, with CFR_FORWARD=next",
    }
    jemalloc_first {
        program: "copies_and_allocates", setup: PreloadedAfter("libjemalloc.so.2"), failure: STACKING,
        on_stderr: Exact, in_file: Exact,
        does: "has jemalloc preloaded before libcfr.so; copies and allocates in threads and a child",
    }
    jemalloc_last {
        program: "copies_and_allocates", setup: PreloadedBefore("libjemalloc.so.2"), failure: STACKING,
        on_stderr: Exact, in_file: Exact,
        does: "has jemalloc preloaded after libcfr.so",
    }
    opens_library {
        program: "opens_library", setup: OpensLibrary(&[]), failure: OPENED_LATE,
        on_stderr: Exact, in_file: Exact,
        does: "opens the library with dlopen(3), copies through it and closes it, 40 times",
    }
    opens_library_small_stack {
        program: "opens_library_small_stack", setup: OpensLibrary(&[]), failure: OPENED_LATE,
        on_stderr: Exact, in_file: Exact,
        does: "opens the library on a thread with a stack of PTHREAD_STACK_MIN, and copies there",
    }
    descriptors_exhausted {
        program: "descriptors_exhausted", failure: LIMITS,
        on_stderr: Exact, in_file: AtMost,
        does: "has no free descriptor, or one, or all free ones below the library's",
    }
    high_descriptors {
        program: "high_descriptors", failure: LIMITS,
        on_stderr: Exact, in_file: AtMost,
        does: "has a million descriptors, or as many as its limit allows, and copies between the highest",
    }
}

/// The hazards that are also tried through each of `HOOKS`.
const BY_EACH_HOOK: [&str; 5] =
    ["closes_by_loop", "errno_kept", "signal_handler", "forks_from_threads", "many_threads"];

/// The hooks besides copy_file_range.
const HOOKS: [&str; 6] =
    ["syscall", "sendfile", "sendfile64", "FICLONE", "FICLONERANGE", "FIDEDUPERANGE"];

/// Returns every hazard, in the order of the page.
pub fn hazards() -> Vec<Hazard> {
    let mut by_hook = Vec::new();
    for hook in HOOKS {
        for mut hazard in rows() {
            if !BY_EACH_HOOK.contains(&hazard.name.as_str()) {
                continue;
            }
            hazard.name = format!("{} by {hook}", hazard.name);
            hazard.setup = Setup::Hook(hook);
            // sendfile to a target that is not a regular file is not a copy and not logged, and the
            // program makes no FIDEDUPERANGE call if it could not prepare the files.
            if hazard.name.starts_with("errno_kept")
                && !["syscall", "FICLONE", "FICLONERANGE"].contains(&hook)
            {
                (hazard.on_stderr, hazard.in_file) = (AtMost, AtMost);
            }
            by_hook.push(hazard);
        }
    }
    let mut hazards = rows();
    hazards.extend(by_hook);
    hazards
}

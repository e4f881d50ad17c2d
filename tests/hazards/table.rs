//! The hazards, one a row: what the host does, and what must hold for the log. For the host itself
//! there is one demand in every row and mode: that it ends, writes and leaves what it does when bare.

use crate::failure::{self, Failure};
use crate::mode::{Backend, Mode, Saying};
use Log::{Any, AtLeast, AtMost, Exact, Silent, Whole};
use Stage::{Before, Behind, Opened, Opening, Plain, Sanitized, SetUserId};

/// What a host does.
#[derive(PartialEq, Eq, Debug)]
pub struct Hazard {
    /// As the page and the words of the command line have it.
    pub name: String,
    /// In c-tests/.
    pub program: &'static str,
    /// Its words after the log's path.
    pub words: &'static [&'static str],
    /// How it is built and started.
    pub stage: Stage,
    /// What it stands for.
    pub failure: Failure,
    /// What must hold for a log on standard error, and in a file.
    pub on_stderr: Log,
    /// In a file.
    pub in_file: Log,
    /// What the host does, as the rest of a sentence that begins with it.
    pub does: &'static str,
    /// The modes in which it does something else.
    pub unlike: Option<Unlike>,
}

/// What must hold for a log. Unless it says otherwise, every line is whole and is a call's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// One line for each call that the program reports.
    Exact,
    /// The programs that it starts copy too.
    AtLeast,
    /// The program takes the log away from us for a while.
    AtMost,
    /// The program cannot say how many calls it made.
    Whole,
    /// No line, and no file.
    Silent,
    /// The program leaves no way to write whole lines.
    Any,
}

/// How a program is built and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// As it is.
    Plain,
    /// With this sanitizer of the compiler's.
    Sanitized(&'static str),
    /// The library is preloaded behind another one: of c-tests/, or an installed one.
    Behind(&'static str),
    /// Before it, and passes calls on to it.
    Before(&'static str),
    /// The program is told the path of another one, which it opens.
    Opening(&'static str),
    /// The library is not preloaded, but opened by the program, which is told its path and those of
    /// these others; in the other modes it opens the C library instead.
    Opened(&'static [&'static str]),
    /// The program is root's whoever starts it, is started by nobody, and linked with the library.
    SetUserId,
    /// The program copies by another hook; the ioctls where blocks can be shared.
    Hook(&'static str),
}

/// Modes in which a host does not end as when it is bare, and need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlike {
    /// Which.
    pub when: When,
    /// How it ends there.
    pub ending: End,
    /// Why.
    pub why: &'static str,
}

/// A set of modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Under strace.
    Strace,
    /// Whenever the library does more than pass calls on.
    NotForwarding,
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Hazard {
    /// Whether the program measures how long it is held up.
    pub fn waits(&self) -> bool {
        matches!(self.program, "full_stderr" | "signal_while_waiting" | "stuck_threads")
    }

    /// Whether its name or its program's holds this word.
    pub fn holds(&self, word: &str) -> bool {
        self.name.contains(word) || self.program.contains(word)
    }

    /// How it ends in this mode, where that is not as when bare.
    pub fn unlike(&self, mode: Mode) -> Option<Unlike> {
        self.unlike.filter(|unlike| match unlike.when {
            When::Strace => mode == Mode::Strace,
            When::NotForwarding => {
                matches!(mode, Mode::Library(..))
                    && mode != Mode::Library(Saying::Nothing, Backend::Auto)
            }
        })
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Status(status) => write!(f, "status {status}"),
            End::Signal(libc::SIGSYS) => f.write_str("SIGSYS"),
            End::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl End {
    /// As a status and a signal, one of which there is.
    pub fn pair(self) -> (Option<i32>, Option<i32>) {
        match self {
            End::Status(status) => (Some(status), None),
            End::Signal(signal) => (None, Some(signal)),
        }
    }
}

/// A row: the name, the program and its words, how it is built and started, the failure that it
/// stands for, what must hold for a log on standard error and in a file, what the host does, and
/// where it does something else.
macro_rules! hazards {
    ($($name:ident: $program:literal $(+ $word:literal)*, $stage:expr, $failure:ident,
       $on_stderr:ident, $in_file:ident, $does:literal $(, $unlike:expr)?;)*) => {
        /// The rows.
        fn rows() -> Vec<Hazard> {
            vec![$(Hazard {
                name: stringify!($name).to_owned(),
                program: $program,
                words: &[$($word),*],
                stage: $stage,
                failure: failure::$failure,
                on_stderr: $on_stderr,
                in_file: $in_file,
                does: $does,
                unlike: None$(.or(Some($unlike)))?,
            }),*]
        }
    };
}

hazards! {
    closes_by_loop: "closes_descriptors" + "loop", Plain, REUSED, Exact, Exact,
        "closes every descriptor in a loop, and opens data in their place";
    closes_by_close_range: "closes_descriptors" + "close_range", Plain, REUSED, Exact, Exact,
        "the same by close_range(2)";
    closes_by_closefrom: "closes_descriptors" + "closefrom", Plain, REUSED, Exact, Exact,
        "the same by closefrom(3)";
    closes_by_syscall: "closes_descriptors" + "syscall", Plain, REUSED, Exact, Exact,
        "the same by syscall(2)";
    closes_often: "closes_often", Plain, REUSED, Exact, Exact,
        "closes every descriptor after each of 400 copies";
    closes_log_often: "closes_log_often", Plain, REUSED, Exact, AtMost,
        "closes the log's descriptor in one thread, over and over, while four others copy";
    replaces_log: "replaces_log", Plain, REUSED, Exact, Exact,
        "finds the log's descriptor and puts data under its number by dup2(2)";
    daemonizes: "daemonizes", Plain, REUSED, AtMost, Exact,
        "becomes a daemon: forks twice, closes everything, opens /dev/null and then data";
    descriptor_tables: "descriptor_tables", Plain, REUSED, Exact, Exact,
        "has threads with descriptor tables of their own, in which the log's number means other files";
    inode_reused: "inode_reused", Plain, REUSED, Any, Whole,
        "has a deleted file as standard error, closes it, and data gets its inode and number";
    replaces_standard: "replaces_standard", Plain, STANDARD, AtMost, Exact,
        "closes its standard descriptors, and opens data in their place";
    without_standard: "without_standard", Plain, STANDARD, AtMost, Exact,
        "is started without standard descriptors: what it opens first is its standard error";
    standard_streams: "standard_streams", Plain, STANDARD, Exact, Exact,
        "copies from standard input to standard output";
    early_constructor_behind: "copies_once", Behind("shims/early_constructor.c"), EARLY, Exact, Exact,
        "has another library preloaded before ours, whose constructor copies";
    early_constructor_before: "copies_once", Before("shims/early_constructor.c"), EARLY, Exact, Exact,
        "has it preloaded behind ours";
    errno: "errno", Plain, ERRNO, Exact, Exact,
        "looks at errno after calls that succeed and that fail in 13 ways, by both functions";
    errno_kept: "errno_kept", Plain, ERRNO, Exact, Exact,
        "looks at errno after calls that succeed, and that fail for a descriptor";
    appends: "appends", Plain, ERRNO, Exact, Exact,
        "copies to a file that is open with O_APPEND, which is refused";
    wild_offsets: "wild_offsets", Plain, ERRNO, Exact, Exact,
        "gives offset pointers that cannot be read, cannot be written, or stand astride two pages";
    forks_from_threads: "forks_from_threads", Plain, FORK, Exact, Exact,
        "forks again and again while three threads copy, and each child copies at once";
    fork_then_threads: "fork_then_threads", Plain, FORK, Exact, Exact,
        "forks children whose threads copy all at once while another opens files";
    forks_in_handler: "forks_in_handler", Plain, FORK, Exact, Exact,
        "forks in a signal handler that interrupts copies and malloc(3), and the child copies";
    signal_handler: "signal_handler", Plain, HANDLER, Exact, Exact,
        "copies in a signal handler that interrupts copies and malloc(3) 2500 times a second";
    signal_handler_on_8_kib: "signal_handler" + "altstack", Plain, HANDLER, Exact, Exact,
        "the same, on an alternate stack of 8 KiB";
    signal_handler_on_the_smallest_stack: "signal_handler" + "smallest", Plain, HANDLER, Exact, Exact,
        "the same, on one of 3 KiB more than the kernel needs";
    jumps_out: "jumps_out", Plain, HANDLER, Any, Any,
        "leaves copies half-way by siglongjmp(3) from a handler";
    small_stack: "small_stack", Plain, HANDLER, Exact, Exact,
        "copies in threads with a stack of PTHREAD_STACK_MIN";
    stuck_threads: "stuck_threads", Plain, HANDLER, Any, AtMost,
        "copies in 400 such threads at once, with a standard error that is full";
    late_copies: "late_copies", Plain, LATE, Exact, Exact,
        "copies in every round of its threads' key destructors, in atexit(3), in an ELF destructor";
    leader_gone: "leader_gone", Plain, LATE, Exact, Exact,
        "ends its main thread and copies in another";
    late_destructor_behind: "copies_once", Behind("shims/late_destructor.c"), LATE, Exact, Exact,
        "has another library preloaded before ours, whose destructor copies";
    late_destructor_before: "copies_once", Before("shims/late_destructor.c"), LATE, Exact, Exact,
        "has it preloaded behind ours";
    deletes_log: "deletes_log", Plain, SINK, Whole, Any,
        "deletes the log and its directory";
    moves_log: "moves_log", Plain, SINK, Exact, Exact,
        "renames the log as logrotate does, and puts data under its name";
    log_disk_full: "log_disk_full", Plain, SINK, Whole, Any,
        "fills the disk on which the log is, and makes room again";
    log_on_full_device: "log_on_full_device", Plain, SINK, Whole, Any,
        "makes the log's path lead to /dev/full";
    log_reader_gone: "log_reader_gone", Plain, SINK, Whole, Any,
        "makes the log a FIFO whose reader goes away: SIGPIPE";
    log_never_read: "log_never_read", Plain, SINK, Whole, Any,
        "makes the log a FIFO that is full and that nobody reads";
    reader_gone: "reader_gone", Plain, SINK, Any, Exact,
        "has a pipe that nobody reads as standard error, and a SIGPIPE of its own pending";
    full_pipe: "full_stderr" + "pipe", Plain, SINK, Any, Whole,
        "has a full pipe as standard error";
    full_fifo_on_stderr: "full_stderr" + "fifo", Plain, SINK, Any, Whole,
        "has a full FIFO there";
    full_socket: "full_stderr" + "socket", Plain, SINK, Any, Whole,
        "has a full socket there";
    full_terminal: "full_stderr" + "terminal", Plain, SINK, Any, Whole,
        "has a full terminal there";
    signal_while_waiting: "signal_while_waiting", Plain, SINK, Any, Exact,
        "gets a SIGPIPE of its own while a line waits for room";
    file_size_limit: "file_size_limit", Plain, SINK, Whole, Any,
        "lowers RLIMIT_FSIZE to below a line, into one and behind it: SIGXFSZ";
    many_threads: "many_threads", Plain, SHARED_LOG, Exact, Exact,
        "copies in 64 threads, for ten seconds in `make hazards`";
    many_processes: "many_processes", Plain, SHARED_LOG, Exact, Exact,
        "copies in nine processes that share a log";
    wiped_environment: "wiped_environment", Plain, EXEC, Exact, Exact,
        "wipes its environment, sets our variables, and executes a program with none";
    exec_chain: "exec_chain", Plain, EXEC, Exact, Exact,
        "executes itself 30 times, and counts its descriptors";
    vfork_exec: "vfork_exec", Plain, EXEC, AtLeast, AtLeast,
        "starts programs by vfork(2) and posix_spawn(3)";
    opens_static_tls: "opens_static_tls", Opening("shims/wants_static_tls.c"), STATIC_TLS, Exact, Exact,
        "opens a library that wants static thread-local memory";
    static_tls: "static_tls", Opened(&["shims/wants_static_tls.c"]), STATIC_TLS, Exact, Exact,
        "opens such libraries until there is none left, and then ours";
    address_sanitizer: "copies_and_allocates", Sanitized("address"), SANITIZER, Exact, Exact,
        "is built with AddressSanitizer, and copies and allocates in threads and a child",
        Unlike {
            when: When::Strace,
            ending: End::Status(1),
            why: "LeakSanitizer does not work under ptrace(2)",
        };
    thread_sanitizer: "copies_and_allocates", Sanitized("thread"), SANITIZER, Exact, Exact,
        "the same with ThreadSanitizer, told by ignore_noninstrumented_modules=1 that it sees no locks of ours";
    kills_unknown: "kills_unknown" + "own", Plain, SECCOMP, Any, Any,
        "installs a filter that kills for every system call but its own",
        Unlike {
            when: When::NotForwarding,
            ending: End::Signal(libc::SIGSYS),
            why: "a log, and a copy of the library's own, cost system calls that the filter kills for; \
                  libcfr(7) names them",
        };
    kills_undocumented: "kills_unknown" + "documented", Plain, SECCOMP, Exact, Exact,
        "the same, with those allowed that libcfr(7) names";
    writes_nothing: "writes_nothing", Plain, SECCOMP, AtMost, AtMost,
        "installs a filter that answers the log's writes with 0";
    set_user_id: "copies_once", SetUserId, PRIVILEGE, Silent, Silent,
        "is root's, set-user-ID, linked with the library and started by nobody, who sets the variables";
    changes_identity: "changes_identity", Plain, PRIVILEGE, Exact, Exact,
        "leaves its namespaces, its root directory and its user between copies";
    without_proc: "without_proc", Plain, PRIVILEGE, Exact, Exact,
        "confines itself to a directory without /proc";
    vfork_copies: "vfork_copies", Plain, VFORK, Exact, Exact,
        "copies in a child of vfork(2) that has closed the log";
    vfork_often: "vfork_often", Plain, VFORK, Exact, Exact,
        "copies in such a child and then in its parent, 300 times";
    other_syscalls: "other_syscalls", Plain, FORWARDING, Exact, Exact,
        "makes calls of every sort by syscall(2), and leaves garbage in what the kernel does not look at";
    cancel_pending: "cancel_pending", Plain, CANCELLATION, Exact, Exact,
        "copies with a cancellation pending: acted on, disabled, or not at a cancellation point";
    cancel_async: "cancel_async", Plain, CANCELLATION, Whole, Whole,
        "cancels threads of asynchronous cancelability at any instruction";
    cancel_late: "cancel_late", Plain, CANCELLATION, Whole, Whole,
        "cancels threads in the midst of a copy";
    stacked_behind: "stacked", Behind("shims/counting_copy.c"), STACKING, AtMost, AtMost,
        "has another library preloaded before ours, that stands in for copy_file_range too";
    stacked_before: "stacked", Before("shims/counting_copy.c"), STACKING, Exact, Exact,
        "has it preloaded behind ours, with CFR_FORWARD=next";
    jemalloc_before: "copies_and_allocates", Behind("libjemalloc.so.2"), STACKING, Exact, Exact,
        "has jemalloc preloaded before ours, and copies and allocates in threads and a child";
    jemalloc_behind: "copies_and_allocates", Before("libjemalloc.so.2"), STACKING, Exact, Exact,
        "has it preloaded behind ours";
    opens_library: "opens_library", Opened(&[]), OPENED, Exact, Exact,
        "opens the library by dlopen(3), copies through it, and closes it, 40 times";
    descriptors_exhausted: "descriptors_exhausted", Plain, LIMITS, Exact, AtMost,
        "has no descriptor left, or one, or all of them below the library's";
    high_descriptors: "high_descriptors", Plain, LIMITS, Exact, AtMost,
        "has a million descriptors, or as many as it may, and copies between the highest";
}

/// Hazards that are tried by each of the hooks.
const BY_EACH_HOOK: [&str; 5] =
    ["closes_by_loop", "errno_kept", "signal_handler", "forks_from_threads", "many_threads"];

/// The hooks besides copy_file_range: their name, and whether the library logs what comes by it.
const HOOKS: [&str; 6] =
    ["syscall", "sendfile", "sendfile64", "FICLONE", "FICLONERANGE", "FIDEDUPERANGE"];

/// Every hazard, in the page's order.
pub fn hazards() -> Vec<Hazard> {
    let mut by_hook = Vec::new();
    for hook in HOOKS {
        for mut hazard in rows() {
            if !BY_EACH_HOOK.contains(&hazard.name.as_str()) {
                continue;
            }
            hazard.name = format!("{} by {hook}", hazard.name);
            hazard.stage = Stage::Hook(hook);
            // What goes to no regular file is no copy by sendfile, and the program makes no call to
            // deduplicate what it could not prepare.
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

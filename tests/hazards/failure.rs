//! Failures of preloaded tools that users have met: what the hazards stand for.

/// A failure that a tool's issue tracker reports.
#[derive(PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its number on the page.
    pub number: u8,
    pub name: &'static str,
    /// What happened, and the issues that report it.
    pub description: &'static str,
}

macro_rules! failures {
    ($($id:ident = $number:literal $name:literal, $description:literal;)*) => {
        $(
            #[doc = $description]
            pub const $id: Failure =
                Failure { number: $number, name: $name, description: $description };
        )*
        /// All failures, by number.
        pub const ALL: &[Failure] = &[$($id),*];
    };
}

failures! {
    LOG_IN_DATA = 1 "log in the data", "the host closes descriptors that it does not know, and the tool \
        writes into the file that gets the number (KSCrash#907, proxychains-ng#439)";
    LOG_ON_STANDARD_STREAM = 2 "log as standard output", "a standard descriptor is closed, and the \
        tool's own file becomes standard output or standard error (mirrord#4622)";
    CALLED_EARLY = 3 "called too early", "the tool is called before its own constructor has run \
        (bluez-alsa#800, jemalloc#443)";
    WRONG_ERRNO = 5 "wrong errno", "errno is the tool's and not the call's (dmtcp#365, filprofiler#79)";
    FORK = 6 "hung children", "a process forks while another thread holds the tool's lock, and the \
        child hangs (cvmfs#3995)";
    SIGNAL_HANDLER = 7 "signal handlers", "a signal handler calls the tool, which allocates or takes a \
        lock (vite-task#605)";
    CALLED_LATE = 8 "called too late", "the tool is called after its thread-local data is destroyed \
        (bytehound#12)";
    UNWRITABLE_LOG = 10 "log cannot be written", "the log cannot be written, and the host gets the \
        error, waits, or dies (proxychains-ng#460, snoopy#28)";
    MIXED_LINES = 11 "lines mixed", "processes overwrite each other's lines (gperftools#601)";
    EXEC = 12 "lost at exec", "exec or the new environment drops the tool or its open files \
        (firebuild#10)";
    STATIC_TLS = 15 "no static TLS left", "the block for static thread-local data is full, and a \
        library cannot be opened (jemalloc#937, mimalloc#147)";
    SANITIZER = 16 "sanitizers", "a sanitizer's runtime requires to be loaded first \
        (google/sanitizers#786), and sees no locks of code that it did not compile";
    SECCOMP = 17 "killed by a filter", "a seccomp filter kills the process for a system call of the \
        tool (file#179, tcmalloc#81)";
    PRIVILEGE = 18 "privileges", "an environment variable makes a privileged program write a file \
        (krb5#921, ROCm#3069)";
    VFORK = 20 "shared memory", "a child shares its parent's memory, and so the tool's state \
        (aether#667)";
    FORWARDING = 21 "other calls changed", "the tool replaces syscall(2), and calls that it does not \
        handle change (torsocks: dino#1107)";
    CANCELLATION = 25 "cancellation", "a cancellation request is lost, or ends the process \
        (rust#65441)";
    STACKING = 26 "other preloads", "two preloaded tools do not forward calls to each other \
        (darshan#415, firebuild#155)";
    OPENED_LATE = 27 "opened late", "the tool is opened late and closed again (libfaketime's README)";
    LIMITS = 28 "limits", "limits on descriptors are tiny or huge (moby#45436)";
}

//! How preloaded tools have failed their users: what a hazard stands for.

/// A failure that was met in the field.
#[derive(PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its number in the page.
    pub number: u8,
    /// In a few words.
    pub name: &'static str,
    /// What happened there.
    pub subject: &'static str,
}

macro_rules! failures {
    ($($id:ident = $number:literal $name:literal, $subject:literal;)*) => {
        $(
            #[doc = $subject]
            pub const $id: Failure = Failure { number: $number, name: $name, subject: $subject };
        )*
        /// Every one, by number.
        pub const ALL: &[Failure] = &[$($id),*];
    };
}

failures! {
    REUSED = 1 "log in the data", "the host closes descriptors that it does not know, and the tool's lines go into the file \
        that gets the number (KSCrash#907, proxychains-ng#439)";
    STANDARD = 2 "log as standard output", "a standard descriptor is closed, and the tool's own file becomes standard output or \
        standard error (mirrord#4622)";
    EARLY = 3 "called too early", "the tool is called before its own constructor has run (bluez-alsa#800, jemalloc#443)";
    ERRNO = 5 "errno not the call's", "errno is the tool's, and not the call's (dmtcp#365, filprofiler#79)";
    FORK = 6 "hung children", "a child is forked while another thread holds the tool's lock, and hangs (cvmfs#3995)";
    HANDLER = 7 "signal handlers", "a signal handler comes into the tool, which allocates or holds a lock (vite-task#605)";
    LATE = 8 "called too late", "the tool is called after its thread-local data is gone (bytehound#12)";
    SINK = 10 "log not to be written", "the log cannot be written: the host is told, is held up, or dies (proxychains-ng#460, \
        snoopy#28)";
    SHARED_LOG = 11 "lines mixed", "processes write over each other's lines (gperftools#601)";
    EXEC = 12 "lost at exec", "exec and its environment lose the tool, or what it has open (firebuild#10)";
    STATIC_TLS = 15 "no static TLS left", "the block for static thread-local data is full, and a library cannot be opened \
        (jemalloc#937, mimalloc#147)";
    SANITIZER = 16 "sanitizers", "a sanitizer's runtime insists on being first (google/sanitizers#786)";
    SECCOMP = 17 "killed by a filter", "a filter kills the process for a system call of the tool's (file#179, tcmalloc#81)";
    PRIVILEGE = 18 "privileges", "a variable makes a privileged program write a file (krb5#921, ROCm#3069)";
    VFORK = 20 "shared memory", "a child shares its parent's memory, and the tool's state with it (aether#667)";
    FORWARDING = 21 "other calls changed", "syscall(2) is stood in for, and other calls change (torsocks: dino#1107)";
    CANCELLATION = 25 "cancellation", "a cancellation is never acted on, or ends the process (rust#65441)";
    STACKING = 26 "other preloads", "two preloaded tools do not pass calls on to each other (darshan#415, firebuild#155)";
    OPENED = 27 "opened late", "the tool is opened late, and closed again (libfaketime's README)";
    LIMITS = 28 "limits", "limits on descriptors are tiny or huge (moby#45436)";
}

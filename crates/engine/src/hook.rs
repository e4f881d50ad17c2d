//! Hooks: the C library functions that the library stands in for.

/// A C library function that can copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Hook {
    /// The C library's wrapper of copy_file_range(2).
    CopyFileRange,
    /// syscall(2) with `SYS_copy_file_range`.
    Syscall,
    /// ioctl(2) with FICLONE, FICLONERANGE or FIDEDUPERANGE.
    Ioctl,
    /// sendfile(2) to a regular file or a block device.
    Sendfile,
    /// The name of sendfile with `_FILE_OFFSET_BITS=64`.
    Sendfile64,
    /// No C library function: a system call that the launcher's supervisor has stopped.
    Seccomp,
}

impl Hook {
    /// Each hook, in the order of the log's documentation.
    pub const ALL: [Hook; 6] = [
        Hook::CopyFileRange,
        Hook::Syscall,
        Hook::Ioctl,
        Hook::Sendfile,
        Hook::Sendfile64,
        Hook::Seccomp,
    ];

    /// Returns the function's name, as in `CFR_HOOKS` and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hook::CopyFileRange => "copy_file_range",
            Hook::Syscall => "syscall",
            Hook::Ioctl => "ioctl",
            Hook::Sendfile => "sendfile",
            Hook::Sendfile64 => "sendfile64",
            Hook::Seccomp => "seccomp",
        }
    }
}

/// A set of hooks.
///
/// ```
/// use cfr_engine::hook::{Hook, Hooks};
///
/// let hooks = Hooks::by_names(b"ioctl,sendfile").unwrap();
/// assert!(hooks.contains(Hook::Ioctl) && !hooks.contains(Hook::Syscall));
/// assert_eq!(Hooks::by_names(b"fcopyfile"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hooks(u8);

impl Hooks {
    pub const NONE: Hooks = Hooks(0);
    /// All hooks: the default in a preloaded process.
    pub const ALL: Hooks = Hooks((1 << Hook::ALL.len()) - 1);
    /// The default in a program that is linked with `-lcfr`.
    pub const LINKED: Hooks = Hooks::NONE.with(Hook::CopyFileRange);

    /// Parses hook names separated by commas; `None` if one is unknown.
    #[must_use]
    pub fn by_names(names: &[u8]) -> Option<Hooks> {
        names.split(|&byte| byte == b',').try_fold(Hooks::NONE, |hooks, name| {
            let hook = Hook::ALL.into_iter().find(|hook| hook.name().as_bytes() == name)?;
            Some(hooks.with(hook))
        })
    }

    /// Returns this set with `hook` added.
    #[must_use]
    pub const fn with(self, hook: Hook) -> Hooks {
        Hooks(self.0 | 1 << hook as u8)
    }

    /// Reports whether `hook` is in this set.
    #[must_use]
    pub const fn contains(self, hook: Hook) -> bool {
        self.0 & 1 << hook as u8 != 0
    }
}

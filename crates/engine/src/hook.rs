//! The hooks: C library functions through which a program can ask for a copy.

/// One C library function that the library stands in for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Hook {
    /// copy_file_range(2), the C library's wrapper.
    CopyFileRange,
    /// syscall(2) with `SYS_copy_file_range`.
    Syscall,
    /// ioctl(2) with FICLONE, FICLONERANGE or FIDEDUPERANGE.
    Ioctl,
    /// sendfile(2) into a regular file.
    Sendfile,
    /// The same, by the name that it has where `off_t` may be 32 bits wide.
    Sendfile64,
}

impl Hook {
    /// Every hook, in the order of the log's documentation.
    pub const ALL: [Hook; 5] =
        [Hook::CopyFileRange, Hook::Syscall, Hook::Ioctl, Hook::Sendfile, Hook::Sendfile64];

    /// The function's name, as `CFR_HOOKS` and the log spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hook::CopyFileRange => "copy_file_range",
            Hook::Syscall => "syscall",
            Hook::Ioctl => "ioctl",
            Hook::Sendfile => "sendfile",
            Hook::Sendfile64 => "sendfile64",
        }
    }

    /// The system call behind it, where the log is about copies.
    #[must_use]
    pub const fn call(self) -> &'static str {
        match self {
            Hook::CopyFileRange | Hook::Syscall => "copy_file_range",
            Hook::Ioctl => "ioctl",
            Hook::Sendfile | Hook::Sendfile64 => "sendfile",
        }
    }
}

/// A set of hooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hooks(u8);

impl Hooks {
    /// No hook.
    pub const NONE: Hooks = Hooks(0);
    /// Every hook: what is watched when preloaded.
    pub const ALL: Hooks = Hooks((1 << Hook::ALL.len()) - 1);
    /// What is watched when linked with `-lcfr`.
    pub const LINKED: Hooks = Hooks::NONE.with(Hook::CopyFileRange);

    /// The hooks of these names, with commas between; `None` where one has no such name.
    #[must_use]
    pub fn by_names(names: &[u8]) -> Option<Hooks> {
        names.split(|&byte| byte == b',').try_fold(Hooks::NONE, |hooks, name| {
            let hook = Hook::ALL.into_iter().find(|hook| hook.name().as_bytes() == name)?;
            Some(hooks.with(hook))
        })
    }

    /// This set and `hook`.
    #[must_use]
    pub const fn with(self, hook: Hook) -> Hooks {
        Hooks(self.0 | 1 << hook as u8)
    }

    /// Whether `hook` is in this set.
    #[must_use]
    pub const fn contains(self, hook: Hook) -> bool {
        self.0 & 1 << hook as u8 != 0
    }
}

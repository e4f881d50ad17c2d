//! The settings that decide what becomes of a call: the dialect, how strictly its rules are
//! enforced, and which code copies.

use crate::dialect::{CheckedBy, Dialect};
use crate::flags::Flags;
use cfr_sys::Args;
use cfr_sys::errno::{Errno, ErrnoSet};

/// Which code copies (`CFR_BACKEND`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backend {
    /// The kernel; the library after an error that the policy names.
    #[default]
    Auto,
    /// Only the kernel; its errors are the program's.
    Kernel,
    /// Only the library: the kernel's copy_file_range moves no byte.
    Emulate,
}

impl Backend {
    /// Each backend with its name in `CFR_BACKEND`.
    pub const ALL: [(&'static str, Backend); 3] =
        [("auto", Backend::Auto), ("kernel", Backend::Kernel), ("emulate", Backend::Emulate)];
}

/// What happens to a call that breaks a rule (`CFR_CHECKS`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checks {
    /// The rule answers it.
    #[default]
    Enforce,
    /// The rule is logged, and the call is made as if there were no rule.
    Warn,
    /// No rule is looked at.
    Off,
}

impl Checks {
    /// Each value with its name in `CFR_CHECKS`.
    pub const ALL: [(&'static str, Checks); 3] =
        [("enforce", Checks::Enforce), ("warn", Checks::Warn), ("off", Checks::Off)];
}

/// The settings that decide what becomes of a call.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The rules (`CFR_DIALECT`).
    pub dialect: &'static Dialect,
    /// What happens to a call that breaks a rule (`CFR_CHECKS`).
    pub checks: Checks,
    /// The flags of a call with flags 0 (`CFR_DEFAULT_FLAGS`).
    pub default_flags: Flags,
    /// Which code copies (`CFR_BACKEND`).
    pub backend: Backend,
    /// Errors of the kernel after which the library copies, if the backend is `auto` (`CFR_FALLBACK`).
    pub fallback: ErrnoSet,
    /// Whether both ranges are read back and compared (`CFR_VERIFY`).
    pub verify: bool,
}

impl Policy {
    /// Returns this policy with another dialect. If that has no such flag, calls without flags have
    /// none.
    #[must_use]
    pub fn with_dialect(self, dialect: &'static Dialect) -> Policy {
        let supports = |flags: Flags| flags.mode().is_some_and(|mode| dialect.supports(mode));
        let default_flags =
            if supports(self.default_flags) { self.default_flags } else { Flags(0) };
        Policy { dialect, default_flags, ..self }
    }

    /// Returns the effective flags of a call.
    #[must_use]
    pub fn flags(&self, args: &Args) -> Flags {
        if args.flags == 0 { self.default_flags } else { Flags(args.flags) }
    }

    /// Returns the lowest flags for which the kernel alone cannot give the answer that this policy
    /// wants. Calls with lower flags may go to the kernel at once, if its errors are checked with
    /// [`Policy::fallback_errors`].
    #[must_use]
    pub fn first_intercepted_flags(&self) -> u32 {
        u32::from(self.asks_kernel_first() && self.default_flags.0 == 0)
    }

    /// Reports whether the kernel gets a call with flags 0 as it came.
    #[inline(always)]
    pub(crate) fn asks_kernel_first(&self) -> bool {
        self.dialect.checked_by == CheckedBy::Kernel
            && self.backend != Backend::Emulate
            && !self.verify
    }

    /// Returns the errors of the kernel after which the library may copy. EPERM counts as ENOSYS here,
    /// because a seccomp filter may return it to hide the call.
    #[must_use]
    pub fn fallback_errors(&self) -> ErrnoSet {
        let errors = self.declining_errors();
        if errors.contains(Errno::ENOSYS) { errors.with(Errno::EPERM) } else { errors }
    }

    /// Returns the errors of the kernel after which the library copies.
    pub(crate) fn declining_errors(&self) -> ErrnoSet {
        match self.backend {
            Backend::Auto => self.wanted_fallbacks(),
            Backend::Kernel | Backend::Emulate => ErrnoSet::NONE,
        }
    }

    /// Returns the errors that the user or the dialect names.
    fn wanted_fallbacks(&self) -> ErrnoSet {
        self.fallback.or(self.dialect.fallback_errors)
    }

    /// Reports whether the library's own copies cross filesystems, whatever the dialect says.
    pub(crate) fn crosses_filesystems(&self) -> bool {
        match self.backend {
            Backend::Kernel => false,
            Backend::Emulate if self.dialect.emulation_crosses_filesystems => true,
            Backend::Auto | Backend::Emulate => self.wanted_fallbacks().contains(Errno::EXDEV),
        }
    }
}

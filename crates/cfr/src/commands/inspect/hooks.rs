//! The hooks, and the arguments that show that a call through `syscall` or `ioctl` is a copy.

use cfr_engine::hook::Hook;
use cfr_sys::{FICLONE, FICLONERANGE, FIDEDUPERANGE};

/// The functions of the C library that are hooks, in the order of the report. The supervisor's hook,
/// seccomp, is none.
pub(super) const NAMES: [&str; 5] = [
    Hook::CopyFileRange.name(),
    Hook::Syscall.name(),
    Hook::Ioctl.name(),
    Hook::Sendfile.name(),
    Hook::Sendfile64.name(),
];

/// A number that a program passes to a hook to copy.
pub(super) struct Mark {
    pub(super) hook: &'static str,
    pub(super) name: &'static str,
    pub(super) number: u32,
}

/// The numbers that tell copies from other uses of these hooks.
pub(super) const MARKS: [Mark; 4] = [
    Mark { hook: "syscall", name: "SYS_copy_file_range", number: COPY_FILE_RANGE },
    Mark { hook: "ioctl", name: "FICLONE", number: FICLONE },
    Mark { hook: "ioctl", name: "FICLONERANGE", number: FICLONERANGE },
    Mark { hook: "ioctl", name: "FIDEDUPERANGE", number: FIDEDUPERANGE },
];

/// System calls that copy, which a program may make without the C library.
pub(super) const CALLS: [(&str, u32); 3] =
    [("copy_file_range", COPY_FILE_RANGE), ("ioctl", IOCTL), ("sendfile", SENDFILE)];

/// System calls that start programs.
pub(super) const STARTS: [(&str, u32); 2] = [("execve", EXECVE), ("execveat", EXECVEAT)];

#[cfg(target_arch = "x86_64")]
const COPY_FILE_RANGE: u32 = 326;
#[cfg(target_arch = "x86_64")]
const SENDFILE: u32 = 40;
#[cfg(target_arch = "x86_64")]
pub(super) const IOCTL: u32 = 16;
#[cfg(target_arch = "x86_64")]
const EXECVE: u32 = 59;
#[cfg(target_arch = "x86_64")]
const EXECVEAT: u32 = 322;
#[cfg(target_arch = "aarch64")]
const COPY_FILE_RANGE: u32 = 285;
#[cfg(target_arch = "aarch64")]
const SENDFILE: u32 = 71;
#[cfg(target_arch = "aarch64")]
pub(super) const IOCTL: u32 = 29;
#[cfg(target_arch = "aarch64")]
const EXECVE: u32 = 221;
#[cfg(target_arch = "aarch64")]
const EXECVEAT: u32 = 281;

/// Reports whether every call of this hook is a copy, whatever its arguments are.
pub(super) fn is_for_copies(hook: &str) -> bool {
    MARKS.iter().all(|mark| mark.hook != hook)
}

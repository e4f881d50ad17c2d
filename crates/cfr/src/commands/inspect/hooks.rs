//! The hooks, and what tells that a copy goes through one of those that are not for copies only.

use cfr_engine::hook::Hook;
use cfr_sys::{FICLONE, FICLONERANGE, FIDEDUPERANGE};

/// The hooks that are looked for, in the order of the report.
pub(super) const NAMES: [&str; Hook::ALL.len()] = {
    let mut names = [""; Hook::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler's evaluation")]
        {
            names[at] = Hook::ALL[at].name();
        }
        at += 1;
    }
    names
};

/// A number that a program hands to a hook where it wants a copy.
pub(super) struct Mark {
    /// The hook.
    pub(super) hook: &'static str,
    /// The number's name.
    pub(super) name: &'static str,
    /// The number.
    pub(super) number: u32,
}

/// What tells copies from the other things that pass through these hooks.
pub(super) const MARKS: [Mark; 4] = [
    Mark { hook: "syscall", name: "SYS_copy_file_range", number: COPY_FILE_RANGE },
    Mark { hook: "ioctl", name: "FICLONE", number: FICLONE },
    Mark { hook: "ioctl", name: "FICLONERANGE", number: FICLONERANGE },
    Mark { hook: "ioctl", name: "FIDEDUPERANGE", number: FIDEDUPERANGE },
];

/// System calls that copy, which a program may make by instruction.
pub(super) const CALLS: [(&str, u32); 2] =
    [("copy_file_range", COPY_FILE_RANGE), ("sendfile", SENDFILE)];

#[cfg(target_arch = "x86_64")]
const COPY_FILE_RANGE: u32 = 326;
#[cfg(target_arch = "x86_64")]
const SENDFILE: u32 = 40;
#[cfg(target_arch = "aarch64")]
const COPY_FILE_RANGE: u32 = 285;
#[cfg(target_arch = "aarch64")]
const SENDFILE: u32 = 71;

/// Whether calls through this hook are copies whatever their arguments are.
pub(super) fn is_for_copies(hook: &str) -> bool {
    MARKS.iter().all(|mark| mark.hook != hook)
}

//! The doors, and what tells that a copy goes through one of those that are not for copies only.

use cfr_engine::hook::Door;
use cfr_sys::{FICLONE, FICLONERANGE, FIDEDUPERANGE};

/// The doors that are looked for, in the order of the report.
pub(super) const NAMES: [&str; Door::ALL.len()] = {
    let mut names = [""; Door::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler's evaluation")]
        {
            names[at] = Door::ALL[at].name();
        }
        at += 1;
    }
    names
};

/// A number that a program hands to a door where it wants a copy.
pub(super) struct Mark {
    /// The door.
    pub(super) door: &'static str,
    /// The number's name.
    pub(super) name: &'static str,
    /// The number.
    pub(super) number: u32,
}

/// What tells copies from the other things that pass through these doors.
pub(super) const MARKS: [Mark; 4] = [
    Mark { door: "syscall", name: "SYS_copy_file_range", number: COPY_FILE_RANGE },
    Mark { door: "ioctl", name: "FICLONE", number: FICLONE },
    Mark { door: "ioctl", name: "FICLONERANGE", number: FICLONERANGE },
    Mark { door: "ioctl", name: "FIDEDUPERANGE", number: FIDEDUPERANGE },
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

/// Whether calls through this door are copies whatever their arguments are.
pub(super) fn is_for_copies(door: &str) -> bool {
    MARKS.iter().all(|mark| mark.door != door)
}

//! `linux-5.3`: Linux 5.3 to 5.18, which copies across filesystems.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use cfr_sys::errno::{Errno, ErrnoSet};

pub(super) static DIALECT: Dialect = Dialect {
    name: "linux-5.3",
    alias: None,
    about: "Linux 5.3 to 5.18: copies between any two filesystems, and 0 bytes of a file of /proc",
    modes: &[],
    checked_by: CheckedBy::Kernel,
    copy_strategy: CopyStrategy::Kernel,
    fallback_errors: ErrnoSet::NONE.with(Errno::EXDEV),
    emulation_crosses_filesystems: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.at_check(Source::Linux53Entry),
    rule::FD_OUT_CLOSED.at_check(Source::Linux53Entry),
    rule::OFF_IN_UNREADABLE.at_check(Source::Linux53Entry),
    rule::OFF_OUT_UNREADABLE.at_check(Source::Linux53Entry),
    rule::FLAGS_NOT_ZERO.at_check(Source::Linux53Copy),
    rule::DIRECTORY.at_check(Source::Linux53Modes),
    rule::NOT_REGULAR.at_check(Source::Linux53Modes),
    rule::NOT_READABLE.at_check(Source::Linux53Modes),
    rule::NOT_WRITABLE.at_check(Source::Linux53Modes),
    rule::APPEND.at_check(Source::Linux53Modes),
    rule::IMMUTABLE.at_check(Source::Linux53Checks),
    rule::SWAP_FILE.at_check(Source::Linux53Checks),
    rule::WRAPS.at_check(Source::Linux53Checks),
    rule::FILE_SIZE_LIMIT.at_check(Source::Linux53Limits),
    rule::FILESYSTEM_LIMIT.at_check(Source::Linux53Limits),
    rule::OVERLAP.at_check(Source::Linux53Checks),
    rule::NEGATIVE_OFFSET.at_check(Source::Linux53Area),
    rule::SEALED.at_copy(Source::MemfdSealing),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::OFFSET_UNWRITABLE.at_copy(Source::Linux53Entry),
];

//! `linux-5.19`: Linux since 5.19, and today's manual page.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};

pub(super) static DIALECT: Dialect = Dialect {
    name: "linux-5.19",
    alias: Some("linux"),
    about: "Linux 5.19 and later: no copies between filesystems that the kernel has no call for",
    modes: &[],
    checked_by: CheckedBy::Kernel,
    copying: CopyStrategy::Kernel,
    fallback_errors: &[],
    emulation_crosses: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.before(Source::Linux612Entry),
    rule::FD_OUT_CLOSED.before(Source::Linux612Entry),
    rule::OFF_IN_UNREADABLE.before(Source::Linux612Entry),
    rule::OFF_OUT_UNREADABLE.before(Source::Linux612Entry),
    rule::FLAGS_NOT_ZERO.before(Source::Linux612Entry),
    rule::DIRECTORY.before(Source::Linux612Modes),
    rule::NOT_REGULAR.before(Source::Linux612Modes),
    rule::NOT_READABLE.before(Source::Linux612Modes),
    rule::NOT_WRITABLE.before(Source::Linux612Modes),
    rule::APPEND.before(Source::Linux612Modes),
    rule::CROSS_FILESYSTEM.before(Source::Linux612Checks),
    rule::IMMUTABLE.before(Source::Linux612Checks),
    rule::SWAP_FILE.before(Source::Linux612Checks),
    rule::WRAPS.before(Source::Linux612Checks),
    rule::FILE_SIZE_LIMIT.before(Source::Linux612Limits),
    rule::FILESYSTEM_LIMIT.before(Source::Linux612Limits),
    rule::OVERLAP.before(Source::Linux612Checks),
    rule::NEGATIVE_OFFSET.before(Source::Linux612Area),
    rule::SEALED.moving(Source::Memfd),
    rule::DIRECT.moving(Source::Direct),
    rule::OFFSET_UNWRITABLE.moving(Source::Linux612Entry),
];

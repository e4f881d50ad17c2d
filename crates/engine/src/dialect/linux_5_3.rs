//! `linux-5.3`: Linux 5.3 to 5.18, whose copies cross filesystems.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use cfr_sys::errno::Errno;

pub(super) static DIALECT: Dialect = Dialect {
    name: "linux-5.3",
    alias: None,
    about: "Linux 5.3 to 5.18: copies between any two filesystems, and nothing of a file of /proc",
    modes: &[],
    checked_by: CheckedBy::Kernel,
    copying: CopyStrategy::Kernel,
    fallback_errors: &[Errno::EXDEV],
    emulation_crosses: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.before(Source::Linux53Entry),
    rule::FD_OUT_CLOSED.before(Source::Linux53Entry),
    rule::OFF_IN_UNREADABLE.before(Source::Linux53Entry),
    rule::OFF_OUT_UNREADABLE.before(Source::Linux53Entry),
    rule::FLAGS_NOT_ZERO.before(Source::Linux53Copy),
    rule::DIRECTORY.before(Source::Linux53Modes),
    rule::NOT_REGULAR.before(Source::Linux53Modes),
    rule::NOT_READABLE.before(Source::Linux53Modes),
    rule::NOT_WRITABLE.before(Source::Linux53Modes),
    rule::APPEND.before(Source::Linux53Modes),
    rule::IMMUTABLE.before(Source::Linux53Checks),
    rule::SWAP_FILE.before(Source::Linux53Checks),
    rule::WRAPS.before(Source::Linux53Checks),
    rule::FILE_SIZE_LIMIT.before(Source::Linux53Limits),
    rule::FILESYSTEM_LIMIT.before(Source::Linux53Limits),
    rule::OVERLAP.before(Source::Linux53Checks),
    rule::NEGATIVE_OFFSET.before(Source::Linux53Area),
    rule::SEALED.moving(Source::Memfd),
    rule::DIRECT.moving(Source::Direct),
    rule::OFFSET_UNWRITABLE.moving(Source::Linux53Entry),
];

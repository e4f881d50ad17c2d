//! `linux-4.15`: the manual page of February 2018. It prevails if the kernels of its time differ;
//! the order, which it does not give, is that of Linux 4.18.

use super::rule::{self, Condition, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::facts::MAX_OFFSET;
use cfr_sys::errno::{Errno, ErrnoSet};

pub(super) static DIALECT: Dialect = Dialect {
    name: "linux-4.15",
    alias: None,
    about: "the manual page of man-pages 4.15 (2018); on kernels without the call, as glibc 2.27",
    modes: &[],
    checked_by: CheckedBy::Rules,
    copy_strategy: CopyStrategy::Kernel,
    fallback_errors: ErrnoSet::NONE,
    emulation_crosses_filesystems: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.at_check(Source::Page415),
    rule::FD_OUT_CLOSED.at_check(Source::Page415),
    rule::OFF_IN_UNREADABLE.at_check(Source::Linux418Entry),
    rule::OFF_OUT_UNREADABLE.at_check(Source::Linux418Entry),
    rule::FLAGS_NOT_ZERO.at_check(Source::Page415),
    rule::DIRECTORY.at_check(Source::Page415),
    rule::NOT_REGULAR.at_check(Source::Page415),
    LEN_TOO_LARGE.at_check(Source::Linux418Area),
    rule::NEGATIVE_OFFSET.at_check(Source::Linux418Area),
    MAXIMUM_OFFSET.at_check(Source::Page415),
    rule::NOT_READABLE.at_check(Source::Page415),
    rule::NOT_WRITABLE.at_check(Source::Page415),
    rule::APPEND.at_check(Source::Page415),
    rule::CROSS_FILESYSTEM.at_check(Source::Page415),
    rule::NOTHING_ASKED.at_check(Source::Linux418Copy),
    rule::PAST_END.at_check(Source::Page415),
    rule::OVERLAP.at_check(Source::Linux53),
    rule::FILE_SIZE_LIMIT.at_check(Source::Page415),
    rule::FILESYSTEM_LIMIT.at_copy(Source::Page415),
    rule::IMMUTABLE.at_copy(Source::Linux53),
    rule::SWAP_FILE.at_copy(Source::Linux53),
    rule::SEALED.at_copy(Source::MemfdSealing),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::OFFSET_UNWRITABLE.at_copy(Source::LinuxCopies),
];

pub(super) const LEN_TOO_LARGE: Condition = Condition::new(
    "len-too-large",
    Errno::EINVAL,
    "len or off_in + len exceeds the largest offset",
    |facts| {
        let start = facts.source.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        facts.requested_len() > MAX_OFFSET - start.unwrap_or(0)
    },
);

/// The page says EFBIG; the kernels of its time return EINVAL.
pub(super) const MAXIMUM_OFFSET: Condition = Condition::new(
    "maximum-offset",
    Errno::EFBIG,
    "off_out + len exceeds the largest offset",
    |facts| {
        let start = facts.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        facts.requested_len() > MAX_OFFSET - start.unwrap_or(0)
    },
);

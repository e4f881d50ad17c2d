//! `linux-4.15`: the manual page of February 2018. Where it differs from the kernels of its time,
//! the page counts; what it does not order stands in the order of Linux 4.18.

use super::rule::{self, Condition, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::facts::MOST;
use cfr_sys::errno::Errno;

pub(super) static DIALECT: Dialect = Dialect {
    name: "linux-4.15",
    alias: None,
    about: "the manual page of man-pages 4.15 (2018), with glibc 2.27's word on kernels without the call",
    modes: &[],
    checked_by: CheckedBy::Rules,
    copying: CopyStrategy::Kernel,
    fallback_errors: &[],
    emulation_crosses: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.before(Source::Page415),
    rule::FD_OUT_CLOSED.before(Source::Page415),
    rule::OFF_IN_UNREADABLE.before(Source::Linux418Entry),
    rule::OFF_OUT_UNREADABLE.before(Source::Linux418Entry),
    rule::FLAGS_NOT_ZERO.before(Source::Page415),
    rule::DIRECTORY.before(Source::Page415),
    rule::NOT_REGULAR.before(Source::Page415),
    LEN_TOO_LARGE.before(Source::Linux418Area),
    rule::NEGATIVE_OFFSET.before(Source::Linux418Area),
    MAXIMUM_OFFSET.before(Source::Page415),
    rule::NOT_READABLE.before(Source::Page415),
    rule::NOT_WRITABLE.before(Source::Page415),
    rule::APPEND.before(Source::Page415),
    rule::CROSS_FILESYSTEM.before(Source::Page415),
    rule::NOTHING_ASKED.before(Source::Linux418Copy),
    rule::PAST_END.before(Source::Page415),
    rule::OVERLAP.before(Source::Since53),
    rule::FILE_SIZE_LIMIT.before(Source::Page415),
    rule::FILESYSTEM_LIMIT.moving(Source::Page415),
    rule::IMMUTABLE.moving(Source::Since53),
    rule::SWAP_FILE.moving(Source::Since53),
    rule::SEALED.moving(Source::Memfd),
    rule::DIRECT.moving(Source::Direct),
    rule::OFFSET_UNWRITABLE.moving(Source::Carrier),
];

static LEN_TOO_LARGE: Condition = Condition::new(
    "len-too-large",
    Errno::EINVAL,
    "len, or off_in and len together, are more than an offset holds",
    |facts| {
        let start = facts.source.start().ok().and_then(|start| u64::try_from(start).ok());
        facts.asked() > MOST - start.unwrap_or(0)
    },
);

/// The kernels of the time said EINVAL.
static MAXIMUM_OFFSET: Condition = Condition::new(
    "maximum-offset",
    Errno::EFBIG,
    "off_out and len together are more than an offset holds",
    |facts| {
        let start = facts.target.start().ok().and_then(|start| u64::try_from(start).ok());
        facts.asked() > MOST - start.unwrap_or(0)
    },
);

//! `extended`: today's Linux, and the flags of the 2015 proposal on top.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::flags::Mode;

pub(super) static DIALECT: Dialect = Dialect {
    name: "extended",
    alias: None,
    about: "Linux 5.19 and later, and the flags of the 2015 proposal besides",
    modes: &[Mode::Copy, Mode::Reflink, Mode::Dedupe],
    checked_by: CheckedBy::Kernel,
    copying: CopyStrategy::Kernel,
    fallback_errors: &[],
    emulation_crosses: true,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.before(Source::Linux612Entry),
    rule::FD_OUT_CLOSED.before(Source::Linux612Entry),
    rule::OFF_IN_UNREADABLE.before(Source::Linux612Entry),
    rule::OFF_OUT_UNREADABLE.before(Source::Linux612Entry),
    rule::FLAGS_OF_THE_PROPOSAL.before(Source::Proposal),
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
    rule::CANNOT_REFLINK.moving(Source::ProposalErrors),
    rule::CANNOT_DEDUP.moving(Source::ProposalErrors),
    rule::UNALIGNED.moving(Source::RangeIoctls),
    rule::DIFFERS.moving(Source::ProposalErrors),
    rule::OFFSET_UNWRITABLE.moving(Source::Linux612Entry),
];

//! `proposal-2015`: the manual page that came with the proposal of September 2015, whose flags no
//! kernel ever took. It gives no order; this one is the project's.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::flags::Mode;

pub(super) static DIALECT: Dialect = Dialect {
    name: "proposal-2015",
    alias: None,
    about: "the manual page of the proposal of 2015, with COPY_FR_COPY, COPY_FR_REFLINK and COPY_FR_DEDUP",
    modes: &[Mode::Copy, Mode::Reflink, Mode::Dedupe],
    checked_by: CheckedBy::Rules,
    copying: CopyStrategy::Kernel,
    fallback_errors: &[],
    emulation_crosses: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.before(Source::ProposalErrors),
    rule::FD_OUT_CLOSED.before(Source::ProposalErrors),
    rule::NOT_READABLE.before(Source::ProposalErrors),
    rule::NOT_WRITABLE.before(Source::ProposalErrors),
    rule::APPEND.before(Source::Merged),
    rule::OFF_IN_UNREADABLE.before(Source::Merged),
    rule::OFF_OUT_UNREADABLE.before(Source::Merged),
    rule::FLAGS_OF_THE_PROPOSAL.before(Source::ProposalErrors),
    rule::DIRECTORY.before(Source::Since411),
    rule::NOT_REGULAR.before(Source::Since411),
    rule::NEGATIVE_OFFSET.before(Source::Merged),
    rule::PAST_END.before(Source::ProposalErrors),
    rule::CROSS_FILESYSTEM.before(Source::ProposalErrors),
    rule::OVERLAP.before(Source::Since53),
    rule::FILE_SIZE_LIMIT.before(Source::Merged),
    rule::FILESYSTEM_LIMIT.moving(Source::Merged),
    rule::IMMUTABLE.moving(Source::Since53),
    rule::SWAP_FILE.moving(Source::Since53),
    rule::SEALED.moving(Source::Memfd),
    rule::DIRECT.moving(Source::Direct),
    rule::CANNOT_REFLINK.moving(Source::ProposalErrors),
    rule::CANNOT_DEDUP.moving(Source::ProposalErrors),
    rule::UNALIGNED.moving(Source::RangeIoctls),
    rule::DIFFERS.moving(Source::ProposalErrors),
    rule::OFFSET_UNWRITABLE.moving(Source::Carrier),
];

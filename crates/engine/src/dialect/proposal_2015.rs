//! `proposal-2015`: the manual page of the proposal of September 2015, whose flags were never
//! merged. It gives no order of errors; this one is the project's.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::flags::Mode;
use cfr_sys::errno::ErrnoSet;

pub(super) static DIALECT: Dialect = Dialect {
    name: "proposal-2015",
    alias: None,
    about: "the manual page of the 2015 proposal, with COPY_FR_COPY, COPY_FR_REFLINK and COPY_FR_DEDUP",
    modes: &[Mode::Copy, Mode::Reflink, Mode::Dedupe],
    checked_by: CheckedBy::Rules,
    copy_strategy: CopyStrategy::Kernel,
    fallback_errors: ErrnoSet::NONE,
    emulation_crosses_filesystems: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.at_check(Source::ProposalErrors),
    rule::FD_OUT_CLOSED.at_check(Source::ProposalErrors),
    rule::NOT_READABLE.at_check(Source::ProposalErrors),
    rule::NOT_WRITABLE.at_check(Source::ProposalErrors),
    rule::APPEND.at_check(Source::Linux45),
    rule::OFF_IN_UNREADABLE.at_check(Source::Linux45),
    rule::OFF_OUT_UNREADABLE.at_check(Source::Linux45),
    rule::FLAGS_OF_THE_PROPOSAL.at_check(Source::ProposalErrors),
    rule::DIRECTORY.at_check(Source::Linux411),
    rule::NOT_REGULAR.at_check(Source::Linux411),
    rule::NEGATIVE_OFFSET.at_check(Source::Linux45),
    rule::PAST_END.at_check(Source::ProposalErrors),
    rule::CROSS_FILESYSTEM.at_check(Source::ProposalErrors),
    rule::OVERLAP.at_check(Source::Linux53),
    rule::FILE_SIZE_LIMIT.at_check(Source::Linux45),
    rule::FILESYSTEM_LIMIT.at_copy(Source::Linux45),
    rule::IMMUTABLE.at_copy(Source::Linux53),
    rule::SWAP_FILE.at_copy(Source::Linux53),
    rule::SEALED.at_copy(Source::MemfdSealing),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::CANNOT_REFLINK.at_copy(Source::ProposalErrors),
    rule::CANNOT_DEDUPE.at_copy(Source::ProposalErrors),
    rule::UNALIGNED.at_copy(Source::RangeIoctls),
    rule::DIFFERS.at_copy(Source::ProposalErrors),
    rule::OFFSET_UNWRITABLE.at_copy(Source::LinuxCopies),
];

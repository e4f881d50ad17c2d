//! `extended`: Linux 5.19 and later, with the flags of the 2015 proposal.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::flags::Mode;
use cfr_sys::errno::ErrnoSet;

pub(super) static DIALECT: Dialect = Dialect {
    name: "extended",
    alias: None,
    about: "Linux 5.19 and later, with the flags of the 2015 proposal",
    modes: &[Mode::Copy, Mode::Reflink, Mode::Dedupe],
    checked_by: CheckedBy::Kernel,
    copy_strategy: CopyStrategy::Kernel,
    fallback_errors: ErrnoSet::NONE,
    emulation_crosses_filesystems: true,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FD_IN_CLOSED.at_check(Source::Linux612Entry),
    rule::FD_OUT_CLOSED.at_check(Source::Linux612Entry),
    rule::OFF_IN_UNREADABLE.at_check(Source::Linux612Entry),
    rule::OFF_OUT_UNREADABLE.at_check(Source::Linux612Entry),
    rule::FLAGS_OF_THE_PROPOSAL.at_check(Source::Proposal),
    rule::DIRECTORY.at_check(Source::Linux612Modes),
    rule::NOT_REGULAR.at_check(Source::Linux612Modes),
    rule::NOT_READABLE.at_check(Source::Linux612Modes),
    rule::NOT_WRITABLE.at_check(Source::Linux612Modes),
    rule::APPEND.at_check(Source::Linux612Modes),
    rule::CROSS_FILESYSTEM.at_check(Source::Linux612Checks),
    rule::IMMUTABLE.at_check(Source::Linux612Checks),
    rule::SWAP_FILE.at_check(Source::Linux612Checks),
    rule::WRAPS.at_check(Source::Linux612Checks),
    rule::FILE_SIZE_LIMIT.at_check(Source::Linux612Limits),
    rule::FILESYSTEM_LIMIT.at_check(Source::Linux612Limits),
    rule::OVERLAP.at_check(Source::Linux612Checks),
    rule::NEGATIVE_OFFSET.at_check(Source::Linux612Area),
    rule::SEALED.at_copy(Source::MemfdSealing),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::CANNOT_REFLINK.at_copy(Source::ProposalErrors),
    rule::CANNOT_DEDUPE.at_copy(Source::ProposalErrors),
    rule::UNALIGNED.at_copy(Source::RangeIoctls),
    rule::DIFFERS.at_copy(Source::ProposalErrors),
    rule::OFFSET_UNWRITABLE.at_copy(Source::Linux612Entry),
];

//! `freebsd-14`: FreeBSD's manual page of December 2023, in the order of FreeBSD 14's code.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};

pub(super) static DIALECT: Dialect = Dialect {
    name: "freebsd-14",
    alias: Some("freebsd"),
    about: "FreeBSD 13 and 14: copies between any two filesystems, and keeps holes",
    modes: &[],
    checked_by: CheckedBy::Rules,
    copy_strategy: CopyStrategy::KeepHoles,
    fallback_errors: super::freebsd_15::FALLBACK_ERRORS,
    emulation_crosses_filesystems: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::OFF_IN_UNREADABLE.at_check(Source::FreebsdEntry),
    rule::OFF_OUT_UNREADABLE.at_check(Source::FreebsdEntry),
    rule::FLAGS_NOT_ZERO.at_check(Source::PageFreebsd14),
    rule::FD_IN_CLOSED.at_check(Source::Freebsd14Copy),
    rule::NOT_READABLE.at_check(Source::PageFreebsd14),
    rule::FD_OUT_CLOSED.at_check(Source::Freebsd14Copy),
    rule::NOT_WRITABLE.at_check(Source::PageFreebsd14),
    rule::APPEND.at_check(Source::PageFreebsd14),
    rule::NOTHING_ASKED.at_check(Source::Freebsd14Copy),
    rule::OVERLAP_AS_REQUESTED.at_check(Source::PageFreebsd14),
    rule::DIRECTORY.at_check(Source::PageFreebsd14),
    rule::NEGATIVE_OFFSET.at_check(Source::FreebsdVnode),
    rule::NOT_REGULAR.at_check(Source::PageFreebsd14),
    rule::FILE_SIZE_LIMIT.at_check(Source::PageFreebsd14),
    rule::FILESYSTEM_LIMIT.at_copy(Source::PageFreebsd14),
    rule::IMMUTABLE.at_copy(Source::LinuxCopies),
    rule::SWAP_FILE.at_copy(Source::LinuxCopies),
    rule::SEALED.at_copy(Source::LinuxCopies),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::INTEGRITY_CHECKSUM.at_copy(Source::PageFreebsd14),
    rule::INTEGRITY_STRUCTURE.at_copy(Source::PageFreebsd14),
    rule::OFFSET_UNWRITABLE.at_copy(Source::LinuxCopies),
];

//! `freebsd-14`: FreeBSD's manual page of December 2023, in the order of FreeBSD 14's code.

use super::rule::{self, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};

pub(super) static DIALECT: Dialect = Dialect {
    name: "freebsd-14",
    alias: Some("freebsd"),
    about: "FreeBSD 13 and 14: copies between any two filesystems, and holes stay holes",
    modes: &[],
    checked_by: CheckedBy::Rules,
    copying: CopyStrategy::KeepingHoles,
    fallback_errors: super::freebsd_15::GOES_ON_AFTER,
    emulation_crosses: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::OFF_IN_UNREADABLE.before(Source::FreebsdEntry),
    rule::OFF_OUT_UNREADABLE.before(Source::FreebsdEntry),
    rule::FLAGS_NOT_ZERO.before(Source::PageFreebsd14),
    rule::FD_IN_CLOSED.before(Source::Freebsd14Copy),
    rule::NOT_READABLE.before(Source::PageFreebsd14),
    rule::FD_OUT_CLOSED.before(Source::Freebsd14Copy),
    rule::NOT_WRITABLE.before(Source::PageFreebsd14),
    rule::APPEND.before(Source::PageFreebsd14),
    rule::NOTHING_ASKED.before(Source::Freebsd14Copy),
    rule::OVERLAP_AS_ASKED.before(Source::PageFreebsd14),
    rule::DIRECTORY.before(Source::PageFreebsd14),
    rule::NEGATIVE_OFFSET.before(Source::FreebsdVnode),
    rule::NOT_REGULAR.before(Source::PageFreebsd14),
    rule::FILE_SIZE_LIMIT.before(Source::PageFreebsd14),
    rule::FILESYSTEM_LIMIT.moving(Source::PageFreebsd14),
    rule::IMMUTABLE.moving(Source::Carrier),
    rule::SWAP_FILE.moving(Source::Carrier),
    rule::SEALED.moving(Source::Carrier),
    rule::DIRECT.moving(Source::Direct),
    rule::INTEGRITY_CHECKSUM.moving(Source::PageFreebsd14),
    rule::INTEGRITY_STRUCTURE.moving(Source::PageFreebsd14),
    rule::OFFSET_UNWRITABLE.moving(Source::Carrier),
];

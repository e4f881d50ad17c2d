//! `freebsd-15`: FreeBSD 15's code, with COPY_FILE_RANGE_CLONE.

use super::rule::{self, Condition, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::flags::Mode;
use cfr_sys::errno::{Errno, ErrnoSet};
use cfr_sys::{self as sys, FileKind};

/// After these errors of a filesystem FreeBSD's kernel copies through a buffer.
pub(super) const FALLBACK_ERRORS: ErrnoSet =
    ErrnoSet::NONE.with(Errno::EXDEV).with(Errno::EOPNOTSUPP);

pub(super) static DIALECT: Dialect = Dialect {
    name: "freebsd-15",
    alias: None,
    about: "FreeBSD 15: as freebsd-14, with COPY_FILE_RANGE_CLONE and another order of checks",
    modes: &[Mode::Clone],
    checked_by: CheckedBy::Rules,
    copy_strategy: CopyStrategy::KeepHoles,
    fallback_errors: FALLBACK_ERRORS,
    emulation_crosses_filesystems: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::OFF_IN_UNREADABLE.at_check(Source::FreebsdEntry),
    rule::OFF_OUT_UNREADABLE.at_check(Source::FreebsdEntry),
    FLAGS.at_check(Source::PageFreebsd15),
    rule::FD_IN_CLOSED.at_check(Source::Freebsd15Copy),
    FD_IN_NO_VNODE.at_check(Source::Freebsd15Copy),
    rule::FD_OUT_CLOSED.at_check(Source::Freebsd15Copy),
    FD_OUT_NO_VNODE.at_check(Source::Freebsd15Copy),
    SAME_DESCRIPTION.at_check(Source::Freebsd15Copy),
    rule::NOT_READABLE.at_check(Source::PageFreebsd15),
    rule::NOT_WRITABLE.at_check(Source::PageFreebsd15),
    rule::APPEND.at_check(Source::PageFreebsd15),
    rule::NOTHING_ASKED.at_check(Source::Freebsd15Copy),
    rule::NEGATIVE_OFFSET.at_check(Source::Freebsd15Copy),
    rule::OVERLAP_AS_REQUESTED.at_check(Source::PageFreebsd15),
    rule::DIRECTORY.at_check(Source::PageFreebsd15),
    rule::NOT_REGULAR.at_check(Source::FreebsdVnode),
    CANNOT_CLONE.at_copy(Source::PageFreebsd15),
    rule::FILE_SIZE_LIMIT.at_check(Source::PageFreebsd15),
    rule::FILESYSTEM_LIMIT.at_copy(Source::PageFreebsd15),
    rule::IMMUTABLE.at_copy(Source::LinuxCopies),
    rule::SWAP_FILE.at_copy(Source::LinuxCopies),
    rule::SEALED.at_copy(Source::LinuxCopies),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::INTEGRITY_CHECKSUM.at_copy(Source::PageFreebsd15),
    rule::INTEGRITY_STRUCTURE.at_copy(Source::PageFreebsd15),
    rule::OFFSET_UNWRITABLE.at_copy(Source::LinuxCopies),
];

pub(super) const FLAGS: Condition = Condition::new(
    "flags",
    Errno::EINVAL,
    "flags is neither 0 nor COPY_FILE_RANGE_CLONE",
    |facts| !matches!(facts.flags.mode(), Some(Mode::Any | Mode::Clone)),
);

pub(super) const FD_IN_NO_VNODE: Condition = Condition::new(
    "fd-in-no-vnode",
    Errno::EINVAL,
    "fd_in is a pipe, a socket or another file that is in no filesystem",
    |facts| facts.source.is_kind(FileKind::Anonymous),
);

pub(super) const FD_OUT_NO_VNODE: Condition = Condition::new(
    "fd-out-no-vnode",
    Errno::EINVAL,
    "fd_out is a pipe, a socket or another file that is in no filesystem",
    |facts| facts.target.is_kind(FileKind::Anonymous),
);

pub(super) const SAME_DESCRIPTION: Condition = Condition::new(
    "same-description",
    Errno::EINVAL,
    "both offsets are NULL, and both descriptors refer to one open file description",
    |facts| {
        facts.sides().iter().all(|side| side.pointer.is_null())
            && sys::is_same_description(facts.args.fd_in, facts.args.fd_out)
    },
);

pub(super) const CANNOT_CLONE: Condition = Condition::new(
    "cannot-clone",
    Errno::EOPNOTSUPP,
    "the files cannot share blocks, or not in this range",
    |facts| facts.flags.mode() == Some(Mode::Clone),
);

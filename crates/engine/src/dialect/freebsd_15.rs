//! `freebsd-15`: FreeBSD 15's code, with COPY_FILE_RANGE_CLONE.

use super::rule::{self, Condition, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::flags::Mode;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Kind};

/// FreeBSD's kernel has a copy of its own for whatever a filesystem cannot do.
pub(super) const GOES_ON_AFTER: &[Errno] = &[Errno::EXDEV, Errno::EOPNOTSUPP];

pub(super) static DIALECT: Dialect = Dialect {
    name: "freebsd-15",
    alias: None,
    about: "FreeBSD 15: as 14, with COPY_FILE_RANGE_CLONE and checks in another order",
    modes: &[Mode::Clone],
    checked_by: CheckedBy::Rules,
    copying: CopyStrategy::KeepingHoles,
    fallback_errors: GOES_ON_AFTER,
    emulation_crosses: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::OFF_IN_UNREADABLE.before(Source::FreebsdEntry),
    rule::OFF_OUT_UNREADABLE.before(Source::FreebsdEntry),
    FLAGS.before(Source::PageFreebsd15),
    rule::FD_IN_CLOSED.before(Source::Freebsd15Copy),
    FD_IN_NO_VNODE.before(Source::Freebsd15Copy),
    rule::FD_OUT_CLOSED.before(Source::Freebsd15Copy),
    FD_OUT_NO_VNODE.before(Source::Freebsd15Copy),
    SAME_DESCRIPTION.before(Source::Freebsd15Copy),
    rule::NOT_READABLE.before(Source::PageFreebsd15),
    rule::NOT_WRITABLE.before(Source::PageFreebsd15),
    rule::APPEND.before(Source::PageFreebsd15),
    rule::NOTHING_ASKED.before(Source::Freebsd15Copy),
    rule::NEGATIVE_OFFSET.before(Source::Freebsd15Copy),
    rule::OVERLAP_AS_ASKED.before(Source::PageFreebsd15),
    rule::DIRECTORY.before(Source::PageFreebsd15),
    rule::NOT_REGULAR.before(Source::FreebsdVnode),
    CANNOT_CLONE.moving(Source::PageFreebsd15),
    rule::FILE_SIZE_LIMIT.before(Source::PageFreebsd15),
    rule::FILESYSTEM_LIMIT.moving(Source::PageFreebsd15),
    rule::IMMUTABLE.moving(Source::Carrier),
    rule::SWAP_FILE.moving(Source::Carrier),
    rule::SEALED.moving(Source::Carrier),
    rule::DIRECT.moving(Source::Direct),
    rule::INTEGRITY_CHECKSUM.moving(Source::PageFreebsd15),
    rule::INTEGRITY_STRUCTURE.moving(Source::PageFreebsd15),
    rule::OFFSET_UNWRITABLE.moving(Source::Carrier),
];

static FLAGS: Condition = Condition::new(
    "flags",
    Errno::EINVAL,
    "flags is neither 0 nor COPY_FILE_RANGE_CLONE",
    |facts| !matches!(facts.flags.mode(), Some(Mode::Any | Mode::Clone)),
);

static FD_IN_NO_VNODE: Condition = Condition::new(
    "fd-in-no-vnode",
    Errno::EINVAL,
    "fd_in is a pipe, a socket or something else that has no place in a filesystem",
    |facts| facts.source.is(Kind::Unnamed),
);

static FD_OUT_NO_VNODE: Condition = Condition::new(
    "fd-out-no-vnode",
    Errno::EINVAL,
    "fd_out is a pipe, a socket or something else that has no place in a filesystem",
    |facts| facts.target.is(Kind::Unnamed),
);

static SAME_DESCRIPTION: Condition = Condition::new(
    "same-description",
    Errno::EINVAL,
    "both offsets are NULL and both descriptors are one open file description",
    |facts| {
        facts.ends().iter().all(|end| end.pointer.is_null())
            && sys::is_same_description(facts.args.fd_in, facts.args.fd_out)
    },
);

static CANNOT_CLONE: Condition = Condition::new(
    "cannot-clone",
    Errno::EOPNOTSUPP,
    "these files, or this range of them, cannot share blocks",
    |facts| facts.flags.mode() == Some(Mode::Clone),
);

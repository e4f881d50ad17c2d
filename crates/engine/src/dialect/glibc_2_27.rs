//! `glibc-2.27`: the emulation that glibc 2.27 to 2.29 fell back on, with its weaknesses: it
//! compares devices, not filesystems; it expands holes; overlapping ranges smear.

use super::rule::{self, Condition, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::facts::MOST;
use cfr_sys::errno::Errno;

pub(super) static DIALECT: Dialect = Dialect {
    name: "glibc-2.27",
    alias: None,
    about: "the emulation of glibc 2.27 to 2.29, weaknesses included; the kernel's call is not used",
    modes: &[],
    checked_by: CheckedBy::Rules,
    copying: CopyStrategy::InEightKiB,
    fallback_errors: &[],
    emulation_crosses: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FLAGS_NOT_ZERO.before(Source::Glibc227),
    FD_IN_CLOSED.before(Source::Glibc227),
    FD_OUT_CLOSED.before(Source::Glibc227),
    rule::DIRECTORY.before(Source::Glibc227),
    rule::NOT_REGULAR.before(Source::Glibc227),
    CROSS_DEVICE.before(Source::Glibc227),
    rule::APPEND.before(Source::Glibc227),
    rule::NOTHING_ASKED.before(Source::Glibc227),
    rule::OFF_IN_UNREADABLE.before(Source::Crash),
    rule::OFF_OUT_UNREADABLE.before(Source::Crash),
    rule::NOT_READABLE.moving(Source::ReadAndWrite),
    rule::NOT_WRITABLE.moving(Source::ReadAndWrite),
    rule::NEGATIVE_OFFSET.moving(Source::ReadAndWrite),
    MAXIMUM_OFFSET.moving(Source::ReadAndWrite),
    rule::FILE_SIZE_LIMIT.moving(Source::ReadAndWrite),
    rule::FILESYSTEM_LIMIT.moving(Source::ReadAndWrite),
    rule::SWAP_FILE.moving(Source::ReadAndWrite),
    rule::IMMUTABLE.moving(Source::ReadAndWrite),
    rule::SEALED.moving(Source::ReadAndWrite),
    rule::DIRECT.moving(Source::Direct),
    rule::OFFSET_UNWRITABLE.moving(Source::Carrier),
];

/// fstat(2) takes an `O_PATH` descriptor, and that is all that is asked here.
static FD_IN_CLOSED: Condition =
    Condition::new("fd-in-closed", Errno::EBADF, "fd_in is no open descriptor", |facts| {
        facts.source.stat().is_err()
    });

static FD_OUT_CLOSED: Condition =
    Condition::new("fd-out-closed", Errno::EBADF, "fd_out is no open descriptor", |facts| {
        facts.target.stat().is_err()
    });

static CROSS_DEVICE: Condition = Condition::new(
    "cross-device",
    Errno::EXDEV,
    "the files have different device numbers",
    |facts| facts.are_devices_different(),
);

static MAXIMUM_OFFSET: Condition = Condition::new(
    "maximum-offset",
    Errno::EINVAL,
    "an offset and what is read or written there are more than an offset holds",
    |facts| {
        let starts = facts.ends().map(|end| end.start().unwrap_or(0).max(0).cast_unsigned());
        starts.iter().any(|start| facts.asked() > MOST - start)
    },
);

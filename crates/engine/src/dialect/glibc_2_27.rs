//! `glibc-2.27`: the emulation in glibc 2.27 to 2.29 with its defects: it compares devices, not
//! filesystems; it fills holes; a copy between overlapping ranges corrupts data.

use super::rule::{self, Condition, Rule};
use super::{CheckedBy, CopyStrategy, Dialect, Source};
use crate::facts::MAX_OFFSET;
use cfr_sys::errno::{Errno, ErrnoSet};

pub(super) static DIALECT: Dialect = Dialect {
    name: "glibc-2.27",
    alias: None,
    about: "the emulation of glibc 2.27 to 2.29 with its defects; the kernel's call is not used",
    modes: &[],
    checked_by: CheckedBy::Rules,
    copy_strategy: CopyStrategy::ReadWrite8KiB,
    fallback_errors: ErrnoSet::NONE,
    emulation_crosses_filesystems: false,
    rules: RULES,
};

const RULES: &[Rule] = &[
    rule::FLAGS_NOT_ZERO.at_check(Source::Glibc227),
    FD_IN_CLOSED.at_check(Source::Glibc227),
    FD_OUT_CLOSED.at_check(Source::Glibc227),
    rule::DIRECTORY.at_check(Source::Glibc227),
    rule::NOT_REGULAR.at_check(Source::Glibc227),
    CROSS_DEVICE.at_check(Source::Glibc227),
    rule::APPEND.at_check(Source::Glibc227),
    rule::NOTHING_ASKED.at_check(Source::Glibc227),
    rule::OFF_IN_UNREADABLE.at_check(Source::OriginalCrashes),
    rule::OFF_OUT_UNREADABLE.at_check(Source::OriginalCrashes),
    rule::NOT_READABLE.at_copy(Source::ReadAndWrite),
    rule::NOT_WRITABLE.at_copy(Source::ReadAndWrite),
    rule::NEGATIVE_OFFSET.at_copy(Source::ReadAndWrite),
    MAXIMUM_OFFSET.at_copy(Source::ReadAndWrite),
    rule::FILE_SIZE_LIMIT.at_copy(Source::ReadAndWrite),
    rule::FILESYSTEM_LIMIT.at_copy(Source::ReadAndWrite),
    rule::SWAP_FILE.at_copy(Source::ReadAndWrite),
    rule::IMMUTABLE.at_copy(Source::ReadAndWrite),
    rule::SEALED.at_copy(Source::ReadAndWrite),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::OFFSET_UNWRITABLE.at_copy(Source::LinuxCopies),
];

/// glibc checks descriptors by fstat(2), which accepts `O_PATH`.
pub(super) const FD_IN_CLOSED: Condition =
    Condition::new("fd-in-closed", Errno::EBADF, "fd_in is not open", |facts| {
        facts.source.stat().is_err()
    });

pub(super) const FD_OUT_CLOSED: Condition =
    Condition::new("fd-out-closed", Errno::EBADF, "fd_out is not open", |facts| {
        facts.target.stat().is_err()
    });

pub(super) const CROSS_DEVICE: Condition = Condition::new(
    "cross-device",
    Errno::EXDEV,
    "the files have different device numbers",
    |facts| facts.are_devices_different(),
);

pub(super) const MAXIMUM_OFFSET: Condition = Condition::new(
    "maximum-offset",
    Errno::EINVAL,
    "off_in + len or off_out + len exceeds the largest offset",
    |facts| {
        let starts =
            facts.sides().map(|side| side.start_offset().unwrap_or(0).max(0).cast_unsigned());
        starts.iter().any(|start| facts.requested_len() > MAX_OFFSET - start)
    },
);

//! A rule: a condition, the result of a call that meets it, and the source that says so.
//!
//! This file has the conditions that several dialects share; each dialect orders them and names its
//! own source.

use super::{CONDITIONS, Source};
use crate::facts::{Facts, MAX_OFFSET, Side};
use crate::flags::Mode;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, FileKind};
use core::ops::Deref;

/// The result of a call that meets a rule's condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    Refuse(Errno),
    /// An error, and a signal to the calling thread.
    RefuseAndRaise(Errno, i32),
    /// Success with 0 bytes; later rules are not evaluated.
    ReturnZero,
}

impl Ruling {
    /// Returns the error, if the ruling is one.
    #[must_use]
    pub const fn errno(self) -> Option<Errno> {
        match self {
            Ruling::Refuse(errno) | Ruling::RefuseAndRaise(errno, _) => Some(errno),
            Ruling::ReturnZero => None,
        }
    }
}

/// When a rule is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Before bytes move.
    Check,
    /// By the kernel or the emulation while bytes move; the rule only explains the error.
    Copy,
}

/// A property of a call that decides its result.
#[derive(Debug)]
pub struct Condition {
    /// Its name in the log, in tests and on the command line.
    pub id: &'static str,
    pub ruling: Ruling,
    /// The condition in words, without a full stop.
    pub why: &'static str,
    /// Reports whether a call meets the condition. `None` if the error alone shows that it does.
    pub(super) test: Option<fn(&Facts<'_>) -> bool>,
}

impl Condition {
    /// Creates a condition that refuses a call.
    pub(super) const fn new(
        id: &'static str,
        errno: Errno,
        why: &'static str,
        test: fn(&Facts<'_>) -> bool,
    ) -> Condition {
        Condition { id, ruling: Ruling::Refuse(errno), why, test: Some(test) }
    }

    /// Creates a condition that an error shows: it explains that error of the kernel's.
    pub(super) const fn of_error(id: &'static str, errno: Errno, why: &'static str) -> Condition {
        Condition { id, ruling: Ruling::Refuse(errno), why, test: None }
    }

    /// Reports whether a call meets the condition.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.test.is_none_or(|test| test(facts))
    }

    /// Creates the rule that evaluates this condition before bytes move.
    pub(super) const fn at_check(&self, source: Source) -> Rule {
        Rule { condition: self.index(), source, phase: Phase::Check }
    }

    /// Creates the rule that explains an error of the copy by this condition.
    pub(super) const fn at_copy(&self, source: Source) -> Rule {
        Rule { condition: self.index(), source, phase: Phase::Copy }
    }

    /// Returns its index in the table of all. A condition that is not there does not compile.
    const fn index(&self) -> u8 {
        let (mut index, mut rest) = (0, CONDITIONS.as_slice());
        while let [first, others @ ..] = rest {
            if are_equal(self.id, first.id)
                && are_equal(self.why, first.why)
                && self.test.is_some() == first.test.is_some()
            {
                return index;
            }
            index += 1;
            rest = others;
        }
        assert!(!rest.is_empty(), "the condition is missing from CONDITIONS");
        0
    }
}

const fn are_equal(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let ([first, one_rest @ ..], [second, other_rest @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

/// One row of a dialect.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The index of its condition in the table of all.
    condition: u8,
    /// The document or code that states it.
    pub source: Source,
    pub phase: Phase,
}

impl Deref for Rule {
    type Target = Condition;

    fn deref(&self) -> &Condition {
        CONDITIONS.get(usize::from(self.condition)).unwrap_or(&CONDITIONS[0])
    }
}

/// Linux does not accept a descriptor that is open with `O_PATH` (open(2)).
pub(super) const FD_IN_CLOSED: Condition = Condition::new(
    "fd-in-closed",
    Errno::EBADF,
    "fd_in is not open, or open with O_PATH only",
    |facts| facts.source.open_flags() == Err(Errno::EBADF),
);

pub(super) const FD_OUT_CLOSED: Condition = Condition::new(
    "fd-out-closed",
    Errno::EBADF,
    "fd_out is not open, or open with O_PATH only",
    |facts| facts.target.open_flags() == Err(Errno::EBADF),
);

pub(super) const OFF_IN_UNREADABLE: Condition = Condition::new(
    "off-in-unreadable",
    Errno::EFAULT,
    "off_in points to memory that is not readable",
    |facts| !facts.source.pointer.is_null() && facts.source.start_offset().is_err(),
);

pub(super) const OFF_OUT_UNREADABLE: Condition = Condition::new(
    "off-out-unreadable",
    Errno::EFAULT,
    "off_out points to memory that is not readable",
    |facts| !facts.target.pointer.is_null() && facts.target.start_offset().is_err(),
);

/// A copy that fails with EFAULT after the two conditions above have passed has this reason.
pub(super) const OFFSET_UNWRITABLE: Condition = Condition::of_error(
    "offset-unwritable",
    Errno::EFAULT,
    "the bytes were copied, but off_in or off_out points to memory that is not writable",
);

pub(super) const FLAGS_NOT_ZERO: Condition =
    Condition::new("flags", Errno::EINVAL, "flags is not 0", |facts| facts.flags.0 != 0);

/// The proposal allows one flag at a time.
pub(super) const FLAGS_OF_THE_PROPOSAL: Condition = Condition::new(
    "flags",
    Errno::EINVAL,
    "flags is not 0, COPY_FR_COPY, COPY_FR_REFLINK or COPY_FR_DEDUP",
    |facts| matches!(facts.flags.mode(), None | Some(Mode::Clone)),
);

pub(super) const DIRECTORY: Condition =
    Condition::new("directory", Errno::EISDIR, "one of the files is a directory", |facts| {
        facts.sides().iter().any(|side| side.is_kind(FileKind::Directory))
    });

pub(super) const NOT_REGULAR: Condition = Condition::new(
    "not-regular",
    Errno::EINVAL,
    "one of the files is not a regular file",
    |facts| {
        facts
            .sides()
            .iter()
            .any(|side| side.stat().is_ok_and(|stat| stat.kind != FileKind::Regular))
    },
);

pub(super) const NOT_READABLE: Condition =
    Condition::new("not-readable", Errno::EBADF, "fd_in is not open for reading", |facts| {
        facts
            .source
            .open_flags()
            .map_or_else(|errno| errno == Errno::EBADF, |open_flags| !open_flags.readable)
    });

pub(super) const NOT_WRITABLE: Condition =
    Condition::new("not-writable", Errno::EBADF, "fd_out is not open for writing", |facts| {
        facts
            .target
            .open_flags()
            .map_or_else(|errno| errno == Errno::EBADF, |open_flags| !open_flags.writable)
    });

pub(super) const APPEND: Condition =
    Condition::new("append", Errno::EBADF, "fd_out is open with O_APPEND", |facts| {
        facts.target.open_flags().is_ok_and(|open_flags| open_flags.append)
    });

pub(super) const CROSS_FILESYSTEM: Condition = Condition::new(
    "cross-filesystem",
    Errno::EXDEV,
    "the files are on different filesystems, and the kernel does not copy between them",
    |facts| facts.are_filesystems_different(),
);

pub(super) const IMMUTABLE: Condition =
    Condition::new("immutable", Errno::EPERM, "the target is immutable (chattr +i)", |facts| {
        facts.is_target_immutable()
    });

pub(super) const SWAP_FILE: Condition =
    Condition::new("swap-file", Errno::ETXTBSY, "one of the files is active swap space", |facts| {
        facts.is_swap_file()
    });

/// As in the kernel, a negative offset is a large unsigned one.
pub(super) const WRAPS: Condition =
    Condition::new("wraps", Errno::EOVERFLOW, "offset + len exceeds 64 bits", |facts| {
        facts.start_offsets().is_some_and(|(off_in, off_out)| {
            [off_in, off_out]
                .iter()
                .any(|start| start.cast_unsigned().checked_add(facts.requested_len()).is_none())
        })
    });

pub(super) const NEGATIVE_OFFSET: Condition =
    Condition::new("negative-offset", Errno::EINVAL, "an offset is negative", |facts| {
        facts.sides().iter().any(|side| side.start_offset().is_ok_and(|start| start < 0))
    });

/// The manual pages of 2015 and 2018 say EINVAL; kernels copy up to the end of the source.
pub(super) const PAST_END: Condition = Condition::new(
    "past-end",
    Errno::EINVAL,
    "the range extends beyond the end of the source",
    |facts| facts.source.is_beyond_end(facts.requested_len()),
);

/// The signal of a write beyond RLIMIT_FSIZE (setrlimit(2)).
pub const FILE_SIZE_SIGNAL: i32 = cfr_sys::SIGXFSZ;

pub(super) const FILE_SIZE_LIMIT: Condition = Condition {
    ruling: Ruling::RefuseAndRaise(Errno::EFBIG, FILE_SIZE_SIGNAL),
    ..Condition::new(
        "file-size-limit",
        Errno::EFBIG,
        "the target's range begins at or beyond RLIMIT_FSIZE",
        |facts| {
            let start =
                facts.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
            start.is_some_and(|start| start >= facts.file_size_limit())
        },
    )
};

pub(super) const FILESYSTEM_LIMIT: Condition = Condition::new(
    "filesystem-limit",
    Errno::EFBIG,
    "the target's range begins at or beyond the largest file size of its filesystem",
    |facts| {
        let start = facts.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        start.is_some_and(|start| sys::is_beyond_filesystem(facts.args.fd_out, start))
    },
);

/// Linux compares the ranges that it would copy. The first comparison is cheap and rules most calls
/// out.
pub(super) const OVERLAP: Condition = Condition::new(
    "overlap",
    Errno::EINVAL,
    "source and target are one file, and the ranges that would be copied overlap",
    |facts| {
        facts.do_ranges_overlap(facts.requested_len())
            && facts.do_ranges_overlap(facts.clamp_to_source())
    },
);

/// FreeBSD compares the ranges that were requested.
pub(super) const OVERLAP_AS_REQUESTED: Condition = Condition::new(
    "overlap",
    Errno::EINVAL,
    "source and target are one file, and the requested ranges overlap",
    |facts| facts.do_ranges_overlap(facts.requested_len().min(MAX_OFFSET)),
);

pub(super) const SEALED: Condition = Condition::new(
    "sealed",
    Errno::EPERM,
    "the target is a memory file with a seal that forbids the write",
    |facts| {
        let seals = sys::seals(facts.args.fd_out);
        let size = facts.target.stat().map_or(0, |stat| stat.size);
        let end = facts
            .target
            .start_offset()
            .unwrap_or(0)
            .cast_unsigned()
            .saturating_add(facts.clamp_to_source());
        seals.write || seals.grow && end > size
    },
);

/// The smallest sector in bytes (open(2), "O_DIRECT").
const SECTOR: u64 = 512;

pub(super) const DIRECT: Condition = Condition::new(
    "direct",
    Errno::EINVAL,
    "a file is open with O_DIRECT, and the range is not aligned to sectors",
    |facts| {
        let goes_by_sectors = |start: i64| start.cast_unsigned().is_multiple_of(SECTOR);
        let starts = facts.sides().map(|side| side.start_offset().unwrap_or(0));
        let is_direct =
            |end: &&Side<'_>| end.open_flags().is_ok_and(|open_flags| open_flags.direct);
        facts.sides().iter().any(is_direct)
            && !(starts.into_iter().all(goes_by_sectors)
                && facts.clamp_to_source().is_multiple_of(SECTOR))
    },
);

/// The ioctls fail with EINVAL; with flags 0 the kernel copies instead.
pub(super) const UNALIGNED: Condition = Condition::new(
    "unaligned",
    Errno::EINVAL,
    "the range is not aligned to the filesystem's blocks",
    |facts| {
        matches!(facts.flags.mode(), Some(Mode::Reflink | Mode::Dedupe))
            && !facts.is_block_aligned()
    },
);

pub(super) const CANNOT_REFLINK: Condition = Condition::new(
    "cannot-reflink",
    Errno::EOPNOTSUPP,
    "the filesystem cannot share blocks, or not between these files",
    |facts| facts.flags.mode() == Some(Mode::Reflink),
);

pub(super) const CANNOT_DEDUPE: Condition = Condition::new(
    "cannot-dedupe",
    Errno::EOPNOTSUPP,
    "the filesystem cannot deduplicate",
    |facts| facts.flags.mode() == Some(Mode::Dedupe),
);

pub(super) const DIFFERS: Condition =
    Condition::new("differs", Errno::EILSEQ, "the ranges are not identical", |facts| {
        facts.flags.mode() == Some(Mode::Dedupe)
    });

/// Linux has no EINTEGRITY: btrfs and ext4 return EBADMSG for a checksum that does not match.
pub(super) const INTEGRITY_CHECKSUM: Condition = Condition::of_error(
    "EINTEGRITY",
    Errno::EBADMSG,
    "corrupted data were detected; FreeBSD returns EINTEGRITY",
);

/// Linux has no EINTEGRITY: xfs returns EUCLEAN for a damaged filesystem structure.
pub(super) const INTEGRITY_STRUCTURE: Condition = Condition::of_error(
    "EINTEGRITY-structure",
    Errno::EUCLEAN,
    "a damaged filesystem was detected; FreeBSD returns EINTEGRITY",
);

/// FreeBSD, Linux 4.18 and glibc 2.27 return 0 here, before they check the rest.
pub(super) const NOTHING_ASKED: Condition = Condition {
    ruling: Ruling::ReturnZero,
    ..Condition::new("nothing-asked", Errno::EINVAL, "len is 0, so nothing is copied", |facts| {
        facts.requested_len() == 0
    })
};

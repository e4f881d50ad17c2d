//! A rule: a condition of a call, what the call is answered where it holds, and who says so.
//!
//! The rules here are what several dialects have in common; each dialect puts them in its own
//! order and names its own source.

use super::Source;
use crate::facts::{Facts, MAX_OFFSET, Side};
use crate::flags::Mode;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, FileKind};
use core::ops::Deref;

/// What a call is answered for which the rule's condition holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// An error.
    Refuse(Errno),
    /// An error, and a signal to the calling thread.
    RefuseAndRaise(Errno, i32),
    /// 0: there is nothing to copy, and what the rules behind it ask for does not matter.
    ReturnZero,
}

impl Ruling {
    /// The error, where it is one.
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
    /// Before anything moves.
    Check,
    /// By whoever moves the bytes, kernel or emulation: the rule only says what its error means.
    Copy,
}

/// What may be wrong with a call, or special about it.
#[derive(Debug)]
pub struct Condition {
    /// Its name in the log, in tests and on the command line.
    pub id: &'static str,
    /// What a call is answered for which it holds.
    pub ruling: Ruling,
    /// It as one sentence, without its full stop.
    pub why: &'static str,
    /// Whether it holds.
    pub holds: fn(&Facts<'_>) -> bool,
}

impl Condition {
    /// One for which a call is refused.
    pub(super) const fn new(
        id: &'static str,
        errno: Errno,
        why: &'static str,
        holds: fn(&Facts<'_>) -> bool,
    ) -> Condition {
        Condition { id, ruling: Ruling::Refuse(errno), why, holds }
    }

    /// A rule that this is looked at before anything moves.
    pub(super) const fn at_check(&'static self, source: Source) -> Rule {
        Rule { condition: self, source, phase: Phase::Check }
    }

    /// A rule that this is left to whoever moves the bytes.
    pub(super) const fn at_copy(&'static self, source: Source) -> Rule {
        Rule { condition: self, source, phase: Phase::Copy }
    }
}

/// One row of a dialect: a condition, with what it says of it.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    condition: &'static Condition,
    /// Where the dialect has it from.
    pub source: Source,
    /// When it is evaluated.
    pub phase: Phase,
}

impl Deref for Rule {
    type Target = Condition;

    fn deref(&self) -> &Condition {
        self.condition
    }
}

/// An open descriptor is needed; Linux takes none that is open with `O_PATH` only (open(2)).
pub(super) static FD_IN_CLOSED: Condition = Condition::new(
    "fd-in-closed",
    Errno::EBADF,
    "fd_in is no open descriptor, or open with O_PATH only",
    |facts| facts.source.open_flags() == Err(Errno::EBADF),
);

pub(super) static FD_OUT_CLOSED: Condition = Condition::new(
    "fd-out-closed",
    Errno::EBADF,
    "fd_out is no open descriptor, or open with O_PATH only",
    |facts| facts.target.open_flags() == Err(Errno::EBADF),
);

pub(super) static OFF_IN_UNREADABLE: Condition = Condition::new(
    "off-in-unreadable",
    Errno::EFAULT,
    "off_in points to memory that cannot be read",
    |facts| !facts.source.pointer.is_null() && facts.source.start_offset().is_err(),
);

pub(super) static OFF_OUT_UNREADABLE: Condition = Condition::new(
    "off-out-unreadable",
    Errno::EFAULT,
    "off_out points to memory that cannot be read",
    |facts| !facts.target.pointer.is_null() && facts.target.start_offset().is_err(),
);

/// Behind the two before it: what else can be wrong with a pointer.
pub(super) static OFFSET_UNWRITABLE: Condition = Condition::new(
    "offset-unwritable",
    Errno::EFAULT,
    "the bytes were copied, but off_in or off_out points to memory that cannot be written",
    |_| true,
);

pub(super) static FLAGS_NOT_ZERO: Condition =
    Condition::new("flags", Errno::EINVAL, "flags is not 0", |facts| facts.flags.0 != 0);

/// The 2015 proposal's flags, one at a time.
pub(super) static FLAGS_OF_THE_PROPOSAL: Condition = Condition::new(
    "flags",
    Errno::EINVAL,
    "flags is neither 0 nor one of COPY_FR_COPY, COPY_FR_REFLINK and COPY_FR_DEDUP",
    |facts| matches!(facts.flags.mode(), None | Some(Mode::Clone)),
);

pub(super) static DIRECTORY: Condition = Condition::new(
    "directory",
    Errno::EISDIR,
    "one of the descriptors is of a directory",
    |facts| facts.sides().iter().any(|side| side.is(FileKind::Directory)),
);

pub(super) static NOT_REGULAR: Condition = Condition::new(
    "not-regular",
    Errno::EINVAL,
    "one of the descriptors is of something other than a regular file",
    |facts| {
        facts
            .sides()
            .iter()
            .any(|side| side.stat().is_ok_and(|stat| stat.kind != FileKind::Regular))
    },
);

pub(super) static NOT_READABLE: Condition =
    Condition::new("not-readable", Errno::EBADF, "fd_in is not open for reading", |facts| {
        facts
            .source
            .open_flags()
            .map_or_else(|errno| errno == Errno::EBADF, |open_flags| !open_flags.readable)
    });

pub(super) static NOT_WRITABLE: Condition =
    Condition::new("not-writable", Errno::EBADF, "fd_out is not open for writing", |facts| {
        facts
            .target
            .open_flags()
            .map_or_else(|errno| errno == Errno::EBADF, |open_flags| !open_flags.writable)
    });

pub(super) static APPEND: Condition =
    Condition::new("append", Errno::EBADF, "fd_out is open with O_APPEND", |facts| {
        facts.target.open_flags().is_ok_and(|open_flags| open_flags.append)
    });

pub(super) static CROSS_FILESYSTEM: Condition = Condition::new(
    "cross-filesystem",
    Errno::EXDEV,
    "the files are on two filesystems, and the kernel does not copy between these",
    |facts| facts.are_filesystems_different(),
);

pub(super) static IMMUTABLE: Condition =
    Condition::new("immutable", Errno::EPERM, "the target is immutable (chattr +i)", |facts| {
        facts.is_target_immutable()
    });

pub(super) static SWAP_FILE: Condition = Condition::new(
    "swap-file",
    Errno::ETXTBSY,
    "one of the files is in use as swap space",
    |facts| facts.is_swap_file(),
);

/// A negative offset counts as a very large one here.
pub(super) static WRAPS: Condition = Condition::new(
    "wraps",
    Errno::EOVERFLOW,
    "offset and len add up to more than 64 bits hold",
    |facts| {
        facts.start_offsets().is_some_and(|(off_in, off_out)| {
            [off_in, off_out]
                .iter()
                .any(|start| start.cast_unsigned().checked_add(facts.requested_len()).is_none())
        })
    },
);

pub(super) static NEGATIVE_OFFSET: Condition =
    Condition::new("negative-offset", Errno::EINVAL, "an offset is negative", |facts| {
        facts.sides().iter().any(|side| side.start_offset().is_ok_and(|start| start < 0))
    });

/// The 2015 and 2018 pages' rule; kernels copy what there is.
pub(super) static PAST_END: Condition =
    Condition::new("past-end", Errno::EINVAL, "the source sides before the range does", |facts| {
        let start = facts.source.start_offset().unwrap_or(0).cast_unsigned();
        let size = facts.source.stat().map_or(u64::MAX, |stat| stat.size);
        start.checked_add(facts.requested_len()).is_none_or(|end| end > size)
    });

/// What a thread gets that would write behind the limit (setrlimit(2), `RLIMIT_FSIZE`).
pub const FILE_SIZE_SIGNAL: i32 = cfr_sys::SIGXFSZ;

pub(super) static FILE_SIZE_LIMIT: Condition = Condition {
    ruling: Ruling::RefuseAndRaise(Errno::EFBIG, FILE_SIZE_SIGNAL),
    ..Condition::new(
        "file-size-limit",
        Errno::EFBIG,
        "the target's range begins at or behind the process's limit on file sizes (RLIMIT_FSIZE)",
        |facts| {
            let start =
                facts.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
            start.is_some_and(|start| start >= facts.file_size_limit())
        },
    )
};

pub(super) static FILESYSTEM_LIMIT: Condition = Condition::new(
    "filesystem-limit",
    Errno::EFBIG,
    "the target's range begins at or behind the largest size of a file on its filesystem",
    |facts| {
        let start = facts.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        start.is_some_and(|start| sys::is_beyond_filesystem(facts.args.fd_out, start))
    },
);

/// Linux compares what will really be copied; most ranges are apart whatever that is.
pub(super) static OVERLAP: Condition = Condition::new(
    "overlap",
    Errno::EINVAL,
    "source and target are one file, and what would be copied overlaps where it would go",
    |facts| {
        facts.do_ranges_overlap(facts.requested_len())
            && facts.do_ranges_overlap(facts.clamp_to_source())
    },
);

/// FreeBSD compares what was asked for.
pub(super) static OVERLAP_AS_ASKED: Condition = Condition::new(
    "overlap",
    Errno::EINVAL,
    "source and target are one file, and the ranges asked for overlap",
    |facts| facts.do_ranges_overlap(facts.requested_len().min(MAX_OFFSET)),
);

pub(super) static SEALED: Condition = Condition::new(
    "sealed",
    Errno::EPERM,
    "the target is a memory file that is sealed against this",
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

/// No sector is smaller than this (open(2), "O_DIRECT").
const SECTOR: u64 = 512;

pub(super) static DIRECT: Condition = Condition::new(
    "direct",
    Errno::EINVAL,
    "a file is open with O_DIRECT, and the range does not go by the sectors of its device",
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

/// Ioctls say EINVAL of this; at flags 0 it is only a reason to copy.
pub(super) static UNALIGNED: Condition = Condition::new(
    "unaligned",
    Errno::EINVAL,
    "the range does not begin and end at block boundaries of the filesystem",
    |facts| {
        matches!(facts.flags.mode(), Some(Mode::Reflink | Mode::Dedupe))
            && !facts.is_block_aligned()
    },
);

pub(super) static CANNOT_REFLINK: Condition = Condition::new(
    "cannot-reflink",
    Errno::EOPNOTSUPP,
    "this filesystem cannot share blocks between files, or not those of these two",
    |facts| facts.flags.mode() == Some(Mode::Reflink),
);

pub(super) static CANNOT_DEDUP: Condition = Condition::new(
    "cannot-dedupe",
    Errno::EOPNOTSUPP,
    "this filesystem cannot share the blocks of identical ranges",
    |facts| facts.flags.mode() == Some(Mode::Dedupe),
);

pub(super) static DIFFERS: Condition = Condition::new(
    "differs",
    Errno::EILSEQ,
    "the contents of the two ranges are not identical",
    |facts| facts.flags.mode() == Some(Mode::Dedupe),
);

/// FreeBSD's EINTEGRITY has no number here: a checksum that does not match is EBADMSG, as btrfs and
/// ext4 have it.
pub(super) static INTEGRITY_CHECKSUM: Condition = Condition::new(
    "EINTEGRITY",
    Errno::EBADMSG,
    "corrupted data was detected; FreeBSD calls it EINTEGRITY",
    |_| true,
);

/// The same where a filesystem's own structure is damaged: EUCLEAN, as xfs has it.
pub(super) static INTEGRITY_STRUCTURE: Condition = Condition::new(
    "EINTEGRITY-structure",
    Errno::EUCLEAN,
    "a damaged filesystem was detected; FreeBSD calls it EINTEGRITY",
    |_| true,
);

/// len 0: what is answered before later rules are looked at.
pub(super) static NOTHING_ASKED: Condition = Condition {
    ruling: Ruling::ReturnZero,
    ..Condition::new(
        "nothing-asked",
        Errno::EINVAL,
        "len is 0: there is nothing to copy",
        |facts| facts.requested_len() == 0,
    )
};

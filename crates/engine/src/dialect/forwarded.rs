//! The calls that only the kernel carries out, the ioctls that share blocks and sendfile(2): what it
//! checks. Their rules are Linux's in every dialect. They explain a result and never decide one.

use super::rule::{self, Condition, Rule, Ruling};
use super::source::Source;
use crate::call::{Call, DedupeTarget, Offset, Request};
use crate::facts::{Facts, MAX_OFFSET};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, FileKind, OffsetPointer};
use core::ptr;

/// The rules of the calls of one kind.
#[derive(Debug)]
pub struct ForwardedCalls {
    /// The name of the system call or of the ioctl requests.
    pub name: &'static str,
    /// One line that says what they do.
    pub about: &'static str,
    /// In the order in which the kernel checks.
    pub rules: &'static [Rule],
}

impl ForwardedCalls {
    /// Returns the calls with this name, or with it among their names, whatever its case.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<&'static ForwardedCalls> {
        let has_name = |calls: &&ForwardedCalls| {
            calls.name.split(", ").any(|one| one.as_bytes().eq_ignore_ascii_case(name))
        };
        FORWARDED.iter().find(has_name)
    }
}

/// All of them, in the order of the documentation.
pub static FORWARDED: [ForwardedCalls; 3] = [
    ForwardedCalls { name: "FICLONE, FICLONERANGE", about: "reflinks, by ioctl(2)", rules: CLONE },
    ForwardedCalls {
        name: "FIDEDUPERANGE",
        about: "deduplication, by ioctl(2); an error may be that of a target (status)",
        rules: DEDUPE,
    },
    ForwardedCalls {
        name: "sendfile",
        about: "sendfile(2) to a regular file or a block device",
        rules: SEND,
    },
];

const CLONE: &[Rule] = &[
    rule::FD_OUT_CLOSED.at_copy(Source::Linux612CloneIoctl),
    ARGUMENT_UNREADABLE.at_copy(Source::Linux612CloneIoctl),
    rule::FD_IN_CLOSED.at_copy(Source::Linux612CloneIoctl),
    OTHER_FILESYSTEM.at_copy(Source::Linux612Clone),
    rule::DIRECTORY.at_copy(Source::Linux612Modes),
    rule::NOT_REGULAR.at_copy(Source::Linux612Modes),
    rule::NOT_READABLE.at_copy(Source::Linux612Modes),
    rule::NOT_WRITABLE.at_copy(Source::Linux612Modes),
    rule::APPEND.at_copy(Source::Linux612Modes),
    CANNOT_REFLINK.at_copy(Source::Linux612Clone),
    RANGE_LIMIT.at_copy(Source::Linux612RemapArea),
    READ_ONLY.at_copy(Source::Linux612BtrfsRemap),
    NOCOW.at_copy(Source::Linux612BtrfsRemap),
    rule::IMMUTABLE.at_copy(Source::Linux612RemapPrep),
    rule::SWAP_FILE.at_copy(Source::Linux612RemapPrep),
    rule::PAST_END.at_copy(Source::Linux612RemapChecks),
    rule::FILE_SIZE_LIMIT.at_copy(Source::Linux612Limits),
    rule::OVERLAP.at_copy(Source::Linux612RemapChecks),
    UNALIGNED.at_copy(Source::Linux612RemapChecks),
];

const DEDUPE: &[Rule] = &[
    rule::FD_IN_CLOSED.at_copy(Source::Linux612DedupeIoctl),
    ARGUMENT_UNREADABLE.at_copy(Source::Linux612DedupeIoctl),
    TOO_MANY_TARGETS.at_copy(Source::Linux612DedupeIoctl),
    SOURCE_NOT_READABLE.at_copy(Source::Linux612Dedupe),
    rule::DIRECTORY.at_copy(Source::Linux612Dedupe),
    rule::NOT_REGULAR.at_copy(Source::Linux612Dedupe),
    CANNOT_DEDUPE.at_copy(Source::Linux612Dedupe),
    RANGE_LIMIT.at_copy(Source::Linux612RemapArea),
    rule::FD_OUT_CLOSED.at_copy(Source::Linux612Dedupe),
    READ_ONLY.at_copy(Source::Linux612DedupeOne),
    rule::IMMUTABLE.at_copy(Source::Linux612RemapPrep),
    NOT_PERMITTED.at_copy(Source::Linux612DedupeOne),
    OTHER_FILESYSTEM.at_copy(Source::Linux612DedupeOne),
    NOCOW.at_copy(Source::Linux612BtrfsRemap),
    rule::SWAP_FILE.at_copy(Source::Linux612RemapPrep),
    PAST_EITHER_END.at_copy(Source::Linux612RemapChecks),
    STARTS_UNALIGNED.at_copy(Source::Linux612RemapChecks),
    rule::OVERLAP.at_copy(Source::Linux612RemapChecks),
    NOTHING_COMPARED.at_copy(Source::Linux612RemapChecks),
    TAIL_NOT_COMPARED.at_copy(Source::Linux612RemapChecks),
];

const SEND: &[Rule] = &[
    rule::OFF_IN_UNREADABLE.at_copy(Source::Linux612SendEntry),
    rule::FD_IN_CLOSED.at_copy(Source::Linux612Send),
    rule::NOT_READABLE.at_copy(Source::Linux612Send),
    NO_POSITIONS.at_copy(Source::Linux612Send),
    RANGE_LIMIT.at_copy(Source::Linux612Area),
    rule::FD_OUT_CLOSED.at_copy(Source::Linux612Send),
    rule::NOT_WRITABLE.at_copy(Source::Linux612Send),
    BEYOND_FILESYSTEM.at_copy(Source::Linux612Send),
    APPEND.at_copy(Source::Linux612Splice),
    NOT_SEEKABLE.at_copy(Source::Linux612Splice),
    rule::SEALED.at_copy(Source::MemfdSealing),
    rule::IMMUTABLE.at_copy(Source::SplicesByWriting),
    rule::SWAP_FILE.at_copy(Source::Linux612WriteChecks),
    rule::FILE_SIZE_LIMIT.at_copy(Source::Linux612Limits),
    FILESYSTEM_LIMIT.at_copy(Source::Linux612Limits),
    rule::DIRECT.at_copy(Source::OpenDirect),
    rule::OFFSET_UNWRITABLE.at_copy(Source::Linux612SendEntry),
];

pub(super) const ARGUMENT_UNREADABLE: Condition = Condition::new(
    "argument-unreadable",
    Errno::EFAULT,
    "the argument points to memory that is not readable",
    |facts| facts.source.start_offset().is_err(),
);

pub(super) const OTHER_FILESYSTEM: Condition = Condition::new(
    "cross-filesystem",
    Errno::EXDEV,
    "the files are on different filesystems",
    |facts| facts.are_devices_different(),
);

pub(super) const CANNOT_REFLINK: Condition = Condition::of_error(
    "cannot-reflink",
    Errno::EOPNOTSUPP,
    "the filesystem cannot share blocks, or not between these files",
);

pub(super) const CANNOT_DEDUPE: Condition =
    Condition::of_error("cannot-dedupe", Errno::EOPNOTSUPP, "the filesystem cannot deduplicate");

pub(super) const READ_ONLY: Condition = Condition::of_error(
    "read-only",
    Errno::EROFS,
    "the target's filesystem or subvolume is read-only",
);

/// To the kernel a length beyond the largest offset is negative.
pub(super) const RANGE_LIMIT: Condition = Condition::new(
    "range-limit",
    Errno::EINVAL,
    "an offset is negative, or the range ends beyond the largest offset",
    |facts| {
        let mut starts = facts.sides().into_iter().filter_map(|side| side.start_offset().ok());
        starts.any(|start| {
            let end = start.cast_unsigned().checked_add(facts.requested_len());
            start < 0 || end.is_none_or(|end| end > MAX_OFFSET)
        })
    },
);

pub(super) const NOCOW: Condition = Condition::new(
    "nocow",
    Errno::EINVAL,
    "one of the files is NoCOW (chattr +C), and the other is not",
    |facts| sys::is_nocow(facts.args.fd_in) != sys::is_nocow(facts.args.fd_out),
);

pub(super) const PAST_EITHER_END: Condition = Condition::new(
    "past-end",
    Errno::EINVAL,
    "the range extends beyond the end of the source or of the target",
    |facts| facts.sides().iter().any(|side| side.is_beyond_end(facts.requested_len())),
);

pub(super) const UNALIGNED: Condition = Condition::new(
    "unaligned",
    Errno::EINVAL,
    "the range is not aligned to the filesystem's blocks, and does not end both files",
    |facts| !facts.is_block_aligned(),
);

/// A length that is not aligned is shortened.
pub(super) const STARTS_UNALIGNED: Condition = Condition::new(
    "unaligned",
    Errno::EINVAL,
    "an offset is not aligned to the filesystem's blocks",
    |facts| {
        let block = facts.filesystem().block_size;
        let mut starts = facts.sides().into_iter().filter_map(|side| side.start_offset().ok());
        starts.any(|start| start.cast_unsigned() % block != 0)
    },
);

/// Bytes of `struct file_dedupe_range`, and of each of its targets.
const DEDUPE_SIZES: (usize, usize) = (24, 32);

pub(super) const TOO_MANY_TARGETS: Condition = Condition::new(
    "too-many-targets",
    Errno::ENOMEM,
    "the struct with its targets is larger than a page of memory",
    |facts| match facts.request {
        Request::Dedupe(DedupeTarget { count, .. }) => {
            DEDUPE_SIZES.0 + DEDUPE_SIZES.1 * usize::from(count) > sys::page_size()
        }
        _ => false,
    },
);

/// FICLONE and copy_file_range(2) have EBADF for it.
pub(super) const SOURCE_NOT_READABLE: Condition =
    Condition::new("not-readable", Errno::EINVAL, "the source is not open for reading", |facts| {
        facts.source.open_flags().is_ok_and(|open_flags| !open_flags.readable)
    });

pub(super) const NOT_PERMITTED: Condition = Condition::new(
    "not-permitted",
    Errno::EPERM,
    "the target is not open for writing, and the caller may not write to it",
    |facts| facts.target.open_flags().is_ok_and(|open_flags| !open_flags.writable),
);

pub(super) const NOTHING_COMPARED: Condition = Condition {
    ruling: Ruling::ReturnZero,
    ..Condition::new(
        "nothing-compared",
        Errno::EINVAL,
        "the range has no whole block and does not end both files: nothing was compared, \
         whatever bytes_deduped says",
        |_| false,
    )
};

pub(super) const TAIL_NOT_COMPARED: Condition = Condition {
    ruling: Ruling::ReturnZero,
    ..Condition::new(
        "tail-not-compared",
        Errno::EINVAL,
        "only whole blocks were compared: bytes_deduped counts a tail that does not end both files",
        |_| false,
    )
};

pub(super) const NO_POSITIONS: Condition = Condition::new(
    "no-positions",
    Errno::ESPIPE,
    "an offset was passed, and the source is a pipe, a socket or another file without positions",
    |facts| !facts.source.pointer.is_null(),
);

pub(super) const BEYOND_FILESYSTEM: Condition = Condition::of_error(
    "source-limit",
    Errno::EOVERFLOW,
    "the range begins at or beyond the largest file size of one of the filesystems",
);

/// The only other limit than RLIMIT_FSIZE.
pub(super) const FILESYSTEM_LIMIT: Condition = Condition::of_error(
    "filesystem-limit",
    Errno::EFBIG,
    "the target's range begins at or beyond the largest file size of its filesystem",
);

/// copy_file_range(2) has EBADF for it.
pub(super) const APPEND: Condition =
    Condition::new("append", Errno::EINVAL, "the target is open with O_APPEND", |facts| {
        facts.target.open_flags().is_ok_and(|open_flags| open_flags.append)
    });

pub(super) const NOT_SEEKABLE: Condition = Condition::new(
    "not-seekable",
    Errno::EINVAL,
    "the source is a pipe, a socket or another file that cannot be read at any position",
    |facts| {
        let kind = facts.source.stat().map(|stat| stat.kind);
        !matches!(kind, Ok(FileKind::Regular | FileKind::BlockDevice))
    },
);

/// Returns the rule that explains an error of a forwarded call: its own, or that of its target. May
/// make system calls.
#[cold]
#[inline(never)]
#[must_use]
pub fn explain_forwarded(call: &Call, errno: Errno) -> Option<&'static Rule> {
    let [mut off_in, mut off_out] = [0; 2];
    let args = Args {
        fd_in: call.fd_in,
        off_in: pointer(call, call.off_in, &mut off_in),
        fd_out: call.fd_out,
        off_out: pointer(call, call.off_out, &mut off_out),
        len: length(call),
        flags: 0,
    };
    let facts = Facts::of(&args, call.request);
    let mut rules = rules(call.request).iter();
    rules.find(|rule| rule.ruling.errno() == Some(errno) && rule.holds(&facts))
}

/// Returns the rule by which the kernel has compared less than it reports: `bytes` of a target of
/// FIDEDUPERANGE that is `reported` with status 0.
#[must_use]
pub fn explain_compared(call: &Call, bytes: u64) -> Option<&'static Rule> {
    let Request::Dedupe(DedupeTarget { status: Some(0), reported, .. }) = call.request else {
        return None;
    };
    let condition = match bytes {
        0 => &NOTHING_COMPARED,
        _ if bytes < reported => &TAIL_NOT_COMPARED,
        _ => return None,
    };
    DEDUPE.iter().find(|rule| rule.id == condition.id)
}

fn rules(request: Request) -> &'static [Rule] {
    match request {
        Request::Copy => &[],
        Request::Clone | Request::CloneRange => CLONE,
        Request::Dedupe(_) => DEDUPE,
        Request::Send => SEND,
    }
}

/// Returns a pointer to the offset as the call had it on entry.
fn pointer(call: &Call, offset: Offset, place: &mut i64) -> OffsetPointer {
    const UNREADABLE: usize = usize::MAX;
    OffsetPointer::new(match offset {
        Offset::At(bytes) => {
            *place = bytes;
            &raw mut *place
        }
        // FICLONE has no offsets.
        Offset::File if call.request == Request::Clone => &raw mut *place,
        Offset::File => ptr::null_mut(),
        Offset::BadAddress(_) => ptr::without_provenance_mut(UNREADABLE),
    })
}

/// Returns the length that the call means, in bytes: to a reflink 0 is all up to the source's end.
fn length(call: &Call) -> usize {
    let reflinks = matches!(call.request, Request::Clone | Request::CloneRange);
    if !reflinks || call.len > 0 {
        return call.len;
    }
    let start = match call.off_in {
        Offset::At(start) => start.cast_unsigned(),
        Offset::File | Offset::BadAddress(_) => 0,
    };
    let size = sys::stat(call.fd_in).map_or(0, |stat| stat.size);
    usize::try_from(size.saturating_sub(start)).unwrap_or(usize::MAX)
}

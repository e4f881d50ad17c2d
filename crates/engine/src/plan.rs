//! Chooses how the bytes of a call are moved. It has no effect but the facts that it gathers.

use crate::backend::{BUFFER_LEN, Holes, Transport};
use crate::dialect::{CopyStrategy, Dialect};
use crate::facts::{Facts, MAX_OFFSET};
use crate::flags::Mode;
use crate::policy::{Backend, Policy};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, FilesystemKind, MAX_RW_COUNT};

/// The buffer of glibc's emulation, in bytes.
const GLIBC_BUFFER_SIZE: usize = 8 << 10;

/// One way to answer a call. Lengths in bytes.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// Forward the call to the kernel or to the next library.
    Forward {
        len: usize,
        flags: u32,
    },
    /// Copy by the library.
    Copy {
        len: u64,
        transport: Transport,
        holes: Holes,
    },
    /// Copy by the library from a source without a size.
    CopyUnsized {
        len: u64,
    },
    /// FICLONERANGE.
    Reflink {
        len: u64,
    },
    /// FICLONERANGE, with FreeBSD's errors.
    Clone {
        len: u64,
    },
    /// FIDEDUPERANGE, to a target of this size.
    Dedupe {
        len: u64,
        target_size: u64,
    },
    /// FIDEDUPERANGE of a range without a whole block.
    DedupeNoBlock,
    ReturnZero,
    /// Return an error of a rule.
    Refuse(Errno),
    /// Return the error that the kernel returned for a copy of 0 bytes.
    RefusedByKernel(Errno),
    /// Return EFBIG and raise SIGXFSZ.
    OverFileSizeLimit,
}

/// Plans a library copy of a call with flags 0 that the kernel checks: a copy of 0 bytes at the
/// same offsets fails as the call would. Returns `None` if the rules must decide instead, because
/// that copy does not check it: the ranges may overlap, offset + len may exceed 64 bits, or the
/// kernel fails with an error of `is_fallback_error`.
pub(crate) fn copy_checked_by_kernel(
    facts: &Facts<'_>,
    is_fallback_error: impl Fn(Errno) -> bool,
) -> Option<Step> {
    let (off_in, off_out) = facts.start_offsets()?;
    let last = off_in.cast_unsigned().max(off_out.cast_unsigned());
    last.checked_add(facts.requested_len())?;
    let check = facts.kernel_check_at(off_in, off_out);
    if check.is_err_and(is_fallback_error) {
        return None;
    }
    // A negative offset comes after the limits.
    if (check.is_ok() || last > MAX_OFFSET)
        && !facts.are_limits_compared()
        && let Some(beyond) = beyond_limits(facts, off_in, off_out)
    {
        return Some(beyond);
    }
    if let Err(errno) = check {
        return Some(Step::RefusedByKernel(errno));
    }
    let mut requested = facts.requested_len();
    if may_overlap(facts, off_in, off_out) && facts.do_ranges_overlap(requested) {
        // They may overlap only beyond the end of the source or beyond the largest file of the
        // target.
        requested = facts.clamp_to_max_size(facts.clamp_to_source());
        if facts.do_ranges_overlap(requested) {
            return None;
        }
    }
    let len = requested.min(MAX_RW_COUNT).min(MAX_OFFSET.saturating_sub(last));
    // One read meets the end of the source and one write meets the limits, so a copy in one piece
    // needs no clamping.
    let len = if len > BUFFER_LEN { facts.clamp_to_readable(len) } else { len };
    Some(Step::Copy { len, transport: Transport::Library, holes: Holes::Kept })
}

/// Refuses a range that begins beyond a limit of the target, for a kernel that does not if there are
/// no bytes: as such a kernel, only before the end of the source.
#[cold]
fn beyond_limits(facts: &Facts<'_>, off_in: i64, off_out: i64) -> Option<Step> {
    if off_in >= 0 && facts.clamp_to_source() == 0 {
        return None;
    }
    if is_over_file_size_limit(facts) {
        return Some(Step::OverFileSizeLimit);
    }
    let start = u64::try_from(off_out).ok()?;
    sys::is_beyond_filesystem(facts.args.fd_out, start).then_some(Step::Refuse(Errno::EFBIG))
}

/// Reports whether the ranges may overlap before the end of the source. A target that ends where the
/// source's range begins, or before, is another file, or the range is empty: one look at the target
/// is enough for a copy of one piece that appends. If the file grows meanwhile, a copy of one piece
/// has read all its bytes before it writes.
#[inline(always)]
fn may_overlap(facts: &Facts<'_>, off_in: i64, off_out: i64) -> bool {
    let len = facts.requested_len();
    len > BUFFER_LEN
        || off_in.abs_diff(off_out) < len
            && !facts.target.stat().is_ok_and(|stat| stat.size <= off_in.cast_unsigned())
}

/// Plans a copy of one piece between filesystems after the kernel has refused it with EXDEV, with
/// few questions: most is vouched for by that refusal or will be decided by read(2) and write(2)
/// (docs/design/emulation.md has the list). Returns `None` if the rules must decide; so they must
/// if the step moves nothing.
pub(crate) fn one_piece_between_filesystems(facts: &Facts<'_>, policy: &Policy) -> Option<Step> {
    let len = facts.requested_len();
    let is_one_piece = (1..=BUFFER_LEN).contains(&len);
    let crosses = policy.dialect.emulation_crosses_filesystems && policy.crosses_filesystems();
    if !is_one_piece || !crosses || !facts.kernel_refused_to_cross() {
        return None;
    }
    let (off_in, off_out) = facts.start_offsets()?;
    let last = u64::try_from(off_in.min(off_out)).ok().map(|_| off_in.max(off_out))?;
    last.checked_add_unsigned(len)?;
    // A filter may return EXDEV for files that the kernel would refuse otherwise. Of these only a
    // target with O_APPEND would be written to at a wrong place.
    let may_append = || facts.target.open_flags().map_or(true, |open_flags| open_flags.append);
    (facts.kernel_allows_writing() && !may_append()).then_some(Step::Copy {
        len,
        transport: Transport::Library,
        holes: Holes::Kept,
    })
}

/// Plans a call of this mode after the dialect's rules have passed.
pub(crate) fn choose(facts: &Facts<'_>, dialect: &Dialect, backend: Backend, mode: Mode) -> Step {
    let library_may_copy = backend != Backend::Kernel;
    match (mode, dialect.copy_strategy) {
        (Mode::Any, CopyStrategy::ReadWrite8KiB) if !library_may_copy => {
            Step::Refuse(Errno::EOPNOTSUPP)
        }
        (Mode::Any, CopyStrategy::ReadWrite8KiB) => {
            match facts.target.open_flags() {
                // With O_APPEND, write(2) ignores the offset.
                Ok(open_flags) if open_flags.append => Step::Refuse(Errno::EBADF),
                _ => {
                    let len = facts.requested_len().min(MAX_OFFSET);
                    Step::Copy {
                        len,
                        transport: Transport::Buffer(GLIBC_BUFFER_SIZE),
                        holes: Holes::Filled,
                    }
                }
            }
        }
        (Mode::Any | Mode::Clone, _) if is_empty_in_offsets(facts, dialect) => Step::ReturnZero,
        (mode, _) if mode != Mode::Any && is_over_file_size_limit(facts) => Step::OverFileSizeLimit,
        (_, _) if starts_at_max_offset(facts) => Step::Refuse(Errno::EFBIG),
        (Mode::Any, _) if backend == Backend::Emulate => library_copy(facts, dialect),
        (Mode::Any, CopyStrategy::KeepHoles) if is_sparse(facts) => {
            if library_may_copy {
                checked_copy(facts, freebsd_len(facts), Transport::Kernel)
            } else {
                Step::Refuse(Errno::EOPNOTSUPP)
            }
        }
        (Mode::Any, CopyStrategy::KeepHoles) => Step::Forward {
            len: usize::try_from(freebsd_requested_len(facts)).unwrap_or(usize::MAX),
            flags: 0,
        },
        (Mode::Any, _) => Step::Forward { len: facts.args.len, flags: 0 },
        (Mode::Copy, _) => match facts.filesystem().kind {
            // These filesystems cannot share blocks between files.
            FilesystemKind::Ext4 | FilesystemKind::Tmpfs if backend != Backend::Emulate => {
                Step::Forward { len: facts.args.len, flags: 0 }
            }
            _ if !library_may_copy => Step::Refuse(Errno::EOPNOTSUPP),
            _ => library_copy(facts, dialect),
        },
        (Mode::Reflink, _) => Step::Reflink { len: facts.clamp_to_source() },
        (Mode::Clone, _) => Step::Clone { len: facts.clamp_to_source() },
        (Mode::Dedupe, _) => dedupe_step(facts),
    }
}

/// Plans a dedupe of whole blocks, or up to the end of both files. Linux 6.18 reports a shorter
/// tail as deduplicated without having compared it, so the tail is left out.
fn dedupe_step(facts: &Facts<'_>) -> Step {
    let (_, off_out) = facts.start_offsets().unwrap_or_default();
    let off_out = u64::try_from(off_out).unwrap_or(0);
    let target_size = facts.target.stat().map_or(0, |stat| stat.size);
    let len = facts.clamp_to_source();
    let ends_both =
        len == facts.remaining_in_source() && off_out.saturating_add(len) == target_size;
    let whole = len - len % facts.filesystem().block_size;
    match whole {
        _ if ends_both => Step::Dedupe { len, target_size },
        0 if len > 0 => Step::DedupeNoBlock,
        _ => Step::Dedupe { len: whole, target_size },
    }
}

/// Limits a step to `max` bytes; a step that shares blocks keeps at least one whole block.
pub(crate) fn limit_len(max: u64, step: Step, facts: &Facts<'_>) -> Step {
    let blocks = || {
        let block = facts.filesystem().block_size;
        (max - max % block).max(block.get())
    };
    match step {
        Step::Forward { len, flags } => {
            Step::Forward { len: usize::try_from(max).map_or(len, |max| len.min(max)), flags }
        }
        Step::Copy { len, transport, holes } => Step::Copy { len: len.min(max), transport, holes },
        Step::CopyUnsized { len } => Step::CopyUnsized { len: len.min(max) },
        Step::Reflink { len } => Step::Reflink { len: len.min(blocks()) },
        Step::Clone { len } => Step::Clone { len: len.min(blocks()) },
        Step::Dedupe { len, target_size } => Step::Dedupe { len: len.min(blocks()), target_size },
        Step::DedupeNoBlock
        | Step::ReturnZero
        | Step::Refuse(_)
        | Step::RefusedByKernel(_)
        | Step::OverFileSizeLimit => step,
    }
}

/// Plans a copy by the library instead of the kernel.
pub(crate) fn library_copy(facts: &Facts<'_>, dialect: &Dialect) -> Step {
    let len = match dialect.copy_strategy {
        CopyStrategy::KeepHoles => freebsd_len(facts),
        _ if dialect.emulation_crosses_filesystems => {
            facts.clamp_to_readable(facts.requested_len().min(MAX_RW_COUNT))
        }
        // Linux copies nothing from a file of /proc, whose size is 0.
        CopyStrategy::Kernel | CopyStrategy::ReadWrite8KiB => {
            facts.clamp_to_source().min(MAX_RW_COUNT)
        }
    };
    checked_copy(facts, len, Transport::Library)
}

/// Reports whether FreeBSD's clamping leaves no byte.
fn is_empty_in_offsets(facts: &Facts<'_>, dialect: &Dialect) -> bool {
    dialect.copy_strategy == CopyStrategy::KeepHoles && freebsd_requested_len(facts) == 0
}

/// Reports whether the target's range begins at or beyond RLIMIT_FSIZE. The kernel checks that in
/// write(2), but not when it punches holes or shares blocks.
fn is_over_file_size_limit(facts: &Facts<'_>) -> bool {
    let limit = facts.file_size_limit();
    // A limit beyond the largest offset is a negative number to the kernel.
    let is_over = |start: i64| limit != u64::MAX && start >= limit.cast_signed();
    facts.requested_len() > 0 && facts.target.start_offset().is_ok_and(is_over)
}

/// Reports whether the target's range begins at the largest offset, so that not even one byte fits.
fn starts_at_max_offset(facts: &Facts<'_>) -> bool {
    let start = facts.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
    facts.requested_len() > 0 && start.is_some_and(|start| start >= MAX_OFFSET)
}

/// Plans a copy by the library, with the checks that the kernel makes for each of its copies: they
/// protect the host's data whatever the dialect says.
fn checked_copy(facts: &Facts<'_>, len: u64, transport: Transport) -> Step {
    if facts.target.open_flags().is_ok_and(|open_flags| open_flags.append) {
        return Step::Refuse(Errno::EBADF);
    }
    if is_over_file_size_limit(facts) {
        return Step::OverFileSizeLimit;
    }
    let is_sealed = sys::seals(facts.args.fd_out).write;
    if facts.is_target_immutable() || is_sealed && facts.clamp_to_source() > 0 {
        return Step::Refuse(Errno::EPERM);
    }
    if facts.kernel_check() == Err(Errno::ETXTBSY) {
        return Step::Refuse(Errno::ETXTBSY);
    }
    let is_negative =
        facts.start_offsets().is_none_or(|(off_in, off_out)| off_in < 0 || off_out < 0);
    if is_negative || facts.do_ranges_overlap(len) {
        return Step::Refuse(Errno::EINVAL);
    }
    if !facts.has_known_size() {
        return Step::CopyUnsized { len: len.min(BUFFER_LEN) };
    }
    Step::Copy { len, transport, holes: Holes::Kept }
}

/// Reports whether the source has fewer allocated bytes than its size.
fn is_sparse(facts: &Facts<'_>) -> bool {
    facts.source.stat().is_ok_and(|stat| stat.allocated < stat.size)
}

/// Returns the requested length as FreeBSD clamps it: to the largest offset in both files.
fn freebsd_requested_len(facts: &Facts<'_>) -> u64 {
    let (off_in, off_out) = facts.start_offsets().unwrap_or_default();
    let last = u64::try_from(off_in.max(off_out)).unwrap_or(0);
    facts.requested_len().min(MAX_OFFSET - last)
}

/// Clamps that length to the end of the source and to RLIMIT_FSIZE as well.
fn freebsd_len(facts: &Facts<'_>) -> u64 {
    facts.clamp_to_readable(freebsd_requested_len(facts))
}

//! Copies a range piece by piece: data by the kernel's copy_file_range, through a pipe or through a
//! buffer, and holes as holes.
//!
//! If the range takes more than one piece, the caller blocks signals; a pending signal ends the
//! copy after the current piece.

use super::CopyResult;
use super::find_holes::{HoleSearch, Holes, Segment};
use super::piece_size::PieceSize;
use super::pipe::PipeCopy;
use super::zeros;
use crate::call::Method;
use crate::diag::{log_fallback, trace_syscall_bytes};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, BlockedSignals, Buffers, Pipe, Range};

static BUFFERS: Buffers = Buffers::new();

/// The longest range that is read and written at once, in bytes. Its contents are known before
/// anything is written, and no other step comes between.
pub(crate) const BUFFER_LEN: u64 = Buffers::SIZE as u64;

/// The shortest copy for which a new pipe pays, in bytes: creating one costs as much as copying 100
/// KiB.
const MIN_LEN_FOR_NEW_PIPE: u64 = 256 << 10;

/// The shortest copy for which a pipe that is open pays, in bytes.
const MIN_LEN_FOR_OPEN_PIPE: u64 = 128 << 10;

/// The smallest page size. A pipe holds as many pages as make [`Pipe::SIZE`].
const PAGE: u64 = 4096;

/// How data are moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    /// By the kernel's copy_file_range, which may share blocks; by the library if the kernel
    /// refuses.
    Kernel,
    /// Through a pipe or a buffer, whichever is faster. No block is shared.
    Library,
    /// Through a buffer of at most this many bytes.
    Buffer(usize),
}

/// Lends a buffer to `work`.
pub(super) fn with_buffer<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFERS.with_buffer(work)
}

/// Copies the range.
///
/// After the first byte an error only ends the copy. No byte of the target outside the reported
/// range is changed.
pub(crate) fn copy(
    range: Range,
    transport: Transport,
    holes: Holes,
    signals: &BlockedSignals,
) -> CopyResult {
    with_buffer(|buffer| {
        let mut rest = range;
        let mut max_piece = u64::MAX;
        if range.len <= BUFFER_LEN && transport == Transport::Library {
            if range.len <= buffer.len() as u64 {
                match in_one_piece(&range, buffer, holes) {
                    OnePiece::Done(result) => return result,
                    OnePiece::HasHoles(len) => rest = range.first(len),
                    OnePiece::DiskFull(len) => {
                        rest = range.first(len);
                        max_piece = len / 2;
                    }
                }
            }
            // A range of one piece has not been clamped.
            rest = clamp_to_rlimit(rest);
        }
        let copier = Copier {
            signals,
            transport,
            search: HoleSearch::new(holes),
            piece_size: PieceSize::new(),
            pipe: PipeCopy::new(range.fd_out),
            buffer,
            max_piece,
            pending_hole: 0,
            empty_from: None,
            has_written: false,
            used_library: false,
            error: None,
            accounted: 0,
        };
        copier.copy(rest)
    })
}

/// The result of a copy by one read and one write. If it is not done, nothing was written, and the
/// source has this many bytes in the range.
enum OnePiece {
    Done(CopyResult),
    /// A block of them is zeros.
    HasHoles(u64),
    /// They do not fit on the disk as a whole.
    DiskFull(u64),
}

/// Copies by one read and one write, unless the buffer has a hole that is to be kept.
#[inline(always)]
fn in_one_piece(range: &Range, buffer: &mut [u8], holes: Holes) -> OnePiece {
    let mut result = CopyResult::done(0, Method::Emulated);
    let buffer = Buffers::aligned_to_offset(buffer, range.off_in);
    let len = usize::try_from(range.len).unwrap_or(usize::MAX);
    let read = sys::read_at(range.fd_in, buffer.get_mut(..len).unwrap_or_default(), range.off_in);
    trace_syscall_bytes("pread64", range.fd_in, read);
    let bytes = match read {
        Ok(count) => buffer.get(..count).unwrap_or_default(),
        Err(errno) => {
            result.error = Some(errno);
            return OnePiece::Done(result);
        }
    };
    if bytes.is_empty() {
        return OnePiece::Done(result);
    }
    if holes == Holes::Kept && zeros::has_zero_block(bytes, range.off_out) {
        return OnePiece::HasHoles(bytes.len() as u64);
    }
    let written = write_once(range.fd_out, bytes, range.off_out);
    if is_full_for(written, bytes.len() as u64) {
        return OnePiece::DiskFull(bytes.len() as u64);
    }
    match written {
        Ok(count) => (result.bytes, result.accounted) = (count, count),
        Err(errno) => result.error = Some(errno),
    }
    OnePiece::Done(result)
}

/// Writes at `offset`; returns the bytes written, which are at least 1. A short write is not repeated:
/// at RLIMIT_FSIZE that would raise SIGXFSZ, which the kernel's own copy does not.
#[inline(always)]
fn write_once(fd: i32, bytes: &[u8], offset: u64) -> Result<u64, Errno> {
    let written = sys::write_at(fd, bytes, offset);
    trace_syscall_bytes("pwrite64", fd, written);
    match written {
        // write(2) of more than 0 bytes that returns 0 gives no reason.
        Ok(0) => Err(Errno::EIO),
        other => other.map(|count| count as u64),
    }
}

/// Reports whether a piece of `len` bytes failed for lack of space and a smaller one may fit: a
/// filesystem with large folios writes all of a piece or nothing.
fn is_full_for<T>(result: Result<T, Errno>, len: u64) -> bool {
    matches!(result, Err(Errno::ENOSPC | Errno::EDQUOT)) && len > zeros::BLOCK as u64
}

pub(super) struct Copier<'a> {
    pub(super) signals: &'a BlockedSignals,
    transport: Transport,
    search: HoleSearch,
    piece_size: PieceSize,
    pipe: PipeCopy,
    pub(super) buffer: &'a mut [u8],
    /// The largest piece in bytes; it shrinks if the target's filesystem is full.
    max_piece: u64,
    /// Bytes at the end of the copied range that are a hole beyond the end of the target. The next
    /// write beyond them creates the hole.
    pub(super) pending_hole: u64,
    /// Holes of the target that begin at this offset or beyond are there already; `None` before the
    /// first hole beyond its end.
    pub(super) empty_from: Option<u64>,
    /// Whether a byte was written, and not only holes punched.
    pub(super) has_written: bool,
    /// Whether the library moved a byte, and not the kernel only.
    pub(super) used_library: bool,
    /// The error that ended the copy.
    pub(super) error: Option<Errno>,
    /// As in [`CopyResult`]: what is spliced does not count.
    pub(super) accounted: u64,
}

impl Copier<'_> {
    fn copy(mut self, range: Range) -> CopyResult {
        CopyResult {
            bytes: self.in_segments(range),
            error: self.error,
            method: if self.used_library { Method::Emulated } else { Method::Kernel },
            accounted: self.accounted,
        }
    }

    fn in_segments(&mut self, range: Range) -> u64 {
        let mut bytes = 0;
        while bytes < range.len {
            let rest = range.after(bytes);
            let pending_hole = self.pending_hole;
            let (moved, wanted) = match self.search.segment(&rest, self.buffer) {
                Segment::Data(len) => (self.copy_data(rest.first(len), false), len),
                Segment::Mixed(len) => (self.copy_data(rest.first(len), true), len),
                Segment::Hole(len) => (self.make_hole(rest.first(len)), len),
            };
            bytes += moved;
            // A hole that is left out takes no time.
            let is_left_out = self.pending_hole > pending_hole;
            if moved < wanted || !is_left_out && self.signals.has_pending() {
                break;
            }
        }
        let bytes = bytes - self.create_pending_hole(&range.first(bytes));
        if bytes > 0 && !self.has_written {
            self.touch_target(&range.first(bytes));
        }
        bytes
    }

    /// Copies a range of data; returns the bytes moved. They are fewer than `range.len` at the end
    /// of the source, after an error, and if a signal is pending.
    fn copy_data(&mut self, range: Range, is_mixed: bool) -> u64 {
        let mut bytes = 0;
        while bytes < range.len && !(bytes > 0 && self.signals.has_pending()) {
            let rest = self.piece_size.next_piece(range.after(bytes)).first(self.max_piece);
            let begun_ns = sys::monotonic_ns();
            let moved = match self.transport {
                _ if is_mixed => Some(self.copy_with_buffer(rest, Buffers::SIZE, true)),
                Transport::Kernel => self.copy_with_kernel(rest),
                Transport::Library if self.is_worth_a_pipe(range.len - bytes) => {
                    match beside_pipe(range.off_in + bytes, range.len - bytes) {
                        0 => self.copy_with_pipe(rest),
                        head => Some(self.copy_with_buffer(rest.first(head), Buffers::SIZE, false)),
                    }
                }
                Transport::Library => Some(self.copy_with_buffer(rest, Buffers::SIZE, false)),
                Transport::Buffer(max) => Some(self.copy_with_buffer(rest, max, false)),
            };
            let Some(moved) = moved else { continue };
            let took_ns = sys::monotonic_ns().saturating_sub(begun_ns);
            self.piece_size.record(moved, moved == rest.len, took_ns);
            bytes += moved;
            if self.retries_smaller(rest.len) {
                continue;
            }
            if moved == 0 || self.error.is_some() {
                break;
            }
        }
        bytes
    }

    /// Makes pieces smaller if one of `len` bytes failed for lack of space and a smaller one may fit,
    /// so that the last free block is used. Reports whether it did.
    fn retries_smaller(&mut self, len: u64) -> bool {
        let retries = is_full_for(self.error.map_or(Ok(()), Err), len);
        if retries {
            self.error = None;
            self.max_piece = len.min(BUFFER_LEN) / 2;
        }
        retries
    }

    fn is_worth_a_pipe(&self, len: u64) -> bool {
        let min_len =
            if self.pipe.is_open() { MIN_LEN_FOR_OPEN_PIPE } else { MIN_LEN_FOR_NEW_PIPE };
        len >= min_len && self.pipe.is_usable()
    }

    /// Returns `None` if the kernel refuses.
    fn copy_with_kernel(&mut self, range: Range) -> Option<u64> {
        let copied = sys::copy_range(&range);
        trace_syscall_bytes("copy_file_range", range.fd_out, copied);
        match copied {
            Ok(0) => Some(0),
            Ok(bytes) => {
                self.mark_written();
                self.accounted += bytes as u64;
                Some(bytes as u64)
            }
            Err(errno @ (Errno::EXDEV | Errno::ENOSYS | Errno::EOPNOTSUPP)) => {
                log_fallback("kernel", errno, "the library copies");
                self.transport = Transport::Library;
                None
            }
            Err(errno) => {
                self.error = Some(errno);
                Some(0)
            }
        }
    }

    /// Returns `None` if these files cannot be spliced or no pipe can be created.
    fn copy_with_pipe(&mut self, range: Range) -> Option<u64> {
        let (moved, error) = self.pipe.copy(&range)?;
        self.used_library = true;
        self.error = error;
        if moved > 0 {
            self.mark_written();
        }
        Some(moved)
    }

    /// Copies at most `max` bytes through the buffer. If `is_mixed`, it stops at the first change
    /// between blocks of zeros and data.
    fn copy_with_buffer(&mut self, range: Range, max: usize, is_mixed: bool) -> u64 {
        let Some(count) = self.read(&range, max) else { return 0 };
        let read =
            Buffers::aligned_to_offset(self.buffer, range.off_in).get(..count).unwrap_or_default();
        if !is_mixed || count == 0 {
            return self.write(&range, 0, count);
        }
        match zeros::leading_run(read, range.off_out) {
            (len, true) => self.make_hole(range.first(len as u64)),
            (len, false) => self.write(&range, 0, len),
        }
    }

    /// Reads at most `max` bytes of the range's start into the buffer; returns their number. `None`
    /// after an error.
    fn read(&mut self, range: &Range, max: usize) -> Option<usize> {
        self.used_library = true;
        let buffer = Buffers::aligned_to_offset(self.buffer, range.off_in);
        let wanted = usize::try_from(range.len).unwrap_or(usize::MAX);
        let size = match buffer.len().min(max) {
            size if size >= wanted => wanted,
            // End at a page boundary, so that the next read begins at one.
            size => size - unaligned(range.off_in, size),
        };
        let read = sys::read_at(range.fd_in, buffer.get_mut(..size)?, range.off_in);
        trace_syscall_bytes("pread64", range.fd_in, read);
        self.error = read.err();
        read.ok()
    }

    /// Writes these bytes of the buffer to the start of the range; returns how many were written.
    pub(super) fn write(&mut self, range: &Range, from: usize, to: usize) -> u64 {
        let bytes =
            Buffers::aligned_to_offset(self.buffer, range.off_in).get(from..to).unwrap_or_default();
        if bytes.is_empty() {
            return 0;
        }
        match write_once(range.fd_out, bytes, range.off_out) {
            Ok(count) => {
                self.mark_written();
                self.accounted += count;
                count
            }
            Err(errno) => {
                self.error = Some(errno);
                0
            }
        }
    }

    /// Records that bytes were written: a pending hole before them exists now.
    fn mark_written(&mut self) {
        self.pending_hole = 0;
        self.has_written = true;
    }
}

/// Returns how many of `size` bytes at `offset` are after the last page boundary among them.
fn unaligned(offset: u64, size: usize) -> usize {
    let rest = (offset.saturating_add(size as u64)) % PAGE;
    usize::try_from(rest).ok().filter(|rest| *rest < size).unwrap_or(0)
}

/// Returns the bytes up to the next page boundary if `len` bytes at `offset` touch more pages than a
/// pipe holds: after them the rest fills whole pipes, and nothing is left for a piece of its own.
fn beside_pipe(offset: u64, len: u64) -> u64 {
    let in_page = offset % PAGE;
    if in_page != 0 && in_page.saturating_add(len) > Pipe::SIZE { PAGE - in_page } else { 0 }
}

/// Clamps the range to RLIMIT_FSIZE, which the kernel checks in write(2) but not in fallocate(2). A
/// range that begins beyond the limit is not changed.
fn clamp_to_rlimit(range: Range) -> Range {
    let limit = sys::file_size_limit().unwrap_or(u64::MAX);
    if limit <= range.off_out { range } else { range.first(limit - range.off_out) }
}

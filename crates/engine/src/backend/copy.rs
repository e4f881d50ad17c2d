//! Copying a range piece by piece: data by the kernel's copy_file_range, through a pipe or through
//! a buffer, holes as holes.
//!
//! Where the range takes more than one piece the caller holds signals back; one that is waiting ends
//! the copy after the piece at hand.

use super::CopyResult;
use super::layout::{Holes, Layout, Segment};
use super::piece_size::PieceSize;
use super::pipe::PipeCopy;
use super::zeros;
use crate::call::Method;
use crate::diag::{log_fallback, trace_syscall_bytes};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, BlockedSignals, Buffers, Range};

static BUFFERS: Buffers = Buffers::new();

/// A range that is read and written at once, in bytes: what is in it is known before anything is
/// written, and nothing can come between.
pub(crate) const BUFFER_LEN: u64 = Buffers::SIZE as u64;

/// From here on a pipe of its own pays for a call: making one costs as much as copying 100 KiB.
const MIN_LEN_FOR_NEW_PIPE: u64 = 256 << 10;

/// The same where the pipe is there.
const MIN_LEN_FOR_OPEN_PIPE: u64 = 128 << 10;

/// How data are moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    /// The kernel's copy_file_range, which may share blocks; the library where it declines.
    Kernel,
    /// The library: a pipe or a buffer, whichever is faster. No block is shared.
    Library,
    /// A buffer of at most so many bytes.
    Buffer(usize),
}

/// Lends a buffer for as long as `work` runs.
pub(super) fn with_buffer<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFERS.with_buffer(work)
}

/// Copies the range.
///
/// After the first byte an error only ends the copy. No byte of the target outside of what is
/// reported is changed.
pub(crate) fn copy(
    range: Range,
    transport: Transport,
    holes: Holes,
    signals: &BlockedSignals,
) -> CopyResult {
    with_buffer(|buffer| {
        let copier = Copier {
            signals,
            transport,
            layout: Layout::new(holes),
            piece_size: PieceSize::new(),
            pipe: PipeCopy::new(range.fd_out),
            buffer,
            max_piece: u64::MAX,
            pending_hole: 0,
            has_written: false,
            used_library: false,
            error: None,
        };
        copier.copy(range)
    })
}

pub(super) struct Copier<'a> {
    pub(super) signals: &'a BlockedSignals,
    transport: Transport,
    layout: Layout,
    piece_size: PieceSize,
    pipe: PipeCopy,
    pub(super) buffer: &'a mut [u8],
    /// The most that is moved at once: less where room is short.
    max_piece: u64,
    /// Bytes at the end of what is done that are a hole behind the target's end: they come to be
    /// when something is written behind them.
    pub(super) pending_hole: u64,
    /// Whether anything was written, and not only holes punched.
    pub(super) has_written: bool,
    /// Whether any of it was moved by us and not by the kernel.
    pub(super) used_library: bool,
    /// The error that ended it.
    pub(super) error: Option<Errno>,
}

impl Copier<'_> {
    fn copy(mut self, range: Range) -> CopyResult {
        let fits = range.len <= BUFFER_LEN.min(self.buffer.len() as u64);
        let bytes = if fits && self.transport == Transport::Library {
            self.in_one_piece(range)
        } else {
            self.in_segments(range)
        };
        CopyResult {
            bytes,
            error: self.error,
            method: if self.used_library { Method::Emulated } else { Method::Kernel },
        }
    }

    /// One read, and one write unless there may be a hole: bytes moved.
    fn in_one_piece(&mut self, range: Range) -> u64 {
        let Some(count) = self.read(&range, Buffers::SIZE) else { return 0 };
        let read =
            Buffers::aligned_to_offset(self.buffer, range.off_in).get(..count).unwrap_or_default();
        if self.layout.detects_holes() && zeros::has_zero_block(read, range.off_out) {
            return self.in_segments(clamp_to_rlimit(range.first(count as u64)));
        }
        let bytes = self.write(&range, 0, count);
        if self.retries_smaller(count as u64) {
            self.in_segments(clamp_to_rlimit(range.first(count as u64)))
        } else {
            bytes
        }
    }

    fn in_segments(&mut self, range: Range) -> u64 {
        let mut bytes = 0;
        while bytes < range.len {
            let rest = range.after(bytes);
            let (moved, wanted) = match self.layout.segment(&rest) {
                Segment::Data(len) => (self.copy_data(rest.first(len), false), len),
                Segment::Mixed(len) => (self.copy_data(rest.first(len), true), len),
                Segment::Hole(len) => (self.make_hole(rest.first(len)), len),
            };
            bytes += moved;
            if moved < wanted || self.signals.has_pending() {
                break;
            }
        }
        let bytes = bytes - self.create_pending_hole(&range.first(bytes));
        if bytes > 0 && !self.has_written {
            self.touch_target(&range.first(bytes));
        }
        bytes
    }

    /// Copies a range of data: bytes moved. Fewer than asked for at the end of the source, after
    /// an error, and where a signal is waiting.
    fn copy_data(&mut self, range: Range, is_mixed: bool) -> u64 {
        let mut bytes = 0;
        while bytes < range.len && !(bytes > 0 && self.signals.has_pending()) {
            let rest = self.piece_size.next_piece(range.after(bytes)).first(self.max_piece);
            let begun_ns = sys::monotonic_ns();
            let moved = match self.transport {
                _ if is_mixed => Some(self.copy_with_buffer(rest, Buffers::SIZE, true)),
                Transport::Kernel => self.copy_with_kernel(rest),
                Transport::Library if self.is_worth_a_pipe(range.len - bytes) => {
                    self.copy_with_pipe(rest)
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

    /// Whether a piece of so many bytes found no room, and a smaller one may: a filesystem with large
    /// folios has room for all of one or for nothing. The last block that is free is written to.
    fn retries_smaller(&mut self, len: u64) -> bool {
        let is_full = matches!(self.error, Some(Errno::ENOSPC | Errno::EDQUOT));
        if !is_full || len <= zeros::BLOCK as u64 {
            return false;
        }
        self.error = None;
        self.max_piece = len.min(BUFFER_LEN) / 2;
        true
    }

    fn is_worth_a_pipe(&self, len: u64) -> bool {
        let min_len =
            if self.pipe.is_open() { MIN_LEN_FOR_OPEN_PIPE } else { MIN_LEN_FOR_NEW_PIPE };
        len >= min_len && self.pipe.is_usable()
    }

    /// `None` where the kernel declines.
    fn copy_with_kernel(&mut self, range: Range) -> Option<u64> {
        let copied = sys::copy_range(&range);
        trace_syscall_bytes("copy_file_range", range.fd_out, copied);
        match copied {
            Ok(0) => Some(0),
            Ok(bytes) => {
                self.mark_written();
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

    /// `None` where these files cannot be spliced, or there is no pipe to be had.
    fn copy_with_pipe(&mut self, range: Range) -> Option<u64> {
        let (moved, error) = self.pipe.copy(&range)?;
        self.used_library = true;
        self.error = error;
        if moved > 0 {
            self.mark_written();
        }
        Some(moved)
    }

    /// Copies what one buffer holds, and where `is_mixed` at most as far as blocks of zeros or of
    /// data reach.
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

    /// Reads the range's first bytes into the buffer, at most `most`: how many. `None` after an
    /// error.
    fn read(&mut self, range: &Range, max: usize) -> Option<usize> {
        self.used_library = true;
        let buffer = Buffers::aligned_to_offset(self.buffer, range.off_in);
        let wanted = usize::try_from(range.len).unwrap_or(usize::MAX);
        let size = match buffer.len().min(max) {
            size if size >= wanted => wanted,
            // The next read begins with a page.
            size => size - unaligned(range.off_in, size),
        };
        let read = sys::read_at(range.fd_in, buffer.get_mut(..size)?, range.off_in);
        trace_syscall_bytes("pread64", range.fd_in, read);
        self.error = read.err();
        read.ok()
    }

    /// Writes these bytes of the buffer to where the range begins: how many. A write that is cut
    /// short is not tried again: at the limit on file sizes that would raise a signal, which the
    /// kernel's own copy does not.
    pub(super) fn write(&mut self, range: &Range, from: usize, to: usize) -> u64 {
        let bytes =
            Buffers::aligned_to_offset(self.buffer, range.off_in).get(from..to).unwrap_or_default();
        if bytes.is_empty() {
            return 0;
        }
        let written = sys::write_at(range.fd_out, bytes, range.off_out);
        trace_syscall_bytes("pwrite64", range.fd_out, written);
        match written {
            // Neither progress nor a reason.
            Ok(0) => self.error = Some(Errno::EIO),
            Ok(_) => self.mark_written(),
            Err(errno) => self.error = Some(errno),
        }
        written.map_or(0, |bytes| bytes as u64)
    }

    /// To be told when bytes have come to the target: what is a hole before them is one now.
    fn mark_written(&mut self) {
        self.pending_hole = 0;
        self.has_written = true;
    }
}

/// How many of `size` bytes at `offset` stand behind the last boundary of pages among them.
fn unaligned(offset: u64, size: usize) -> usize {
    let rest = (offset.saturating_add(size as u64)) % 4096;
    usize::try_from(rest).ok().filter(|rest| *rest < size).unwrap_or(0)
}

/// As much of the range as the process's limit on file sizes leaves room for: the kernel looks when
/// it writes, and not when it punches holes. All of it where it begins behind the limit.
fn clamp_to_rlimit(range: Range) -> Range {
    let limit = sys::file_size_limit().unwrap_or(u64::MAX);
    if limit <= range.off_out { range } else { range.first(limit - range.off_out) }
}

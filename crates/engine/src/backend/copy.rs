//! Copying a range piece by piece: data by the kernel's copy_file_range, through a pipe or through
//! a buffer, holes as holes.
//!
//! Where the range takes more than one piece the caller holds signals back; one that is waiting ends
//! the copy after the piece at hand.

use super::CopyResult;
use super::layout::{Holes, Layout, Part};
use super::pace::Pace;
use super::pipe::Carrier;
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
const WORTH_A_PIPE: u64 = 256 << 10;

/// The same where the pipe is there.
const WORTH_THE_PIPE: u64 = 128 << 10;

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
    held: &BlockedSignals,
) -> CopyResult {
    with_buffer(|buffer| {
        let copier = Copier {
            held,
            transport,
            layout: Layout::new(holes),
            pace: Pace::new(),
            carrier: Carrier::new(range.fd_out),
            buffer,
            most: u64::MAX,
            unmade: 0,
            has_written: false,
            by_us: false,
            error: None,
        };
        copier.copy(range)
    })
}

pub(super) struct Copier<'a> {
    pub(super) held: &'a BlockedSignals,
    transport: Transport,
    layout: Layout,
    pace: Pace,
    carrier: Carrier,
    pub(super) buffer: &'a mut [u8],
    /// The most that is moved at once: less where room is short.
    most: u64,
    /// Bytes at the end of what is done that are a hole behind the target's end: they come to be
    /// when something is written behind them.
    pub(super) unmade: u64,
    /// Whether anything was written, and not only holes punched.
    pub(super) has_written: bool,
    /// Whether any of it was moved by us and not by the kernel.
    pub(super) by_us: bool,
    /// The error that ended it.
    pub(super) error: Option<Errno>,
}

impl Copier<'_> {
    fn copy(mut self, range: Range) -> CopyResult {
        let fits = range.len <= BUFFER_LEN.min(self.buffer.len() as u64);
        let bytes = if fits && self.transport == Transport::Library {
            self.at_once(range)
        } else {
            self.in_parts(range)
        };
        CopyResult {
            bytes,
            error: self.error,
            method: if self.by_us { Method::Emulated } else { Method::Kernel },
        }
    }

    /// One read, and one write unless there may be a hole: bytes moved.
    fn at_once(&mut self, range: Range) -> u64 {
        let Some(count) = self.read(&range, Buffers::SIZE) else { return 0 };
        let read =
            Buffers::aligned_to_offset(self.buffer, range.off_in).get(..count).unwrap_or_default();
        if self.layout.looks() && zeros::has_block(read, range.off_out) {
            return self.in_parts(clamp_to_rlimit(range.first(count as u64)));
        }
        let bytes = self.write(&range, 0, count);
        match self.must_fit(count as u64) {
            true => self.in_parts(clamp_to_rlimit(range.first(count as u64))),
            false => bytes,
        }
    }

    fn in_parts(&mut self, range: Range) -> u64 {
        let mut bytes = 0;
        while bytes < range.len {
            let rest = range.after(bytes);
            let (moved, wanted) = match self.layout.part(&rest) {
                Part::Data(len) => (self.data(rest.first(len), false), len),
                Part::Mixed(len) => (self.data(rest.first(len), true), len),
                Part::Hole(len) => (self.hole(rest.first(len)), len),
            };
            bytes += moved;
            if moved < wanted || self.held.has_pending() {
                break;
            }
        }
        let bytes = bytes - self.make_last_hole(&range.first(bytes));
        if bytes > 0 && !self.has_written {
            self.touch(&range.first(bytes));
        }
        bytes
    }

    /// Copies a range of data: bytes moved. Fewer than asked for at the end of the source, after
    /// an error, and where a signal is waiting.
    fn data(&mut self, range: Range, is_mixed: bool) -> u64 {
        let mut bytes = 0;
        while bytes < range.len && !(bytes > 0 && self.held.has_pending()) {
            let rest = self.pace.piece(range.after(bytes)).first(self.most);
            let begun_ns = sys::monotonic_ns();
            let moved = match self.transport {
                _ if is_mixed => Some(self.by_buffer(rest, Buffers::SIZE, true)),
                Transport::Kernel => self.by_kernel(rest),
                Transport::Library if self.is_worth_a_pipe(range.len - bytes) => self.by_pipe(rest),
                Transport::Library => Some(self.by_buffer(rest, Buffers::SIZE, false)),
                Transport::Buffer(most) => Some(self.by_buffer(rest, most, false)),
            };
            let Some(moved) = moved else { continue };
            let took_ns = sys::monotonic_ns().saturating_sub(begun_ns);
            self.pace.took(moved, moved == rest.len, took_ns);
            bytes += moved;
            if self.must_fit(rest.len) {
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
    fn must_fit(&mut self, len: u64) -> bool {
        let is_full = matches!(self.error, Some(Errno::ENOSPC | Errno::EDQUOT));
        if !is_full || len <= zeros::BLOCK as u64 {
            return false;
        }
        self.error = None;
        self.most = len.min(BUFFER_LEN) / 2;
        true
    }

    fn is_worth_a_pipe(&self, len: u64) -> bool {
        let least = if self.carrier.is_ready() { WORTH_THE_PIPE } else { WORTH_A_PIPE };
        len >= least && self.carrier.is_usable()
    }

    /// `None` where the kernel declines.
    fn by_kernel(&mut self, range: Range) -> Option<u64> {
        let copied = sys::copy_range(&range);
        trace_syscall_bytes("copy_file_range", range.fd_out, copied);
        match copied {
            Ok(0) => Some(0),
            Ok(bytes) => {
                self.wrote();
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
    fn by_pipe(&mut self, range: Range) -> Option<u64> {
        let (moved, error) = self.carrier.carry(&range)?;
        self.by_us = true;
        self.error = error;
        if moved > 0 {
            self.wrote();
        }
        Some(moved)
    }

    /// Copies what one buffer holds, and where `is_mixed` at most as far as blocks of zeros or of
    /// data reach.
    fn by_buffer(&mut self, range: Range, most: usize, is_mixed: bool) -> u64 {
        let Some(count) = self.read(&range, most) else { return 0 };
        let read =
            Buffers::aligned_to_offset(self.buffer, range.off_in).get(..count).unwrap_or_default();
        if !is_mixed || count == 0 {
            return self.write(&range, 0, count);
        }
        match zeros::beginning(read, range.off_out) {
            (len, true) => self.hole(range.first(len as u64)),
            (len, false) => self.write(&range, 0, len),
        }
    }

    /// Reads the range's first bytes into the buffer, at most `most`: how many. `None` after an
    /// error.
    fn read(&mut self, range: &Range, most: usize) -> Option<usize> {
        self.by_us = true;
        let room = Buffers::aligned_to_offset(self.buffer, range.off_in);
        let wanted = usize::try_from(range.len).unwrap_or(usize::MAX);
        let size = match room.len().min(most) {
            size if size >= wanted => wanted,
            // The next read begins with a page.
            size => size - unaligned(range.off_in, size),
        };
        let read = sys::read_at(range.fd_in, room.get_mut(..size)?, range.off_in);
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
            Ok(_) => self.wrote(),
            Err(errno) => self.error = Some(errno),
        }
        written.map_or(0, |bytes| bytes as u64)
    }

    /// To be told when bytes have come to the target: what is a hole before them is one now.
    fn wrote(&mut self) {
        self.unmade = 0;
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

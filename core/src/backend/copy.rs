//! Copying a range piece by piece: data by the kernel's copy_file_range or through a buffer, holes
//! as holes.
//!
//! The caller holds signals back; one that is waiting ends the copy after the piece at hand.

use super::Moved;
use crate::call::Method;
use crate::errno::Errno;
use crate::sys::{self, Buffers, HeldSignals, Prober, Range, Stat};
use crate::trail::{counted, declined, system_call};

static BUFFERS: Buffers = Buffers::new();

/// The most that the kernel is asked for at once: it does not notice signals that are held back,
/// and they should not wait for longer than a tenth of a second.
const KERNEL_PIECE: u64 = 16 << 20;

/// Through what data pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Through {
    /// The kernel's copy_file_range, which may share blocks; a buffer where it declines.
    Kernel,
    /// A buffer of at most so many bytes. No block is shared.
    Buffer(usize),
}

/// Copies the range. Where `sparse` is the source's state, its holes become the target's.
///
/// After the first byte an error only ends the copy. No byte of the target outside of what is
/// reported is changed.
pub(crate) fn copy(
    range: Range,
    through: Through,
    sparse: Option<Stat>,
    held: &HeldSignals,
) -> Moved {
    let prober = sparse.and_then(|stat| {
        let prober = Prober::open(range.fd_in, stat);
        system_call("open again, to look for holes,", range.fd_in, &prober);
        prober.ok()
    });
    BUFFERS.with_buffer(|buffer| {
        Copier { held, prober, through, buffer, by_us: false, trouble: None }.copy(range)
    })
}

/// What a part of a file holds.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Bytes, this many.
    Data(u64),
    /// Nothing, for this many.
    Hole(u64),
}

struct Copier<'a> {
    held: &'a HeldSignals,
    prober: Option<Prober>,
    through: Through,
    buffer: &'a mut [u8],
    /// Whether any of it was moved by us and not by the kernel.
    by_us: bool,
    /// The error that ended it.
    trouble: Option<Errno>,
}

impl Copier<'_> {
    fn copy(mut self, range: Range) -> Moved {
        let mut bytes = 0;
        while bytes < range.len {
            let rest = range.after(bytes);
            let part = self.part(&rest);
            let (moved, wanted) = match part {
                Part::Data(len) => (self.data(rest.first(len)), len),
                Part::Hole(len) => (self.hole(rest.first(len)), len),
            };
            bytes += moved;
            if moved < wanted || self.held.is_one_waiting() {
                break;
            }
        }
        Moved {
            bytes,
            trouble: self.trouble,
            method: if self.by_us { Method::Emulated } else { Method::Kernel },
        }
    }

    /// What the range begins with.
    fn part(&self, range: &Range) -> Part {
        let Some(prober) = &self.prober else { return Part::Data(range.len) };
        let until = |end: u64| end.saturating_sub(range.off_in).min(range.len);
        match prober.data(range.off_in) {
            Ok(data) if data > range.off_in => Part::Hole(until(data)),
            Ok(_) => match prober.hole(range.off_in) {
                Ok(hole) if hole > range.off_in => Part::Data(until(hole)),
                _ => Part::Data(range.len),
            },
            Err(Errno::ENXIO) => Part::Hole(range.len),
            Err(_) => Part::Data(range.len),
        }
    }

    /// Copies a range of data: bytes moved. Fewer than asked for at the end of the source, after
    /// an error, and where a signal is waiting.
    fn data(&mut self, range: Range) -> u64 {
        let mut bytes = 0;
        while bytes < range.len && !(bytes > 0 && self.held.is_one_waiting()) {
            let rest = range.after(bytes);
            let moved = match self.through {
                Through::Kernel => self.by_kernel(rest),
                Through::Buffer(most) => self.by_buffer(rest, most),
            };
            match moved {
                Some(0) => break,
                Some(more) => bytes += more,
                None => self.through = Through::Buffer(Buffers::SIZE),
            }
            if self.trouble.is_some() {
                break;
            }
        }
        bytes
    }

    /// `None` where the kernel declines.
    fn by_kernel(&mut self, range: Range) -> Option<u64> {
        let piece = range.first(KERNEL_PIECE);
        let copied = sys::copy_range(&piece);
        counted("copy_file_range", piece.fd_out, copied);
        match copied {
            Ok(bytes) => Some(bytes as u64),
            Err(errno @ (Errno::EXDEV | Errno::ENOSYS | Errno::EOPNOTSUPP)) => {
                declined(errno, "through a buffer");
                None
            }
            Err(errno) => {
                self.trouble = Some(errno);
                Some(0)
            }
        }
    }

    fn by_buffer(&mut self, range: Range, most: usize) -> Option<u64> {
        self.by_us = true;
        let wanted = usize::try_from(range.len).unwrap_or(usize::MAX);
        let size = self.buffer.len().min(most).min(wanted);
        let room = self.buffer.get_mut(..size)?;
        let read = sys::read_at(range.fd_in, room, range.off_in);
        counted("pread64", range.fd_in, read);
        match read {
            Ok(count) => {
                let (written, trouble) = write(&range, room.get(..count)?);
                self.trouble = trouble;
                Some(written)
            }
            Err(errno) => {
                self.trouble = Some(errno);
                Some(0)
            }
        }
    }

    /// Makes a range of the target read as zeros, as a hole where that can be had: bytes done.
    fn hole(&mut self, range: Range) -> u64 {
        self.by_us = true;
        let size = sys::stat(range.fd_out).map_or(0, |stat| stat.size);
        let within = range.first(size.saturating_sub(range.off_out));
        let mut done = 0;
        if within.len > 0 {
            match self.punch(within) {
                Ok(()) => done = within.len,
                Err(errno) => return self.zeros_after(errno, range),
            }
        }
        let beyond = range.after(done);
        if beyond.len > 0 {
            let extended = sys::extend(range.fd_out, beyond.off_out.saturating_add(beyond.len));
            system_call("fallocate to extend", range.fd_out, &extended);
            match extended {
                // That has allocated the last block, and it reads as zeros in any case.
                Ok(()) => drop(self.punch(beyond)),
                Err(errno) => return done + self.zeros_after(errno, beyond),
            }
        }
        range.len
    }

    fn punch(&self, range: Range) -> Result<(), Errno> {
        let punched = sys::punch_hole(range.fd_out, range.off_out, range.len);
        system_call("fallocate to punch a hole in", range.fd_out, &punched);
        punched
    }

    /// Writes zeros where the filesystem knows no holes; else the error is one.
    fn zeros_after(&mut self, errno: Errno, range: Range) -> u64 {
        match errno {
            Errno::EOPNOTSUPP | Errno::ENOSYS => self.zeros(range),
            errno => {
                self.trouble = Some(errno);
                0
            }
        }
    }

    /// Writes zeros: bytes written.
    fn zeros(&mut self, range: Range) -> u64 {
        self.buffer.fill(0);
        let mut bytes = 0;
        while bytes < range.len && !(bytes > 0 && self.held.is_one_waiting()) {
            let rest = range.after(bytes);
            let wanted = usize::try_from(rest.len).unwrap_or(usize::MAX);
            let piece = self.buffer.get(..wanted).unwrap_or(self.buffer);
            let (written, trouble) = write(&rest, piece);
            bytes += written;
            if trouble.is_some() {
                self.trouble = trouble;
                break;
            }
        }
        bytes
    }
}

/// Writes all of `bytes` to where the range begins in the target: how much was written, and the
/// error that ended it.
fn write(range: &Range, bytes: &[u8]) -> (u64, Option<Errno>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        let at = range.off_out.saturating_add(written as u64);
        let done = sys::write_at(range.fd_out, rest, at);
        counted("pwrite64", range.fd_out, done);
        match done {
            // Neither progress nor a reason: trying again might never end.
            Ok(0) => return (written as u64, Some(Errno::EIO)),
            Ok(count) => written += count,
            Err(errno) => return (written as u64, Some(errno)),
        }
    }
    (written as u64, None)
}

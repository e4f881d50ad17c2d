//! Copying a range piece by piece: data by the kernel's copy_file_range or through a buffer, holes
//! as holes.
//!
//! The caller holds signals back; one that is waiting ends the copy after the piece at hand.

use super::Moved;
use crate::call::Method;
use crate::errno::Errno;
use crate::sys::{self, Buffers, HeldSignals, Range};
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

/// What becomes of the source's holes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holes {
    /// They become zeros that take up space.
    Filled,
    /// They become holes.
    Kept,
}

/// Copies the range.
///
/// After the first byte an error only ends the copy. No byte of the target outside of what is
/// reported is changed.
pub(crate) fn copy(range: Range, through: Through, holes: Holes, held: &HeldSignals) -> Moved {
    let look = if holes == Holes::Kept { Look::AtMap } else { Look::Nowhere };
    BUFFERS.with_buffer(|buffer| {
        Copier { held, look, through, buffer, by_us: false, trouble: None }.copy(range)
    })
}

/// How holes are found. The host's file offset is not moved for it, nor the file opened again: to
/// close any descriptor of a file would drop the host's locks on it (fcntl(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    /// The filesystem tells where data are.
    AtMap,
    /// It does not: blocks of zeros are taken for holes, as FreeBSD does there.
    AtBytes,
    /// They are not looked for.
    Nowhere,
}

/// The unit in which zeros are taken for holes: no hole is smaller.
const BLOCK: usize = 4096;

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
    look: Look,
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
    fn part(&mut self, range: &Range) -> Part {
        if self.look != Look::AtMap {
            return Part::Data(range.len);
        }
        let found = sys::next_data(range.fd_in, range.off_in, range.len);
        system_call("ioctl FS_IOC_FIEMAP", range.fd_in, &found);
        match found {
            Ok((begin, end)) if begin == range.off_in => Part::Data(end - begin),
            Ok((begin, _)) => Part::Hole(begin - range.off_in),
            Err(_) => {
                self.look = Look::AtBytes;
                Part::Data(range.len)
            }
        }
    }

    /// Copies a range of data: bytes moved. Fewer than asked for at the end of the source, after
    /// an error, and where a signal is waiting.
    fn data(&mut self, range: Range) -> u64 {
        let mut bytes = 0;
        while bytes < range.len && !(bytes > 0 && self.held.is_one_waiting()) {
            let rest = range.after(bytes);
            let moved = match self.through {
                _ if self.look == Look::AtBytes => self.by_buffer(rest, Buffers::SIZE),
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
        let count = match read {
            Ok(count) => count,
            Err(errno) => {
                self.trouble = Some(errno);
                return Some(0);
            }
        };
        let read = self.buffer.get(..count)?;
        if self.look == Look::AtBytes && count > 0 {
            let (len, is_hole) = beginning(read, range.off_out);
            if is_hole {
                return Some(self.hole(range.first(len as u64)));
            }
            let (written, trouble) = write(&range, read.get(..len)?);
            self.trouble = trouble;
            return Some(written);
        }
        let (written, trouble) = write(&range, read);
        self.trouble = trouble;
        Some(written)
    }

    /// Makes a range of the target read as zeros, as a hole where that can be had: bytes done.
    fn hole(&mut self, range: Range) -> u64 {
        self.by_us = true;
        // A source that was cut meanwhile has no hole behind its end, but an end.
        let left =
            sys::stat(range.fd_in).map_or(range.len, |stat| stat.size.saturating_sub(range.off_in));
        let range = range.first(left);
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
            // The last two from filters; a seal's EPERM comes back from writing.
            Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EPERM | Errno::EINVAL => self.zeros(range),
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

/// How many of these bytes, which go to `offset`, are either all in blocks of zeros or all not, and
/// whether they are. Bytes of blocks that are not whole are data.
fn beginning(bytes: &[u8], offset: u64) -> (usize, bool) {
    let block = BLOCK as u64;
    let first = usize::try_from((block - offset % block) % block).unwrap_or(0);
    if first > 0 {
        return (first.min(bytes.len()), false);
    }
    let is_hole = |block: &&[u8]| block.len() == BLOCK && block.iter().all(|&byte| byte == 0);
    let mut blocks = bytes.chunks(BLOCK).map(|block| is_hole(&block));
    let begins = blocks.next().unwrap_or(false);
    let alike = 1 + blocks.take_while(|is_hole| *is_hole == begins).count();
    ((alike * BLOCK).min(bytes.len()), begins)
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

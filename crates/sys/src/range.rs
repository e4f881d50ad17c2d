//! Moving bytes between the descriptors of a call, at offsets that are given: file positions are
//! never touched, but by [`set_file_offset`](crate::set_file_offset) when all is done.

use crate::errno::Errno;
use crate::ioctl::{FICLONERANGE, FIDEDUPERANGE};
use crate::raw::{answer, reg, syscall};

/// A range of one file and where it goes in another. Offsets and length in bytes; no end lies
/// beyond `i64::MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Source descriptor.
    pub fd_in: i32,
    /// Where to read.
    pub off_in: u64,
    /// Target descriptor.
    pub fd_out: i32,
    /// Where to write.
    pub off_out: u64,
    /// How much.
    pub len: u64,
}

impl Range {
    /// What is left of it when its first `done` bytes are dealt with.
    #[must_use]
    pub fn after(self, done: u64) -> Range {
        Range {
            off_in: self.off_in.saturating_add(done),
            off_out: self.off_out.saturating_add(done),
            len: self.len.saturating_sub(done),
            ..self
        }
    }

    /// Its first `len` bytes.
    #[must_use]
    pub fn first(self, len: u64) -> Range {
        Range { len: len.min(self.len), ..self }
    }
}

/// A word as the register holds it; all machines that this crate is built for have 64 bits.
fn word(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// pread(2): bytes read, 0 at the end.
pub fn read_at(fd: i32, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let registers = [reg(fd), buffer.as_mut_ptr() as usize, buffer.len(), word(offset), 0, 0];
    // SAFETY: the kernel writes at most buffer.len() bytes.
    answer(unsafe { syscall(libc::SYS_pread64, registers) })
}

/// pwrite(2): bytes written. With `O_APPEND` the offset would count for nothing, so the caller
/// keeps such descriptors away.
pub fn write_at(fd: i32, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    let registers = [reg(fd), bytes.as_ptr() as usize, bytes.len(), word(offset), 0, 0];
    // SAFETY: the kernel reads `bytes`.
    answer(unsafe { syscall(libc::SYS_pwrite64, registers) })
}

/// The kernel's copy_file_range(2) of this range: bytes copied.
pub fn copy_range(range: &Range) -> Result<usize, Errno> {
    let (mut off_in, mut off_out) = (range.off_in, range.off_out);
    let registers = [
        reg(range.fd_in),
        &raw mut off_in as usize,
        reg(range.fd_out),
        &raw mut off_out as usize,
        word(range.len),
        0,
    ];
    // SAFETY: two offsets of ours, which the kernel reads and writes.
    answer(unsafe { syscall(libc::SYS_copy_file_range, registers) })
}

/// FICLONERANGE (ioctl_ficlonerange(2)): the whole range is shared, or nothing is. Its length must
/// not be 0, which to the kernel means all that there is.
pub fn clone_range(range: &Range) -> Result<(), Errno> {
    // struct file_clone_range: the source in 64 bits, then offset, length, target offset.
    let argument = [reg(range.fd_in) as u64, range.off_in, range.len, range.off_out];
    let registers = [reg(range.fd_out), FICLONERANGE as usize, argument.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads the 32 bytes of a struct file_clone_range.
    answer(unsafe { syscall(libc::SYS_ioctl, registers) }).map(drop)
}

/// What FIDEDUPERANGE found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deduped {
    /// So many bytes from the start are identical and shared now.
    Same(u64),
    /// The ranges differ; nothing was changed.
    Differs,
}

/// FIDEDUPERANGE (ioctl_fideduperange(2)) of as much of the range as the kernel takes in one call.
pub fn dedupe_range(range: &Range) -> Result<Deduped, Errno> {
    /// struct file_dedupe_range with the one struct file_dedupe_range_info behind it.
    #[repr(C)]
    struct FileDedupeRange {
        src_offset: u64,
        src_length: u64,
        dest_count: u16,
        reserved1: u16,
        reserved2: u32,
        dest_fd: i64,
        dest_offset: u64,
        bytes_deduped: u64,
        status: i32,
        reserved: u32,
    }
    const FILE_DEDUPE_RANGE_DIFFERS: i32 = 1;
    let mut request = FileDedupeRange {
        src_offset: range.off_in,
        src_length: range.len,
        dest_count: 1,
        reserved1: 0,
        reserved2: 0,
        dest_fd: i64::from(range.fd_out),
        dest_offset: range.off_out,
        bytes_deduped: 0,
        status: 0,
        reserved: 0,
    };
    let registers = [reg(range.fd_in), FIDEDUPERANGE as usize, &raw mut request as usize, 0, 0, 0];
    // SAFETY: the kernel reads and writes a struct file_dedupe_range with one target.
    answer(unsafe { syscall(libc::SYS_ioctl, registers) })?;
    match request.status {
        FILE_DEDUPE_RANGE_DIFFERS => Ok(Deduped::Differs),
        0.. => Ok(Deduped::Same(request.bytes_deduped)),
        negative => Err(Errno(negative.wrapping_neg())),
    }
}

/// Makes `len` bytes at `offset` a hole, within the file's size (fallocate(2),
/// `FALLOC_FL_PUNCH_HOLE`). EOPNOTSUPP where the filesystem has no holes.
pub fn punch_hole(fd: i32, offset: u64, len: u64) -> Result<(), Errno> {
    fallocate(fd, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, offset, len)
}

/// Makes the file at least `size` bytes long, never shorter: ftruncate(2) would cut off what
/// another process has appended meanwhile. Its last block is allocated. `size` is not 0.
pub fn extend(fd: i32, size: u64) -> Result<(), Errno> {
    fallocate(fd, 0, size.saturating_sub(1), 1)
}

/// Allocates `len` bytes at `offset`, behind the file's end maybe, and leaves its size as it is
/// (fallocate(2), `FALLOC_FL_KEEP_SIZE`). EOPNOTSUPP where the filesystem cannot.
pub fn preallocate(fd: i32, offset: u64, len: u64) -> Result<(), Errno> {
    fallocate(fd, libc::FALLOC_FL_KEEP_SIZE, offset, len)
}

fn fallocate(fd: i32, mode: i32, offset: u64, len: u64) -> Result<(), Errno> {
    let registers = [reg(fd), reg(mode), word(offset), word(len), 0, 0];
    // SAFETY: no pointers.
    answer(unsafe { syscall(libc::SYS_fallocate, registers) }).map(drop)
}

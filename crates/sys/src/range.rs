//! System calls that move or share a range of bytes at explicit offsets: none moves a file offset.

use crate::cookie::cookie;
use crate::errno::Errno;
use crate::ioctl::{FICLONERANGE, FIDEDUPERANGE};
use crate::raw::{decode, reg, syscall};

/// A range of a source and its place in a target, in bytes. No end is beyond `i64::MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    pub fd_in: i32,
    pub off_in: u64,
    pub fd_out: i32,
    pub off_out: u64,
    pub len: u64,
}

impl Range {
    /// Returns the rest after the first `done` bytes.
    #[must_use]
    pub fn after(self, done: u64) -> Range {
        Range {
            off_in: self.off_in.saturating_add(done),
            off_out: self.off_out.saturating_add(done),
            len: self.len.saturating_sub(done),
            ..self
        }
    }

    /// Returns the first `len` bytes.
    #[must_use]
    pub fn first(self, len: u64) -> Range {
        Range { len: len.min(self.len), ..self }
    }
}

/// Converts a word to a register; all supported machines have 64 bits.
fn word(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Reads at `offset` (pread(2)); returns the bytes read, 0 at the end of the file.
pub fn read_at(fd: i32, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let registers = [reg(fd), buffer.as_mut_ptr() as usize, buffer.len(), word(offset), 0, 0];
    // SAFETY: the kernel writes at most buffer.len() bytes.
    decode(unsafe { syscall(libc::SYS_pread64, registers) })
}

/// Writes at `offset` (pwrite(2)); returns the bytes written. On a descriptor with `O_APPEND` the
/// kernel ignores the offset, so the caller must not pass one.
pub fn write_at(fd: i32, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    let registers = [reg(fd), bytes.as_ptr() as usize, bytes.len(), word(offset), 0, 0];
    // SAFETY: the kernel reads `bytes`.
    decode(unsafe { syscall(libc::SYS_pwrite64, registers) })
}

/// Makes copy_file_range(2) of this range; returns the bytes copied.
pub fn copy_range(range: &Range) -> Result<usize, Errno> {
    let (mut off_in, mut off_out) = (range.off_in, range.off_out);
    let registers = [
        reg(range.fd_in),
        &raw mut off_in as usize,
        reg(range.fd_out),
        &raw mut off_out as usize,
        word(range.len),
        cookie(),
    ];
    // SAFETY: both offsets are ours; the kernel reads and writes them.
    decode(unsafe { syscall(libc::SYS_copy_file_range, registers) })
}

/// Shares the whole range or nothing by FICLONERANGE (ioctl_ficlonerange(2)). The length must not
/// be 0, which to the kernel means up to the end of the source.
pub fn clone_range(range: &Range) -> Result<(), Errno> {
    // struct file_clone_range: the source's descriptor in 64 bits, its offset, length, the target's
    // offset.
    let argument = [reg(range.fd_in) as u64, range.off_in, range.len, range.off_out];
    let address = argument.as_ptr() as usize;
    let registers = [reg(range.fd_out), FICLONERANGE as usize, address, 0, 0, cookie()];
    // SAFETY: the kernel reads the 32 bytes of a struct file_clone_range.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) }).map(drop)
}

/// The result of FIDEDUPERANGE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deduped {
    /// This many bytes from the start are identical and shared now.
    Same(u64),
    /// The ranges differ; nothing was changed.
    Differs,
}

/// Shares identical blocks by FIDEDUPERANGE (ioctl_fideduperange(2)), as much of the range as the
/// kernel takes in one call.
pub fn dedupe_range(range: &Range) -> Result<Deduped, Errno> {
    /// struct file_dedupe_range with one struct file_dedupe_range_info behind it.
    #[repr(C)]
    struct DedupeOneRequest {
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
    let mut request = DedupeOneRequest {
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
    let address = &raw mut request as usize;
    let registers = [reg(range.fd_in), FIDEDUPERANGE as usize, address, 0, 0, cookie()];
    // SAFETY: the kernel reads and writes a struct file_dedupe_range with one target.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) })?;
    match request.status {
        FILE_DEDUPE_RANGE_DIFFERS => Ok(Deduped::Differs),
        0.. => Ok(Deduped::Same(request.bytes_deduped)),
        negative => Err(Errno(negative.wrapping_neg())),
    }
}

/// Makes `len` bytes at `offset` a hole and keeps the file's size (fallocate(2),
/// `FALLOC_FL_PUNCH_HOLE`). EOPNOTSUPP if the filesystem has no holes.
pub fn punch_hole(fd: i32, offset: u64, len: u64) -> Result<(), Errno> {
    fallocate(fd, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, offset, len)
}

/// Makes the file at least `size` bytes long (not 0) and never shorter: ftruncate(2) would cut off
/// what another process has appended meanwhile. The last block is allocated.
pub fn extend(fd: i32, size: u64) -> Result<(), Errno> {
    fallocate(fd, 0, size.saturating_sub(1), 1)
}

/// Allocates `len` bytes at `offset`, also beyond the end of the file, and keeps the file's size
/// (fallocate(2), `FALLOC_FL_KEEP_SIZE`). EOPNOTSUPP if the filesystem does not support it.
pub fn preallocate(fd: i32, offset: u64, len: u64) -> Result<(), Errno> {
    fallocate(fd, libc::FALLOC_FL_KEEP_SIZE, offset, len)
}

/// Reports whether the kernel lets `fd` be written to: it is open for writing, its file is a regular one
/// or a block device, not immutable and not active swap space, and no security module forbids it. It
/// changes nothing: fallocate(2) refuses a range that ends beyond every file with EFBIG, but only
/// after these checks (vfs_fallocate(), Linux 3.15 and later).
#[must_use]
pub fn kernel_allows_writing(fd: i32) -> bool {
    fallocate(fd, 0, i64::MAX.cast_unsigned(), 1) == Err(Errno::EFBIG)
}

fn fallocate(fd: i32, mode: i32, offset: u64, len: u64) -> Result<(), Errno> {
    let registers = [reg(fd), reg(mode), word(offset), word(len), 0, 0];
    // SAFETY: no pointers.
    decode(unsafe { syscall(libc::SYS_fallocate, registers) }).map(drop)
}

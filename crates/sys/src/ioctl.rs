//! The ioctls by which programs share blocks, and sendfile(2), as the program makes them: passed on,
//! and their arguments read where the kernel says that they can be.

use crate::copy_file_range::{OffsetPointer, read_offset, write_offset};
use crate::errno::Errno;
use crate::raw::{answer, reg, syscall};
use crate::signal::BlockedSignals;

/// The number of ioctl(2) on this architecture.
pub const IOCTL: core::ffi::c_long = libc::SYS_ioctl;
/// FICLONE of linux/fs.h: `_IOW(0x94, 9, int)`.
pub const FICLONE: u32 = 0x4004_9409;
/// FICLONERANGE: `_IOW(0x94, 13, struct file_clone_range)`.
pub const FICLONERANGE: u32 = 0x4020_940d;
/// FIDEDUPERANGE: `_IOWR(0x94, 54, struct file_dedupe_range)`.
pub const FIDEDUPERANGE: u32 = 0xc018_9436;

/// struct `file_dedupe_range` without its targets, in bytes.
const HEAD: usize = 24;
/// struct `file_dedupe_range_info`, in bytes.
const TARGET: usize = 32;

/// The third argument of an ioctl(2): a number, or the address of a struct, maybe a wild one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoctlArg(pub(crate) usize);

/// struct `file_clone_range`, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileCloneRange {
    /// The source's descriptor.
    pub src_fd: i32,
    /// Where the range begins in it.
    pub src_offset: u64,
    /// Its length; 0 is up to the source's end.
    pub src_length: u64,
    /// Where it begins in the target.
    pub dest_offset: u64,
}

/// struct `file_dedupe_range` without its targets, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileDedupeRange {
    /// Where the range begins in the source.
    pub src_offset: u64,
    /// Its length.
    pub src_length: u64,
    /// How many targets follow.
    pub dest_count: u16,
}

/// struct `file_dedupe_range_info`: one target, and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileDedupeRangeInfo {
    /// Its descriptor.
    pub dest_fd: i32,
    /// Where the range begins in it, in bytes.
    pub dest_offset: u64,
    /// Bytes that are shared now.
    pub bytes_deduped: u64,
    /// 0 where the ranges are the same, 1 where they differ, or −errno.
    pub status: i32,
}

impl IoctlArg {
    /// Wraps what the caller gave.
    #[must_use]
    pub fn new(argument: usize) -> Self {
        IoctlArg(argument)
    }

    /// A descriptor, as FICLONE takes it.
    #[must_use]
    pub fn descriptor(self) -> i32 {
        descriptor(self.0 as u64)
    }

    /// The argument as a number.
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// What FICLONERANGE was given. EFAULT where the memory cannot be read.
    pub fn clone_range(self) -> Result<FileCloneRange, Errno> {
        let [src_fd, src_offset, src_length, dest_offset] = self.words(0)?;
        Ok(FileCloneRange { src_fd: descriptor(src_fd), src_offset, src_length, dest_offset })
    }

    /// What FIDEDUPERANGE was given. EFAULT where the memory cannot be read.
    pub fn dedupe_range(self) -> Result<FileDedupeRange, Errno> {
        let [src_offset, src_length, count] = self.words(0)?;
        let [low, high, ..] = count.to_ne_bytes();
        Ok(FileDedupeRange { src_offset, src_length, dest_count: u16::from_ne_bytes([low, high]) })
    }

    /// Target number `index` of FIDEDUPERANGE. EFAULT where the memory cannot be read.
    pub fn dedupe_target(self, index: u16) -> Result<FileDedupeRangeInfo, Errno> {
        let words = self.words(HEAD + TARGET * usize::from(index))?;
        let [dest_fd, dest_offset, bytes_deduped, status] = words;
        let [a, b, c, d, ..] = status.to_ne_bytes();
        let status = i32::from_ne_bytes([a, b, c, d]);
        Ok(FileDedupeRangeInfo { dest_fd: descriptor(dest_fd), dest_offset, bytes_deduped, status })
    }

    /// Sets the length that FIDEDUPERANGE is asked for, in bytes. EFAULT where the memory cannot be written.
    pub fn set_dedupe_length(self, bytes: u64) -> Result<(), Errno> {
        const SRC_LENGTH: usize = 8;
        self.put(SRC_LENGTH, bytes)
    }

    /// Has target number `index` of FIDEDUPERANGE say that its ranges are the same as far as they were
    /// compared, and that this was nowhere. EFAULT likewise.
    pub fn clear_dedupe_target(self, index: u16) -> Result<(), Errno> {
        let start = HEAD + TARGET * usize::from(index);
        self.put(start + 16, 0)?;
        // The status, and what is reserved and must be 0.
        self.put(start + 24, 0)
    }

    fn put(self, at: usize, word: u64) -> Result<(), Errno> {
        let address = self.0.checked_add(at).ok_or(Errno::EFAULT)?;
        let _held = BlockedSignals::new();
        write_offset(OffsetPointer::new(address as *mut i64), word.cast_signed())
    }

    /// Words of the struct, from byte `at` on. The kernel is asked for the first and the last, as for
    /// an offset ([`read_offset`]): these structs are shorter than a page.
    fn words<const COUNT: usize>(self, at: usize) -> Result<[u64; COUNT], Errno> {
        let first = self.0.checked_add(at).ok_or(Errno::EFAULT)?;
        let last = first.checked_add(COUNT * 8 - 8).ok_or(Errno::EFAULT)?;
        for word in [first, last] {
            read_offset(OffsetPointer::new(word as *mut i64))?;
        }
        let words = first as *const [[u8; 8]; COUNT];
        // SAFETY: the kernel has just read the first and the last of these bytes, and no page is
        // between. Volatile, because the host's other threads may write them.
        let words = unsafe { words.read_volatile() };
        Ok(words.map(u64::from_ne_bytes))
    }
}

/// A descriptor that stands in 64 bits: the lower half counts.
fn descriptor(word: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    let fd = word as i32;
    fd
}

/// ioctl(2) with one of the requests above: what the kernel says.
pub fn ioctl(fd: i32, request: usize, argument: IoctlArg) -> Result<usize, Errno> {
    let registers = [reg(fd), request, argument.0, 0, 0, 0];
    // SAFETY: the kernel checks the pointer; what it writes there is what the host asked it to write.
    answer(unsafe { syscall(libc::SYS_ioctl, registers) })
}

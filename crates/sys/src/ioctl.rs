//! ioctl(2) requests that share blocks, as the program makes them: forwarding, and access to their
//! arguments after the kernel has checked them.

use crate::cookie::cookie;
use crate::copy_file_range::{OffsetPointer, read_offset, write_offset};
use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};
use crate::signal::BlockedSignals;

/// The number of ioctl(2) on this architecture.
pub const IOCTL: core::ffi::c_long = libc::SYS_ioctl;
/// `_IOW(0x94, 9, int)` of linux/fs.h.
pub const FICLONE: u32 = 0x4004_9409;
/// `_IOW(0x94, 13, struct file_clone_range)` of linux/fs.h.
pub const FICLONERANGE: u32 = 0x4020_940d;
/// `_IOWR(0x94, 54, struct file_dedupe_range)` of linux/fs.h.
pub const FIDEDUPERANGE: u32 = 0xc018_9436;

/// Bytes of `struct file_dedupe_range` without its targets.
const HEAD: usize = 24;
/// Bytes of `struct file_dedupe_range_info`.
const TARGET: usize = 32;

/// The third argument of ioctl(2): a number, or the address of a struct, which may be invalid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoctlArg(pub(crate) usize);

/// `struct file_clone_range` of linux/fs.h (ioctl_ficlonerange(2)); offsets and lengths in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileCloneRange {
    pub src_fd: i32,
    pub src_offset: u64,
    /// 0 means up to the end of the source.
    pub src_length: u64,
    pub dest_offset: u64,
}

/// `struct file_dedupe_range` without its targets (ioctl_fideduperange(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileDedupeRange {
    pub src_offset: u64,
    pub src_length: u64,
    /// How many targets follow.
    pub dest_count: u16,
}

/// `struct file_dedupe_range_info`: one target and its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileDedupeRangeInfo {
    pub dest_fd: i32,
    pub dest_offset: u64,
    /// Bytes that are shared now.
    pub bytes_deduped: u64,
    /// 0 if the ranges are identical, 1 if they differ, or −errno.
    pub status: i32,
}

impl IoctlArg {
    /// Wraps the caller's argument.
    #[must_use]
    pub fn new(argument: usize) -> Self {
        IoctlArg(argument)
    }

    /// Returns the descriptor that FICLONE passes.
    #[must_use]
    pub fn descriptor(self) -> i32 {
        descriptor(self.0 as u64)
    }

    /// Returns the address, for the log.
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Reads the argument of FICLONERANGE. EFAULT if the memory is not readable.
    pub fn clone_range(self) -> Result<FileCloneRange, Errno> {
        let [src_fd, src_offset, src_length, dest_offset] = self.words(0)?;
        Ok(FileCloneRange { src_fd: descriptor(src_fd), src_offset, src_length, dest_offset })
    }

    /// Reads the head of the argument of FIDEDUPERANGE. EFAULT if the memory is not readable.
    pub fn dedupe_range(self) -> Result<FileDedupeRange, Errno> {
        let [src_offset, src_length, count] = self.words(0)?;
        let [low, high, ..] = count.to_ne_bytes();
        Ok(FileDedupeRange { src_offset, src_length, dest_count: u16::from_ne_bytes([low, high]) })
    }

    /// Reads target `index` (from 0) of FIDEDUPERANGE. EFAULT if the memory is not readable.
    pub fn dedupe_target(self, index: u16) -> Result<FileDedupeRangeInfo, Errno> {
        let words = self.words(HEAD + TARGET * usize::from(index))?;
        let [dest_fd, dest_offset, bytes_deduped, status] = words;
        let [a, b, c, d, ..] = status.to_ne_bytes();
        let status = i32::from_ne_bytes([a, b, c, d]);
        Ok(FileDedupeRangeInfo { dest_fd: descriptor(dest_fd), dest_offset, bytes_deduped, status })
    }

    /// Sets the length of FIDEDUPERANGE, in bytes. EFAULT if the memory is not writable.
    pub fn set_dedupe_length(self, bytes: u64) -> Result<(), Errno> {
        const SRC_LENGTH: usize = 8;
        self.put(SRC_LENGTH, bytes)
    }

    /// Sets the result of target `index` of FIDEDUPERANGE: this status and 0 bytes. EFAULT if the memory
    /// is not writable.
    pub fn set_dedupe_target(self, index: u16, status: i32) -> Result<(), Errno> {
        let start = HEAD + TARGET * usize::from(index);
        self.put(start + 16, 0)?;
        // The reserved field after the status must be 0.
        let [a, b, c, d] = status.to_ne_bytes();
        self.put(start + 24, u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]))
    }

    fn put(self, at: usize, word: u64) -> Result<(), Errno> {
        let address = self.0.checked_add(at).ok_or(Errno::EFAULT)?;
        let _blocked = BlockedSignals::new();
        write_offset(OffsetPointer::new(address as *mut i64), word.cast_signed())
    }

    /// Reads words of the struct from byte `at` on. The kernel checks the first and the last, as
    /// for an offset ([`read_offset`]): these structs are shorter than a page.
    fn words<const COUNT: usize>(self, at: usize) -> Result<[u64; COUNT], Errno> {
        let first = self.0.checked_add(at).ok_or(Errno::EFAULT)?;
        let last = first.checked_add(COUNT * 8 - 8).ok_or(Errno::EFAULT)?;
        for word in [first, last] {
            read_offset(OffsetPointer::new(word as *mut i64))?;
        }
        let words = first as *const [[u8; 8]; COUNT];
        // SAFETY: the kernel has just read the first and the last of these bytes, and there is no
        // page between. Volatile, because other threads of the host may write them.
        let words = unsafe { words.read_volatile() };
        Ok(words.map(u64::from_ne_bytes))
    }
}

/// Returns a descriptor that is passed in 64 bits: the kernel uses the lower half.
fn descriptor(word: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    let fd = word as i32;
    fd
}

/// Makes the system call with the program's arguments: one of the requests that share blocks.
pub fn ioctl(fd: i32, request: usize, argument: IoctlArg) -> Result<usize, Errno> {
    let registers = [reg(fd), request, argument.0, 0, 0, cookie()];
    // SAFETY: the kernel checks the pointer; the host asked it to write there.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) })
}

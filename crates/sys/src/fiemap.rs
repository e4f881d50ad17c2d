//! Maps a file's extents (ioctl_fiemap(2)): which ranges have data, and whether their blocks are
//! shared. Unlike lseek(2) with `SEEK_DATA`, it does not move the file offset.

use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};

const FS_IOC_FIEMAP: usize = 0xc020_660b;
/// Writes dirty pages out first: they have no blocks yet that could be shared.
const FIEMAP_FLAG_SYNC: u32 = 1;
/// The last extent of the file.
const FIEMAP_EXTENT_LAST: u32 = 1;
/// Allocated and never written: it reads as zeros.
const FIEMAP_EXTENT_UNWRITTEN: u32 = 0x800;
/// The blocks belong to other files as well.
const FIEMAP_EXTENT_SHARED: u32 = 0x2000;

/// Whether the blocks of a range are shared with another file, another range of the same file, or a
/// snapshot. A range without blocks has none of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// Every block is shared.
    Shared,
    /// Some blocks are shared.
    PartlyShared,
    /// No block is shared.
    NotShared,
}

/// Extents of one query; they are on the stack, 56 bytes each.
const EXTENTS: u32 = 8;

/// `struct fiemap_extent` of linux/fiemap.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap` of linux/fiemap.h followed by its extents. It takes 480 bytes of stack, so one
/// is used for a whole walk.
#[repr(C)]
struct FiemapRequest {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [Extent; EXTENTS as usize],
}

impl FiemapRequest {
    fn new(flags: u32) -> FiemapRequest {
        const NONE: Extent = Extent {
            logical: 0,
            physical: 0,
            length: 0,
            reserved64: [0; 2],
            flags: 0,
            reserved: [0; 3],
        };
        FiemapRequest {
            start: 0,
            length: 0,
            flags,
            mapped_extents: 0,
            extent_count: EXTENTS,
            reserved: 0,
            extents: [NONE; EXTENTS as usize],
        }
    }

    /// Returns the first extents between `start` and `end`, in bytes.
    #[inline(never)]
    fn query(&mut self, fd: i32, start: u64, end: u64) -> Result<&[Extent], Errno> {
        (self.start, self.length, self.mapped_extents) = (start, end - start, 0);
        let registers = [reg(fd), FS_IOC_FIEMAP, &raw mut *self as usize, 0, 0, 0];
        // SAFETY: the kernel reads and writes a struct fiemap and at most `extent_count` extents
        // behind it.
        decode(unsafe { syscall(libc::SYS_ioctl, registers) })?;
        let count = self.mapped_extents.min(EXTENTS) as usize;
        Ok(self.extents.get(..count).unwrap_or_default())
    }
}

/// Reports whether the `len` bytes at `offset` share their blocks, and how many of them do; `None` if
/// they have none, as a hole. Writes dirty pages of the file out first. EOPNOTSUPP or ENOTTY if the
/// filesystem has no FIEMAP.
pub fn shares_blocks(fd: i32, offset: u64, len: u64) -> Result<Option<(Sharing, u64)>, Errno> {
    let end = offset.saturating_add(len);
    let mut start = offset;
    let (mut shared, mut own) = (false, false);
    let mut shared_bytes = 0u64;
    let mut request = FiemapRequest::new(FIEMAP_FLAG_SYNC);
    while start < end {
        let extents = request.query(fd, start, end)?;
        let mut next = start;
        for extent in extents {
            if extent.flags & FIEMAP_EXTENT_SHARED == 0 {
                own = true;
            } else {
                shared = true;
                let first = extent.logical.max(start);
                let last = extent.logical.saturating_add(extent.length).min(end);
                shared_bytes = shared_bytes.saturating_add(last.saturating_sub(first));
            }
            let is_last = extent.flags & FIEMAP_EXTENT_LAST != 0;
            next = if is_last { end } else { extent.logical.saturating_add(extent.length) };
        }
        // No more extents in the range, or a filesystem that returns the same ones again.
        if extents.len() < EXTENTS as usize || next <= start {
            break;
        }
        start = next;
    }
    Ok(match (shared, own) {
        (true, false) => Some((Sharing::Shared, shared_bytes)),
        (true, true) => Some((Sharing::PartlyShared, shared_bytes)),
        (false, true) => Some((Sharing::NotShared, 0)),
        (false, false) => None,
    })
}

/// Whether dirty pages are written out before the map is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FiemapMode {
    /// The map as it is: what it lists are data, but data that were written lately may be missing.
    Cached,
    /// Dirty pages are written out first (`FIEMAP_FLAG_SYNC`): what the map does not list has no
    /// data.
    Synced,
}

/// Returns the start of the first data at or after `offset` and their end as far as one query shows
/// it; both are `offset + len` if there are no data before that. Unwritten extents count as holes.
/// EOPNOTSUPP or ENOTTY if the filesystem has no FIEMAP (tmpfs).
pub fn next_data(fd: i32, offset: u64, len: u64, mode: FiemapMode) -> Result<(u64, u64), Errno> {
    let end = offset.saturating_add(len);
    let mut start = offset;
    let mut request =
        FiemapRequest::new(if mode == FiemapMode::Synced { FIEMAP_FLAG_SYNC } else { 0 });
    while start < end {
        let extents = request.query(fd, start, end)?;
        let mut found: Option<(u64, u64)> = None;
        let mut next = end;
        for extent in extents {
            let extent_end = extent.logical.saturating_add(extent.length);
            next = extent_end;
            // btrfs also lists dirty extents that end at the start of the range.
            if extent_end <= start {
                continue;
            }
            let is_hole = extent.flags & FIEMAP_EXTENT_UNWRITTEN != 0;
            found = match found {
                None if is_hole => None,
                None => Some((extent.logical.max(offset), extent_end)),
                Some((begin, data_end)) if !is_hole && extent.logical <= data_end => {
                    Some((begin, extent_end))
                }
                complete => {
                    next = end;
                    complete
                }
            };
        }
        match found {
            Some((begin, data_end)) => return Ok((begin.min(end), data_end.min(end))),
            // Only holes so far; the file may have more extents.
            None if extents.len() == EXTENTS as usize && next > start => start = next,
            None => break,
        }
    }
    Ok((end, end))
}

/// Reports whether `offset` is beyond the largest file of the filesystem of `fd`. No call returns
/// the maximum, but FS_IOC_FIEMAP fails with EFBIG if it starts at or beyond it (ioctl_fiemap(2)).
#[must_use]
pub fn is_beyond_filesystem(fd: i32, offset: u64) -> bool {
    if i64::try_from(offset).is_ok_and(|offset| offset == i64::MAX) {
        return true;
    }
    // struct fiemap: start, length, flags and mapped extents, extent count and padding. With a
    // count of 0 the extents are only counted.
    let mut fiemap = [offset, 1, 0, 0];
    let registers = [reg(fd), FS_IOC_FIEMAP, fiemap.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads and writes the 32 bytes of a struct fiemap without extents.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) }) == Err(Errno::EFBIG)
}

//! What the map of a file's blocks tells: where data are, whether they are shared, and where no
//! block may be. Unlike lseek(2) with `SEEK_DATA`, asking for it moves no file offset.

use crate::errno::Errno;
use crate::raw::{answer, reg, syscall};

const FS_IOC_FIEMAP: usize = 0xc020_660b;
/// Written out first: what is still in memory has no place on the disk that it could share.
const FIEMAP_FLAG_SYNC: u32 = 1;
/// The last extent of the file.
const FIEMAP_EXTENT_LAST: u32 = 1;
/// Allocated and never written: it reads as zeros.
const FIEMAP_EXTENT_UNWRITTEN: u32 = 0x800;
/// The blocks belong to other files as well.
const FIEMAP_EXTENT_SHARED: u32 = 0x2000;

/// How much of a range shares its blocks with something else: another file, another place of the
/// same file, a snapshot. Holes count for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// Every block.
    Shared,
    /// Some blocks do and some do not.
    PartlyShared,
    /// No block, or there is none.
    NotShared,
}

/// How many extents the kernel is asked for at a time: few, because they stand on the stack.
const EXTENTS: u32 = 8;

/// struct `fiemap_extent` of linux/fiemap.h.
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

/// struct `fiemap` of linux/fiemap.h, with room for extents behind it. Half a kilobyte of stack, so
/// there is one of them for a whole walk.
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

    /// The first extents from `start` to `end`.
    #[inline(never)]
    fn query(&mut self, fd: i32, start: u64, end: u64) -> Result<&[Extent], Errno> {
        (self.start, self.length, self.mapped_extents) = (start, end - start, 0);
        let registers = [reg(fd), FS_IOC_FIEMAP, &raw mut *self as usize, 0, 0, 0];
        // SAFETY: the kernel reads and writes a struct fiemap and as many extents behind it as it
        // says there is room for.
        answer(unsafe { syscall(libc::SYS_ioctl, registers) })?;
        let count = self.mapped_extents.min(EXTENTS) as usize;
        Ok(self.extents.get(..count).unwrap_or_default())
    }
}

/// Whether `len` bytes at `offset` share their blocks (ioctl_fiemap(2)). What was written lately
/// is brought to the disk for that. EOPNOTSUPP or ENOTTY where the filesystem does not tell.
pub fn shares_blocks(fd: i32, offset: u64, len: u64) -> Result<Sharing, Errno> {
    let end = offset.saturating_add(len);
    let mut start = offset;
    let (mut shared, mut own) = (false, false);
    let mut request = FiemapRequest::new(FIEMAP_FLAG_SYNC);
    while start < end {
        let extents = request.query(fd, start, end)?;
        let mut next = start;
        for extent in extents {
            if extent.flags & FIEMAP_EXTENT_SHARED == 0 {
                own = true;
            } else {
                shared = true;
            }
            let is_last = extent.flags & FIEMAP_EXTENT_LAST != 0;
            next = if is_last { end } else { extent.logical.saturating_add(extent.length) };
        }
        // Nothing more in the range, or a filesystem that repeats itself.
        if extents.len() < EXTENTS as usize || next <= start {
            break;
        }
        start = next;
    }
    Ok(match (shared, own) {
        (true, false) => Sharing::Shared,
        (true, true) => Sharing::PartlyShared,
        (false, _) => Sharing::NotShared,
    })
}

/// Which map is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FiemapMode {
    /// The map as it is: where it has data there are some, but it may not have those yet that were
    /// written lately.
    Cached,
    /// What was written lately is brought to the disk first: where this map has none, there are none.
    Synced,
}

/// Where the first data at or behind `offset` begin, and where they end as far as one query tells;
/// both are `offset + len` where there are none before that. Blocks that were allocated and not
/// written count as none. EOPNOTSUPP or ENOTTY where the filesystem does not tell (tmpfs).
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
            // btrfs tells of data too that were written lately and end where the range begins.
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
            // Only holes so far, and maybe more extents behind them.
            None if extents.len() == EXTENTS as usize && next > start => start = next,
            None => break,
        }
    }
    Ok((end, end))
}

/// Whether no byte may stand at `offset` in a file of the filesystem of `fd`. Nobody tells the
/// maximum itself, but FS_IOC_FIEMAP refuses to start at or behind it with EFBIG (ioctl_fiemap(2)).
#[must_use]
pub fn is_beyond_filesystem(fd: i32, offset: u64) -> bool {
    if i64::try_from(offset).is_ok_and(|offset| offset == i64::MAX) {
        return true;
    }
    // struct fiemap: start, length, flags and mapped extents, room for extents and padding. With
    // no room the extents are only counted.
    let mut fiemap = [offset, 1, 0, 0];
    let registers = [reg(fd), FS_IOC_FIEMAP, fiemap.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads and writes the 32 bytes of a struct fiemap without extents.
    answer(unsafe { syscall(libc::SYS_ioctl, registers) }) == Err(Errno::EFBIG)
}

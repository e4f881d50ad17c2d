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

/// Extents of one query of [`shares_blocks`]; they are on the stack, 56 bytes each.
const EXTENTS: usize = 8;

/// Extents of one query of a [`DataMap`]. On btrfs a query costs as much as two extents, so with more
/// of them little is saved.
const MAP_EXTENTS: usize = 32;

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

/// `struct fiemap` of linux/fiemap.h followed by its extents.
#[repr(C)]
struct FiemapRequest<const COUNT: usize> {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [Extent; COUNT],
}

impl<const COUNT: usize> FiemapRequest<COUNT> {
    fn new() -> FiemapRequest<COUNT> {
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
            flags: 0,
            mapped_extents: 0,
            extent_count: 0,
            reserved: 0,
            extents: [NONE; COUNT],
        }
    }

    /// Makes a request of a part of `memory`. ENOMEM if it is too small.
    fn within(memory: &mut [u8]) -> Result<&mut FiemapRequest<COUNT>, Errno> {
        // SAFETY: the struct consists of integers without padding, so any bytes are a valid one.
        let (_, requests, _) = unsafe { memory.align_to_mut::<FiemapRequest<COUNT>>() };
        requests.first_mut().ok_or(Errno::ENOMEM)
    }

    /// Returns the first extents between `start` and `end`, in bytes.
    #[inline(never)]
    fn query(&mut self, fd: i32, start: u64, end: u64, flags: u32) -> Result<&[Extent], Errno> {
        (self.start, self.length, self.flags, self.mapped_extents) = (start, end - start, flags, 0);
        (self.extent_count, self.reserved) = (u32::try_from(COUNT).unwrap_or(0), 0);
        let registers = [reg(fd), FS_IOC_FIEMAP, &raw mut *self as usize, 0, 0, 0];
        // SAFETY: the kernel reads and writes a struct fiemap and at most `extent_count` extents
        // behind it.
        decode(unsafe { syscall(libc::SYS_ioctl, registers) })?;
        let count = usize::try_from(self.mapped_extents).unwrap_or(0).min(COUNT);
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
    let mut request = FiemapRequest::<EXTENTS>::new();
    while start < end {
        let extents = request.query(fd, start, end, FIEMAP_FLAG_SYNC)?;
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
        if extents.len() < EXTENTS || next <= start {
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

/// The data and the holes of a part of a file, as one look at the filesystem's map showed them.
pub struct DataMap {
    /// The start and the end of each range of data in bytes, ascending. Between them are holes.
    data: [(u64, u64); MAP_EXTENTS],
    len: usize,
    /// Nothing is known from here on, in bytes.
    end: u64,
}

impl DataMap {
    /// Creates a map that knows nothing.
    #[must_use]
    pub const fn new() -> DataMap {
        DataMap { data: [(0, 0); MAP_EXTENTS], len: 0, end: 0 }
    }

    /// Reads the map of at most `len` bytes at `offset`. [`FiemapMode::Cached`] shows only the data
    /// that begin at `offset`, and nothing if a hole does. Unwritten extents count as holes. Uses 2
    /// KiB of `memory`. EOPNOTSUPP or ENOTTY if the filesystem has no FIEMAP (tmpfs).
    pub fn read(
        &mut self,
        fd: i32,
        offset: u64,
        len: u64,
        mode: FiemapMode,
        memory: &mut [u8],
    ) -> Result<(), Errno> {
        (self.len, self.end) = (0, offset);
        let end = offset.saturating_add(len);
        let request = FiemapRequest::<MAP_EXTENTS>::within(memory)?;
        let flags = if mode == FiemapMode::Synced { FIEMAP_FLAG_SYNC } else { 0 };
        let extents = request.query(fd, offset, end, flags)?;
        self.add(extents, offset, end);
        if mode == FiemapMode::Cached {
            self.len = self.len.min(1);
            self.end = match self.data.first() {
                Some(&(begin, data_end)) if self.len == 1 && begin == offset => data_end,
                _ => offset,
            };
        }
        Ok(())
    }

    /// Adds the first extents between `start` and `end`.
    fn add(&mut self, extents: &[Extent], start: u64, end: u64) {
        self.end = end;
        for extent in extents {
            let extent_end = extent.logical.saturating_add(extent.length).min(end);
            if extents.len() == MAP_EXTENTS {
                // The file may have more extents.
                self.end = extent_end;
            }
            let begin = extent.logical.max(start);
            // btrfs also lists dirty extents that end at the start of the range.
            if extent.flags & FIEMAP_EXTENT_UNWRITTEN != 0 || extent_end <= begin {
                continue;
            }
            let last = self.len.checked_sub(1).and_then(|last| self.data.get_mut(last));
            match last {
                Some((_, last_end)) if begin <= *last_end => *last_end = extent_end.max(*last_end),
                _ => {
                    if let Some(slot) = self.data.get_mut(self.len) {
                        *slot = (begin, extent_end);
                        self.len += 1;
                    }
                }
            }
        }
    }

    /// Returns the start of the first data at or after `offset` and their end; both are the end of
    /// the map if it has no data from there on. `None` if it ends before `offset`.
    #[must_use]
    pub fn next_data(&self, offset: u64) -> Option<(u64, u64)> {
        if offset >= self.end {
            return None;
        }
        let data = self.data.get(..self.len).unwrap_or_default();
        let next = data.get(data.partition_point(|&(_, data_end)| data_end <= offset));
        Some(next.map_or((self.end, self.end), |&(begin, data_end)| (begin.max(offset), data_end)))
    }
}

impl Default for DataMap {
    fn default() -> DataMap {
        DataMap::new()
    }
}

/// Reports whether the file has a block between `offset` and the largest offset, also beyond its end
/// (ioctl_fiemap(2)); true if that is unknown.
#[must_use]
pub fn has_blocks_from(fd: i32, offset: u64) -> bool {
    count_extents(fd, offset, i64::MAX as u64 - offset.min(i64::MAX as u64)) != Ok(0)
}

/// Reports whether `offset` is beyond the largest file of the filesystem of `fd`. No call returns
/// the maximum, but FS_IOC_FIEMAP fails with EFBIG if it starts at or beyond it (ioctl_fiemap(2)).
#[must_use]
pub fn is_beyond_filesystem(fd: i32, offset: u64) -> bool {
    if i64::try_from(offset).is_ok_and(|offset| offset == i64::MAX) {
        return true;
    }
    count_extents(fd, offset, 1) == Err(Errno::EFBIG)
}

/// Returns how many extents `len` bytes at `offset` have.
fn count_extents(fd: i32, offset: u64, len: u64) -> Result<u32, Errno> {
    // With room for none, the kernel only counts them.
    let mut request = FiemapRequest::<0>::new();
    request.query(fd, offset, offset.saturating_add(len), 0)?;
    Ok(request.mapped_extents)
}

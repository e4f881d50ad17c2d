//! Finds the data and the holes of a source. It does not use lseek(2) with `SEEK_DATA`, which would
//! move the host's file offset, and it does not open the file again: closing any descriptor of a
//! file drops the process's locks on it (fcntl(2)).

use crate::diag::trace_syscall;
use cfr_sys::{self as sys, DataMap, FiemapMode, FilesystemKind, Range};

/// What is done with the source's holes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holes {
    /// They become zeros that take space.
    Filled,
    /// They become holes.
    Kept,
}

/// What a range begins with, and its length in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Segment {
    Data(u64),
    Hole(u64),
    /// Data and holes; blocks of zeros are taken for holes, as FreeBSD's copy does if it cannot ask
    /// the filesystem.
    Mixed(u64),
}

/// How holes are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Detection {
    /// By the filesystem's extents (FIEMAP).
    Fiemap,
    /// By cachestat(2): on tmpfs, each page with data is counted.
    PageCache,
    /// By blocks of zeros in the data.
    ZeroBlocks,
    /// Not at all: everything is data.
    Off,
}

/// The state of the search for holes in one source.
pub(super) struct HoleSearch {
    detection: Detection,
    /// What the last FIEMAP showed. It is at most as old as the copy, and what another process
    /// changes meanwhile may be copied or not.
    map: DataMap,
    /// Whether a hole was found: from then on dirty pages are written out before the map is read.
    is_sparse: bool,
    /// Bytes of the next cachestat(2).
    window: u64,
}

impl HoleSearch {
    /// Bytes. To read a smaller window costs less than to ask about both halves.
    const MIN_WINDOW: u64 = 16 << 10;

    /// Creates the state before the first query.
    pub(super) fn new(holes: Holes) -> HoleSearch {
        let detection = if holes == Holes::Kept { Detection::Fiemap } else { Detection::Off };
        HoleSearch { detection, map: DataMap::new(), is_sparse: false, window: u64::MAX }
    }

    /// Returns what the range begins with. Uses `memory`, whose contents are lost.
    pub(super) fn segment(&mut self, range: &Range, memory: &mut [u8]) -> Segment {
        if self.detection == Detection::Fiemap {
            match self.segment_by_fiemap(range, memory) {
                Some(segment) => return segment,
                None => self.detection = without_fiemap(range.fd_in),
            }
        }
        if self.detection == Detection::PageCache {
            match self.segment_by_page_cache(range) {
                Some(segment) => return segment,
                None => self.detection = zero_blocks_if_sparse(range.fd_in),
            }
        }
        match self.detection {
            Detection::ZeroBlocks => Segment::Mixed(range.len),
            _ => Segment::Data(range.len),
        }
    }

    /// Returns `None` if the filesystem has no FIEMAP.
    fn segment_by_fiemap(&mut self, range: &Range, memory: &mut [u8]) -> Option<Segment> {
        if let Some(segment) = self.segment_of_map(range) {
            return Some(segment);
        }
        // Most files have no holes, and without a sync the query is cheap.
        if !self.is_sparse {
            self.read_map(range, FiemapMode::Cached, memory)?;
            if let Some(segment) = self.segment_of_map(range) {
                return Some(segment);
            }
            self.is_sparse = true;
        }
        self.read_map(range, FiemapMode::Synced, memory)?;
        self.segment_of_map(range)
    }

    fn read_map(&mut self, range: &Range, mode: FiemapMode, memory: &mut [u8]) -> Option<()> {
        let read = self.map.read(range.fd_in, range.off_in, range.len, mode, memory);
        trace_syscall("ioctl FS_IOC_FIEMAP", range.fd_in, &read);
        read.ok()
    }

    fn segment_of_map(&self, range: &Range) -> Option<Segment> {
        let (begin, end) = self.map.next_data(range.off_in)?;
        Some(match begin - range.off_in {
            0 => Segment::Data(end - begin),
            hole => Segment::Hole(hole),
        })
    }

    /// Looks for the end of a hole, so that it is made by one step.
    fn segment_by_page_cache(&mut self, range: &Range) -> Option<Segment> {
        let mut hole = 0;
        while hole < range.len {
            match self.window_of_page_cache(&range.after(hole)) {
                Some(Segment::Hole(len)) => hole += len,
                other if hole == 0 => return other,
                _ => break,
            }
        }
        Some(Segment::Hole(hole))
    }

    /// Makes the window smaller until it is all data or all hole.
    fn window_of_page_cache(&mut self, range: &Range) -> Option<Segment> {
        let mut window = range.len.min(self.window);
        loop {
            // A page that is cut in two would count as data, and most extents begin at a multiple of
            // more than a page.
            let beyond = (range.off_in + window) % HoleSearch::MIN_WINDOW;
            if beyond < window && window < range.len {
                window -= beyond;
            }
            let present = sys::pages_present(range.fd_in, range.off_in, window);
            trace_syscall("cachestat", range.fd_in, &present);
            let segment = match present.ok()? {
                0 => Segment::Hole(window),
                pages if pages >= sys::pages_of(range.off_in, window) => Segment::Data(window),
                _ if window <= HoleSearch::MIN_WINDOW => Segment::Mixed(window),
                _ => {
                    window = (window / 2).max(HoleSearch::MIN_WINDOW);
                    continue;
                }
            };
            self.window = window.saturating_mul(2).max(HoleSearch::MIN_WINDOW);
            return Some(segment);
        }
    }
}

/// A file of tmpfs with all its pages and none beyond its end has no holes, and to count the pages of
/// 1 MiB takes a twentieth of the time of its copy.
fn without_fiemap(fd: i32) -> Detection {
    let filesystem = sys::filesystem(fd);
    trace_syscall("fstatfs", fd, &filesystem);
    if filesystem.is_ok_and(|filesystem| filesystem.kind == FilesystemKind::Tmpfs) {
        let is_full =
            |stat: sys::Stat| stat.allocated == stat.size.next_multiple_of(sys::page_size() as u64);
        if stat(fd).is_some_and(is_full) { Detection::Off } else { Detection::PageCache }
    } else {
        zero_blocks_if_sparse(fd)
    }
}

/// A file with at least as many allocated bytes as its size is taken to have no holes.
fn zero_blocks_if_sparse(fd: i32) -> Detection {
    let is_sparse = stat(fd).is_some_and(|stat| stat.allocated < stat.size);
    if is_sparse { Detection::ZeroBlocks } else { Detection::Off }
}

fn stat(fd: i32) -> Option<sys::Stat> {
    let stat = sys::stat(fd);
    trace_syscall("statx", fd, &stat);
    stat.ok()
}

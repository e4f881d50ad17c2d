//! Finds the data and the holes of a source. It does not use lseek(2) with `SEEK_DATA`, which would
//! move the host's file offset, and it does not open the file again: closing any descriptor of a
//! file drops the process's locks on it (fcntl(2)).

use crate::diag::trace_syscall;
use cfr_sys::{self as sys, FiemapMode, FilesystemKind, Range};

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
    /// Bytes of the next cachestat(2).
    window: u64,
}

impl HoleSearch {
    /// Bytes. To read a smaller window costs less than to ask about both halves.
    const MIN_WINDOW: u64 = 16 << 10;

    /// Creates the state before the first query.
    pub(super) fn new(holes: Holes) -> HoleSearch {
        let detection = if holes == Holes::Kept { Detection::Fiemap } else { Detection::Off };
        HoleSearch { detection, window: u64::MAX }
    }

    /// Returns what the range begins with.
    pub(super) fn segment(&mut self, range: &Range) -> Segment {
        if self.detection == Detection::Fiemap {
            match segment_by_fiemap(range) {
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

/// Returns `None` if the filesystem has no FIEMAP.
fn segment_by_fiemap(range: &Range) -> Option<Segment> {
    let query = |mode| {
        let found = sys::next_data(range.fd_in, range.off_in, range.len, mode);
        trace_syscall("ioctl FS_IOC_FIEMAP", range.fd_in, &found);
        // An empty result at the start of the range would be queried again for ever.
        found.ok().filter(|(begin, end)| begin < end || *begin > range.off_in)
    };
    // Most files have no holes, and without a sync the query is cheap.
    let (begin, end) = query(FiemapMode::Cached)?;
    if begin == range.off_in {
        return Some(Segment::Data(end - begin));
    }
    let (begin, end) = query(FiemapMode::Synced)?;
    Some(match begin - range.off_in {
        0 => Segment::Data(end - begin),
        hole => Segment::Hole(hole),
    })
}

fn without_fiemap(fd: i32) -> Detection {
    let filesystem = sys::filesystem(fd);
    trace_syscall("fstatfs", fd, &filesystem);
    if filesystem.is_ok_and(|filesystem| filesystem.kind == FilesystemKind::Tmpfs) {
        Detection::PageCache
    } else {
        zero_blocks_if_sparse(fd)
    }
}

/// A file with at least as many allocated bytes as its size is taken to have no holes.
fn zero_blocks_if_sparse(fd: i32) -> Detection {
    let stat = sys::stat(fd);
    trace_syscall("statx", fd, &stat);
    let is_sparse = stat.is_ok_and(|stat| stat.allocated < stat.size);
    if is_sparse { Detection::ZeroBlocks } else { Detection::Off }
}

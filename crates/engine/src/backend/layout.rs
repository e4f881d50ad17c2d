//! Where a source has data and where holes. The host's file offset is not moved to find out, as
//! lseek(2) with `SEEK_DATA` would, nor the file opened again: to close any descriptor of a file
//! would drop the host's locks on it (fcntl(2)).

use crate::diag::trace_syscall;
use cfr_sys::{self as sys, FiemapMode, FilesystemKind, Range};

/// What becomes of the source's holes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holes {
    /// They become zeros that take up space.
    Filled,
    /// They become holes.
    Kept,
}

/// What a range begins with, and for how many bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Segment {
    /// Data.
    Data(u64),
    /// Nothing.
    Hole(u64),
    /// Nobody tells: blocks of zeros are taken for holes, as FreeBSD's own copy does there.
    Mixed(u64),
}

/// How holes are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Detection {
    /// At the filesystem's map of the file's blocks.
    Fiemap,
    /// At the pages that are there: on tmpfs they are all that there is.
    PageCache,
    /// At the bytes.
    ZeroBlocks,
    /// Nowhere: all is data.
    Off,
}

/// No page is smaller.
const PAGE: u64 = 4096;

/// What is known of where a source's holes are.
pub(super) struct Layout {
    detection: Detection,
    /// How many bytes were looked at last.
    window: u64,
}

impl Layout {
    /// No window is smaller.
    const MIN_WINDOW: u64 = 128 << 10;

    /// Nobody has looked yet.
    pub(super) fn new(holes: Holes) -> Layout {
        let detection = if holes == Holes::Kept { Detection::Fiemap } else { Detection::Off };
        Layout { detection, window: u64::MAX }
    }

    /// Whether holes are looked for.
    pub(super) fn detects_holes(&self) -> bool {
        self.detection != Detection::Off
    }

    /// What the range begins with.
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

    /// Looks at ever smaller windows, until one is full or empty.
    fn segment_by_page_cache(&mut self, range: &Range) -> Option<Segment> {
        let mut window = range.len.min(self.window);
        loop {
            // Up to the end of a page: what a window cuts in two would have to be taken for data.
            let beyond = (range.off_in + window) % PAGE;
            if beyond < window && window < range.len {
                window -= beyond;
            }
            let present = sys::pages_present(range.fd_in, range.off_in, window);
            trace_syscall("cachestat", range.fd_in, &present);
            let segment = match present.ok()? {
                0 => Segment::Hole(window),
                pages if pages >= sys::pages_of(range.off_in, window) => Segment::Data(window),
                _ if window <= Layout::MIN_WINDOW => Segment::Mixed(window),
                _ => {
                    window = (window / 2).max(Layout::MIN_WINDOW);
                    continue;
                }
            };
            self.window = window.saturating_mul(2).max(Layout::MIN_WINDOW);
            return Some(segment);
        }
    }
}

/// `None` where the filesystem has no map.
fn segment_by_fiemap(range: &Range) -> Option<Segment> {
    let query = |mode| {
        let found = sys::next_data(range.fd_in, range.off_in, range.len, mode);
        trace_syscall("ioctl FS_IOC_FIEMAP", range.fd_in, &found);
        // Nothing at all where there is something left would be asked for without end.
        found.ok().filter(|(begin, end)| begin < end || *begin > range.off_in)
    };
    // Most files have no holes, and to find none is cheap.
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

/// A file with as many bytes allocated as it is long is taken to have no holes.
fn zero_blocks_if_sparse(fd: i32) -> Detection {
    let stat = sys::stat(fd);
    trace_syscall("statx", fd, &stat);
    let is_sparse = stat.is_ok_and(|stat| stat.allocated < stat.size);
    if is_sparse { Detection::ZeroBlocks } else { Detection::Off }
}

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
pub(super) enum Part {
    /// Data.
    Data(u64),
    /// Nothing.
    Hole(u64),
    /// Nobody tells: blocks of zeros are taken for holes, as FreeBSD's own copy does there.
    Mixed(u64),
}

/// How holes are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    /// At the filesystem's map of the file's blocks.
    AtMap,
    /// At the pages that are there: on tmpfs they are all that there is.
    AtPages,
    /// At the bytes.
    AtBytes,
    /// Nowhere: all is data.
    Nowhere,
}

/// No page is smaller.
const PAGE: u64 = 4096;

/// What is known of where a source's holes are.
pub(super) struct Layout {
    look: Look,
    /// How many bytes were looked at last.
    window: u64,
}

impl Layout {
    /// No window is smaller.
    const SMALLEST_WINDOW: u64 = 128 << 10;

    /// Nobody has looked yet.
    pub(super) fn new(holes: Holes) -> Layout {
        let look = if holes == Holes::Kept { Look::AtMap } else { Look::Nowhere };
        Layout { look, window: u64::MAX }
    }

    /// Whether holes are looked for.
    pub(super) fn looks(&self) -> bool {
        self.look != Look::Nowhere
    }

    /// What the range begins with.
    pub(super) fn part(&mut self, range: &Range) -> Part {
        if self.look == Look::AtMap {
            match at_map(range) {
                Some(part) => return part,
                None => self.look = without_map(range.fd_in),
            }
        }
        if self.look == Look::AtPages {
            match self.at_pages(range) {
                Some(part) => return part,
                None => self.look = at_bytes_if_sparse(range.fd_in),
            }
        }
        match self.look {
            Look::AtBytes => Part::Mixed(range.len),
            _ => Part::Data(range.len),
        }
    }

    /// Looks at ever smaller windows, until one is full or empty.
    fn at_pages(&mut self, range: &Range) -> Option<Part> {
        let mut window = range.len.min(self.window);
        loop {
            // Up to the end of a page: what a window cuts in two would have to be taken for data.
            let beyond = (range.off_in + window) % PAGE;
            if beyond < window && window < range.len {
                window -= beyond;
            }
            let present = sys::pages_present(range.fd_in, range.off_in, window);
            trace_syscall("cachestat", range.fd_in, &present);
            let part = match present.ok()? {
                0 => Part::Hole(window),
                pages if pages >= sys::pages_of(range.off_in, window) => Part::Data(window),
                _ if window <= Layout::SMALLEST_WINDOW => Part::Mixed(window),
                _ => {
                    window = (window / 2).max(Layout::SMALLEST_WINDOW);
                    continue;
                }
            };
            self.window = window.saturating_mul(2).max(Layout::SMALLEST_WINDOW);
            return Some(part);
        }
    }
}

/// `None` where the filesystem has no map.
fn at_map(range: &Range) -> Option<Part> {
    let look = |map| {
        let found = sys::next_data(range.fd_in, range.off_in, range.len, map);
        trace_syscall("ioctl FS_IOC_FIEMAP", range.fd_in, &found);
        // Nothing at all where there is something left would be asked for without end.
        found.ok().filter(|(begin, end)| begin < end || *begin > range.off_in)
    };
    // Most files have no holes, and to find none is cheap.
    let (begin, end) = look(FiemapMode::Cached)?;
    if begin == range.off_in {
        return Some(Part::Data(end - begin));
    }
    let (begin, end) = look(FiemapMode::Synced)?;
    Some(match begin - range.off_in {
        0 => Part::Data(end - begin),
        hole => Part::Hole(hole),
    })
}

fn without_map(fd: i32) -> Look {
    let filesystem = sys::filesystem(fd);
    trace_syscall("fstatfs", fd, &filesystem);
    match filesystem.is_ok_and(|filesystem| filesystem.kind == FilesystemKind::Tmpfs) {
        true => Look::AtPages,
        false => at_bytes_if_sparse(fd),
    }
}

/// A file with as many bytes allocated as it is long is taken to have no holes.
fn at_bytes_if_sparse(fd: i32) -> Look {
    let stat = sys::stat(fd);
    trace_syscall("statx", fd, &stat);
    let is_sparse = stat.is_ok_and(|stat| stat.allocated < stat.size);
    if is_sparse { Look::AtBytes } else { Look::Nowhere }
}

//! Copying through a pipe: the pages of the source are lent to it and copied once, into the target.

use crate::diag::{log_fallback, trace_syscall, trace_syscall_bytes};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, FilesystemKind, Pipe, Range};

/// The pipe of one call, made when it is first wanted and closed with the call: the host could close
/// and reuse any descriptor that stands for longer.
pub(super) struct PipeCopy {
    fd_out: i32,
    pipe: State,
    /// Where the target ended before anything was written, if blocks behind that are to be allocated
    /// before they are written.
    preallocate_from: Option<u64>,
}

enum State {
    NotOpened,
    Open(Pipe),
    Unusable,
}

impl PipeCopy {
    /// No pipe yet.
    pub(super) fn new(fd_out: i32) -> PipeCopy {
        PipeCopy { fd_out, pipe: State::NotOpened, preallocate_from: None }
    }

    /// Whether the pipe is there.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.pipe, State::Open(_))
    }

    /// Whether it is there or may come to be.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.pipe, State::Unusable)
    }

    /// Copies what the pipe holds of the range: bytes, and the error that cut it short. `None` where
    /// these files cannot be spliced or there is no pipe to be had: nothing was moved.
    #[inline(never)]
    pub(super) fn copy(&mut self, range: &Range) -> Option<(u64, Option<Errno>)> {
        if matches!(self.pipe, State::NotOpened) {
            self.open()?;
        }
        let State::Open(pipe) = &self.pipe else { return None };
        let len = range.len.min(Pipe::SIZE);
        let filled = pipe.fill(range.fd_in, range.off_in, len);
        trace_splice("splice from", range.fd_in, filled);
        let filled = match filled {
            // Reading will tell whether it is the end: to some filesystems an error is one too.
            Ok(0) => return self.give_up(Errno::EAGAIN),
            Ok(bytes) => bytes,
            Err(errno) if is_refusal(errno) => return self.give_up(errno),
            Err(errno) => return Some((0, Some(errno))),
        };
        // Of bytes that are in hand: were the source cut now, no block would be left over.
        if self.preallocate_from.is_some_and(|from| !preallocate(&range.first(filled), from)) {
            self.preallocate_from = None;
        }
        let mut bytes = 0;
        while bytes < filled {
            let rest = range.first(filled).after(bytes);
            let drained = pipe.drain(rest.fd_out, rest.off_out, rest.len);
            trace_splice("splice to", rest.fd_out, drained);
            match drained {
                Ok(more @ 1..) => bytes += more,
                Err(errno) if is_refusal(errno) && bytes == 0 => return self.give_up(errno),
                // What is left in the pipe would come before all else.
                ended => {
                    self.pipe = State::Unusable;
                    return Some((bytes, Some(ended.err().unwrap_or(Errno::EIO))));
                }
            }
        }
        Some((bytes, None))
    }

    fn open(&mut self) -> Option<()> {
        let made = Pipe::new();
        trace_syscall("pipe2 for", self.fd_out, &made);
        match made {
            Ok(pipe) => self.pipe = State::Open(pipe),
            Err(errno) => return self.give_up(errno),
        }
        let filesystem = sys::filesystem(self.fd_out);
        trace_syscall("fstatfs", self.fd_out, &filesystem);
        // On btrfs it would be faster too, but keep the data from being compressed; xfs is slower for
        // it, and keeps for good what it sets aside behind the end of a file that was treated so.
        if filesystem.is_ok_and(|filesystem| filesystem.kind == FilesystemKind::Ext4) {
            self.preallocate_from = sys::stat(self.fd_out).ok().map(|stat| stat.size);
        }
        Some(())
    }

    fn give_up<T>(&mut self, errno: Errno) -> Option<T> {
        log_fallback("pipe", errno, "through a buffer");
        self.pipe = State::Unusable;
        None
    }
}

/// Bytes that must be free for blocks to be allocated before they are written: what is allocated of
/// a piece before room runs out could not be given back.
const MIN_FREE_TO_PREALLOCATE: u64 = 64 << 20;

/// Allocates the blocks of a range behind the target's end, in one step instead of one a page:
/// whether that can be done.
fn preallocate(range: &Range, from: u64) -> bool {
    let range = range.after(from.saturating_sub(range.off_out));
    if range.len == 0 {
        return true;
    }
    let filesystem = sys::filesystem(range.fd_out);
    trace_syscall("fstatfs", range.fd_out, &filesystem);
    if filesystem.map_or(0, |filesystem| filesystem.available) < MIN_FREE_TO_PREALLOCATE {
        return false;
    }
    let allocated = sys::preallocate(range.fd_out, range.off_out, range.len);
    trace_syscall("fallocate for", range.fd_out, &allocated);
    allocated.is_ok()
}

/// Whether an error says that it cannot be done this way: files that cannot be spliced, a filter, a
/// pipe that the host has closed.
fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EINVAL
            | Errno::EBADF
            | Errno::EPIPE
            | Errno::EAGAIN
            | Errno::ENOSYS
            | Errno::EPERM
            | Errno::EOPNOTSUPP
    )
}

fn trace_splice(name: &'static str, fd: i32, result: Result<u64, Errno>) {
    trace_syscall_bytes(name, fd, result.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)));
}

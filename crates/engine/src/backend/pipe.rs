//! Copies through a pipe: the source's pages are spliced into it and copied once, into the target.

use crate::diag::{log_fallback, trace_syscall, trace_syscall_bytes};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, FilesystemKind, Pipe, Range};

/// The pipe of one call. It is created at its first use and closed with the call: the host could
/// close or reuse a descriptor that stays open longer.
pub(super) struct PipeCopy {
    fd_out: i32,
    pipe: State,
    /// The size of the target before the copy, if the blocks beyond it are preallocated.
    preallocate_from: Option<u64>,
}

enum State {
    NotOpened,
    Open(Pipe),
    Unusable,
}

impl PipeCopy {
    /// Creates the state without a pipe.
    pub(super) fn new(fd_out: i32) -> PipeCopy {
        PipeCopy { fd_out, pipe: State::NotOpened, preallocate_from: None }
    }

    /// Reports whether the pipe is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.pipe, State::Open(_))
    }

    /// Reports whether the pipe is open or can still be opened.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.pipe, State::Unusable)
    }

    /// Copies at most one pipe of the range; returns the bytes and the error that ended it. `None`
    /// if these files cannot be spliced or no pipe can be created: no byte was moved.
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
            // 0 is not always the end: some filesystems return 0 instead of an error. A read
            // decides.
            Ok(0) => return self.give_up(Errno::EAGAIN),
            Ok(bytes) => bytes,
            Err(errno) if is_refusal(errno) => return self.give_up(errno),
            Err(errno) => return Some((0, Some(errno))),
        };
        // Preallocates only for bytes that are in the pipe: if the source is truncated now, no
        // block is left over.
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
                // What is left in the pipe would precede the next bytes, so the pipe cannot be used
                // again.
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
        // On btrfs, preallocation is faster too but disables compression. xfs becomes slower, and
        // keeps the preallocated blocks beyond the end of the file for good.
        if filesystem.is_ok_and(|filesystem| filesystem.kind == FilesystemKind::Ext4) {
            self.preallocate_from = sys::stat(self.fd_out).ok().map(|stat| stat.size);
        }
        Some(())
    }

    fn give_up<T>(&mut self, errno: Errno) -> Option<T> {
        log_fallback("pipe", errno, "a buffer is used");
        self.pipe = State::Unusable;
        None
    }
}

/// Free bytes that preallocation requires. If space ran out in the middle, the blocks of the piece
/// could not be freed again.
const MIN_FREE_TO_PREALLOCATE: u64 = 64 << 20;

/// Preallocates the part of the range beyond `from` in one step instead of page by page; reports
/// success.
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

/// Reports whether an error means that this way cannot work: the files cannot be spliced, a seccomp
/// filter forbids it, or the host has closed the pipe.
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

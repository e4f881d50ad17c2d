//! A pipe that moves pages between two files by splice(2): it takes both offsets, so that no file
//! offset moves, and it copies a byte once, while read(2) and write(2) copy it twice.

use crate::errno::Errno;
use crate::file::{close, duplicate_high, identify};
use crate::raw::{decode, reg, syscall};
use crate::signal::discard_pending;

/// A pipe of the library's own for one call. Its descriptors are at 10 or above and close-on-exec.
pub struct Pipe {
    read_end: i32,
    write_end: i32,
    /// The identity of both descriptors.
    fingerprint: u64,
}

impl Pipe {
    /// The capacity in bytes: the largest that an unprivileged process may set by default (pipe(7),
    /// `/proc/sys/fs/pipe-max-size`).
    pub const SIZE: u64 = 1 << 20;

    /// Creates a pipe. EMFILE or ENFILE if no descriptor is free, EPERM if the user's pipes exceed
    /// their limit (pipe(7), `pipe-user-pages-soft`), EBADF if the host has closed it already.
    pub fn new() -> Result<Pipe, Errno> {
        let mut ends = [-1i32; 2];
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        let registers = [ends.as_mut_ptr() as usize, reg(flags), 0, 0, 0, 0];
        // SAFETY: the kernel writes two ints.
        decode(unsafe { syscall(libc::SYS_pipe2, registers) })?;
        let fingerprint = fingerprint(ends).inspect_err(|_| close_remaining_end(ends))?;
        let [read_end, write_end] = ends.map(duplicate_high);
        ends.into_iter().for_each(|low| close_if(low, fingerprint));
        let pipe = Pipe {
            read_end: read_end.unwrap_or(-1),
            write_end: write_end.unwrap_or(-1),
            fingerprint,
        };
        read_end.and(write_end)?;
        if !pipe.has(pipe.write_end) {
            return Err(Errno::EBADF);
        }
        let size = usize::try_from(Pipe::SIZE).unwrap_or(0);
        let registers = [reg(pipe.write_end), reg(libc::F_SETPIPE_SZ), size, 0, 0, 0];
        // SAFETY: no pointers.
        decode(unsafe { syscall(libc::SYS_fcntl, registers) })?;
        Ok(pipe)
    }

    /// Moves at most `len` bytes of a file at `offset` into the pipe; returns the bytes moved, 0 at
    /// the end of the file. EINVAL if the file cannot be spliced; EBADF, EPIPE and EAGAIN if the
    /// host has given one of the pipe's numbers to another file. A SIGPIPE of its own is discarded,
    /// so signals must be blocked.
    pub fn fill(&self, fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
        if !self.has(self.write_end) {
            return Err(Errno::EBADF);
        }
        let mut offset = offset;
        let filled = splice([reg(fd), &raw mut offset as usize, reg(self.write_end), 0], len);
        if filled == Err(Errno::EPIPE) {
            discard_pending(libc::SIGPIPE);
        }
        filled
    }

    /// Writes at most `len` bytes from the pipe to a file at `offset`; returns the bytes written.
    /// EINVAL and EBADF as for [`Pipe::fill`].
    pub fn drain(&self, fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
        if !self.has(self.read_end) {
            return Err(Errno::EBADF);
        }
        let mut offset = offset;
        splice([reg(self.read_end), 0, reg(fd), &raw mut offset as usize], len)
    }

    /// Reports whether the number still refers to the pipe. The host may reuse it right after this
    /// check: then the kernel refuses a file that is no pipe, and another pipe takes or gives one
    /// piece at most, without blocking.
    fn has(&self, end: i32) -> bool {
        identify(end).is_ok_and(|identity| identity.fingerprint == self.fingerprint)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        [self.read_end, self.write_end].into_iter().for_each(|end| close_if(end, self.fingerprint));
    }
}

/// Returns the identity of both descriptors. EBADF if they are of two files.
fn fingerprint(ends: [i32; 2]) -> Result<u64, Errno> {
    match ends.map(identify) {
        [Ok(one), Ok(other)] if one.fingerprint == other.fingerprint => Ok(one.fingerprint),
        _ => Err(Errno::EBADF),
    }
}

/// Closes the end of a new pipe if the host has closed the other end or given its number to a file.
fn close_remaining_end([read_end, write_end]: [i32; 2]) {
    let is_pipe_end = |end| identify(end).is_ok_and(|identity| !identity.is_regular);
    match (is_pipe_end(read_end), is_pipe_end(write_end)) {
        (true, false) => close(read_end),
        (false, true) => close(write_end),
        // Both or none look like a pipe: neither is closed, because either may be the host's.
        _ => {}
    }
}

/// Closes a descriptor if it is still the pipe's. If the host has reused the number, it is the
/// host's.
fn close_if(fd: i32, fingerprint: u64) {
    if identify(fd).is_ok_and(|identity| identity.fingerprint == fingerprint) {
        close(fd);
    }
}

fn splice([fd_in, off_in, fd_out, off_out]: [usize; 4], len: u64) -> Result<u64, Errno> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let flags = (libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK) as usize;
    let registers = [fd_in, off_in, fd_out, off_out, len, flags];
    // SAFETY: each offset is NULL or one of ours, which the kernel reads and writes.
    decode(unsafe { syscall(libc::SYS_splice, registers) }).map(|bytes| bytes as u64)
}

//! A pipe as a carrier of pages between two files: splice(2) takes both offsets, so that no file
//! offset is touched, and copies a byte once where read and write copy it twice.

use crate::errno::Errno;
use crate::file::{close, duplicate_high, identify};
use crate::raw::{answer, reg, syscall};
use crate::signal::take_back;

/// A pipe of our own, for the length of one call. Its descriptors are at 10 or above and
/// close-on-exec.
pub struct Pipe {
    reads: i32,
    writes: i32,
    /// Who both of them are.
    fingerprint: u64,
}

impl Pipe {
    /// Bytes that fit into it: the most that who is not root may ask for (pipe(7),
    /// `/proc/sys/fs/pipe-max-size`).
    pub const SIZE: u64 = 1 << 20;

    /// Makes one. EMFILE or ENFILE where there are no descriptors left, EPERM where the user has
    /// enough pipes of that size, EBADF where the host has closed it already.
    pub fn new() -> Result<Pipe, Errno> {
        let mut ends = [-1i32; 2];
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        let registers = [ends.as_mut_ptr() as usize, reg(flags), 0, 0, 0, 0];
        // SAFETY: the kernel writes two ints.
        answer(unsafe { syscall(libc::SYS_pipe2, registers) })?;
        let fingerprint = fingerprint(ends).inspect_err(|_| close_the_other(ends))?;
        let [reads, writes] = ends.map(duplicate_high);
        ends.into_iter().for_each(|low| close_if(low, fingerprint));
        let pipe = Pipe { reads: reads.unwrap_or(-1), writes: writes.unwrap_or(-1), fingerprint };
        if !pipe.is_ours() {
            return Err(reads.and(writes).err().unwrap_or(Errno::EBADF));
        }
        let size = usize::try_from(Pipe::SIZE).unwrap_or(0);
        let registers = [reg(pipe.writes), reg(libc::F_SETPIPE_SZ), size, 0, 0, 0];
        // SAFETY: no pointers.
        answer(unsafe { syscall(libc::SYS_fcntl, registers) })?;
        Ok(pipe)
    }

    /// Takes at most `len` bytes of a file at `offset` in: bytes taken, 0 at the file's end. EINVAL
    /// where the file cannot be spliced; EBADF, EPIPE and EAGAIN where the host has put something
    /// else under one of the pipe's numbers. SIGPIPE is taken back, so signals must be held back.
    pub fn fill(&self, fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
        if !self.is_ours() {
            return Err(Errno::EBADF);
        }
        let mut offset = offset;
        let filled = splice([reg(fd), &raw mut offset as usize, reg(self.writes), 0], len);
        if filled == Err(Errno::EPIPE) {
            take_back(libc::SIGPIPE);
        }
        filled
    }

    /// Writes at most `len` bytes of what is in it to a file at `offset`: bytes written. EINVAL and
    /// EBADF as for [`Pipe::fill`].
    pub fn drain(&self, fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
        if !self.is_ours() {
            return Err(Errno::EBADF);
        }
        let mut offset = offset;
        splice([reg(self.reads), 0, reg(fd), &raw mut offset as usize], len)
    }

    /// Whether both numbers are still the pipe's. Between this and what comes after it the host may
    /// put something else there: what is no pipe is refused by the kernel, and what is one can take or
    /// give at most a piece, and never blocks.
    fn is_ours(&self) -> bool {
        fingerprint([self.reads, self.writes]) == Ok(self.fingerprint)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        [self.reads, self.writes].into_iter().for_each(|end| close_if(end, self.fingerprint));
    }
}

/// Who both descriptors are. EBADF where they are two.
fn fingerprint(ends: [i32; 2]) -> Result<u64, Errno> {
    match ends.map(identify) {
        [Ok(reads), Ok(writes)] if reads.fingerprint == writes.fingerprint => Ok(reads.fingerprint),
        _ => Err(Errno::EBADF),
    }
}

/// Closes the end of a new pipe whose other end the host has closed or given to a file of its own.
fn close_the_other(ends: [i32; 2]) {
    let [reads, writes] = ends.map(|end| identify(end).is_ok_and(|identity| !identity.is_regular));
    let [read_end, write_end] = ends;
    match (reads, writes) {
        (true, false) => close(read_end),
        (false, true) => close(write_end),
        // Nobody knows whose they are.
        _ => {}
    }
}

/// Closes a descriptor that is still who it was. A number that the host has given to something else is
/// the host's.
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
    answer(unsafe { syscall(libc::SYS_splice, registers) }).map(|bytes| bytes as u64)
}

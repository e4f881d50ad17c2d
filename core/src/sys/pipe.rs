//! A pipe as a carrier of pages between two files: splice(2) takes both offsets, so that no file
//! offset is touched, and copies a byte once where read and write copy it twice.

use super::file::{close, identify, move_up};
use super::raw::{answer, reg, syscall};
use crate::errno::Errno;

/// A pipe of our own, for the length of one call. Its descriptors are at 10 or above and
/// close-on-exec.
pub struct Pipe {
    reads: i32,
    writes: i32,
    /// Who both of them are.
    print: u64,
}

impl Pipe {
    /// Bytes that fit into it: the most that who is not root may ask for (pipe(7),
    /// `/proc/sys/fs/pipe-max-size`).
    pub const SIZE: u64 = 1 << 20;

    /// Makes one. EMFILE or ENFILE where there are no descriptors left, EPERM where the user has
    /// enough pipes of that size.
    pub fn new() -> Result<Pipe, Errno> {
        let mut ends = [-1i32; 2];
        let registers = [ends.as_mut_ptr() as usize, reg(libc::O_CLOEXEC), 0, 0, 0, 0];
        // SAFETY: the kernel writes two ints.
        answer(unsafe { syscall(libc::SYS_pipe2, registers) })?;
        let pipe = match ends.map(move_up) {
            [Ok(reads), Ok(writes)] => {
                let print = identify(writes).map_or(0, |identity| identity.print);
                Pipe { reads, writes, print }
            }
            ends => {
                ends.into_iter().flatten().for_each(close);
                return Err(Errno::EMFILE);
            }
        };
        let size = usize::try_from(Pipe::SIZE).unwrap_or(0);
        let registers = [reg(pipe.writes), reg(libc::F_SETPIPE_SZ), size, 0, 0, 0];
        // SAFETY: no pointers.
        answer(unsafe { syscall(libc::SYS_fcntl, registers) })?;
        Ok(pipe)
    }

    /// Takes at most `len` bytes of a file at `offset` in: bytes taken, 0 at the file's end. EINVAL
    /// where the file cannot be spliced; EBADF where the host has put something else under the
    /// pipe's number.
    pub fn fill(&self, fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
        if !self.is_ours(self.writes) {
            return Err(Errno::EBADF);
        }
        let mut offset = offset;
        splice([reg(fd), &raw mut offset as usize, reg(self.writes), 0], len)
    }

    /// Writes at most `len` bytes of what is in it to a file at `offset`: bytes written. EINVAL and
    /// EBADF as for [`Pipe::fill`].
    pub fn drain(&self, fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
        if !self.is_ours(self.reads) {
            return Err(Errno::EBADF);
        }
        let mut offset = offset;
        splice([reg(self.reads), 0, reg(fd), &raw mut offset as usize], len)
    }

    fn is_ours(&self, fd: i32) -> bool {
        identify(fd).is_ok_and(|identity| identity.print == self.print)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // A number that the host has given to something else is the host's.
        [self.reads, self.writes].into_iter().filter(|&fd| self.is_ours(fd)).for_each(close);
    }
}

fn splice([fd_in, off_in, fd_out, off_out]: [usize; 4], len: u64) -> Result<u64, Errno> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let registers = [fd_in, off_in, fd_out, off_out, len, libc::SPLICE_F_MOVE as usize];
    // SAFETY: each offset is NULL or one of ours, which the kernel reads and writes.
    answer(unsafe { syscall(libc::SYS_splice, registers) }).map(|bytes| bytes as u64)
}

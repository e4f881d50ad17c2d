//! Reading a file that the host has open for writing only.

use crate::errno::Errno;
use crate::fd_info::open_flags;
use crate::file::{close, link_to, move_up, open};
use crate::raw::{answer, reg, syscall};
use core::ffi::CStr;

/// A descriptor for reading: the host's own, or one of ours.
pub struct Reader {
    fd: i32,
    /// The host's, where `fd` is ours.
    instead_of: Option<i32>,
}

impl Reader {
    /// For the file of `fd`. EACCES where the process may not read it; ENOLCK where it has locks on
    /// it or a lease, that a second descriptor would end (fcntl(2)); ENOENT without /proc.
    pub fn of(fd: i32) -> Result<Reader, Errno> {
        if open_flags(fd)?.readable {
            return Ok(Reader { fd, instead_of: None });
        }
        if has_locks(fd)? {
            return Err(Errno::ENOLCK);
        }
        let path = link_to(fd)?;
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno::EBADF)?;
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
        let reopened = move_up(open(path, flags)?)?;
        Ok(Reader { fd: reopened, instead_of: Some(fd) })
    }

    /// The descriptor to read from.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.fd
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Where the host has taken a lock meanwhile, one descriptor stays: it keeps the lock.
        if self.instead_of.is_some_and(|fd| has_locks(fd) == Ok(false)) {
            close(self.fd);
        }
    }
}

/// Whether somebody, this process among them, has record locks on the file of `fd`, or the host a
/// lease. To an open file description the process's own locks are another's (fcntl(2),
/// `F_OFD_GETLK`).
fn has_locks(fd: i32) -> Result<bool, Errno> {
    // SAFETY: no pointers.
    let lease =
        answer(unsafe { syscall(libc::SYS_fcntl, [reg(fd), reg(libc::F_GETLEASE), 0, 0, 0, 0]) });
    if lease.is_ok_and(|lease| lease != libc::F_UNLCK as usize) {
        return Ok(true);
    }
    // As fcntl(2) has them; the C library's constants are wider than the fields.
    const F_WRLCK: i16 = 1;
    const F_UNLCK: i16 = 2;
    const SEEK_SET: i16 = 0;
    let mut lock =
        libc::flock { l_type: F_WRLCK, l_whence: SEEK_SET, l_start: 0, l_len: 0, l_pid: 0 };
    let registers = [reg(fd), reg(libc::F_OFD_GETLK), &raw mut lock as usize, 0, 0, 0];
    // SAFETY: the kernel reads and writes one struct flock, which has 64-bit offsets here.
    answer(unsafe { syscall(libc::SYS_fcntl, registers) })?;
    Ok(lock.l_type != F_UNLCK)
}

//! Reads a file that the host has open for writing only.

use crate::errno::Errno;
use crate::fd_info::open_flags;
use crate::file::{close, link_to, move_up, open};
use crate::raw::{decode, reg, syscall};
use core::ffi::CStr;

/// A readable descriptor: the host's, or one of ours for the same file.
pub struct Reader {
    fd: i32,
    /// The host's descriptor, if `fd` is ours.
    instead_of: Option<i32>,
}

impl Reader {
    /// Returns a reader of the file of `fd`. EACCES if the process may not read it; ENOLCK if the
    /// process has locks or a lease on it, which closing a second descriptor would drop (fcntl(2));
    /// ENOENT without /proc.
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

    /// Returns the descriptor to read from.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.fd
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // If the host has taken a lock meanwhile, our descriptor stays open: closing it would drop
        // the lock.
        if self.instead_of.is_some_and(|fd| has_locks(fd) == Ok(false)) {
            close(self.fd);
        }
    }
}

/// Reports whether any process, this one included, has record locks on the file of `fd`, or this
/// one has a lease. `F_OFD_GETLK` also reports the locks of the calling process (fcntl(2)).
fn has_locks(fd: i32) -> Result<bool, Errno> {
    // SAFETY: no pointers.
    let lease =
        decode(unsafe { syscall(libc::SYS_fcntl, [reg(fd), reg(libc::F_GETLEASE), 0, 0, 0, 0]) });
    if lease.is_ok_and(|lease| lease != libc::F_UNLCK as usize) {
        return Ok(true);
    }
    // As in fcntl(2); the C library's constants are wider than the struct's fields.
    const F_WRLCK: i16 = 1;
    const F_UNLCK: i16 = 2;
    const SEEK_SET: i16 = 0;
    let mut lock =
        libc::flock { l_type: F_WRLCK, l_whence: SEEK_SET, l_start: 0, l_len: 0, l_pid: 0 };
    let registers = [reg(fd), reg(libc::F_OFD_GETLK), &raw mut lock as usize, 0, 0, 0];
    // SAFETY: the kernel reads and writes one struct flock, which has 64-bit offsets on these
    // machines.
    decode(unsafe { syscall(libc::SYS_fcntl, registers) })?;
    Ok(lock.l_type != F_UNLCK)
}

//! Reading a file that the host has open for writing only.

use super::file::{close, link_to, move_up, open, read_path};
use super::inquire::opening;
use super::raw::{answer, reg, syscall};
use crate::errno::Errno;
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
        if opening(fd)?.reads {
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

/// Whether this process has record locks on the file of `fd`, or a lease. Of the locks that belong
/// to the process /proc tells (proc_pid_fdinfo(5)).
fn has_locks(fd: i32) -> Result<bool, Errno> {
    // SAFETY: no pointers.
    let lease =
        answer(unsafe { syscall(libc::SYS_fcntl, [reg(fd), reg(libc::F_GETLEASE), 0, 0, 0, 0]) });
    if lease.is_ok_and(|lease| lease != libc::F_UNLCK as usize) {
        return Ok(true);
    }
    let mut path = [0; INFO.len() + 12];
    let link = link_to(fd)?;
    let number = link.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    path.get_mut(..INFO.len()).unwrap_or_default().copy_from_slice(INFO);
    path.get_mut(INFO.len()..INFO.len() + number.len())
        .ok_or(Errno::EBADF)?
        .copy_from_slice(number);
    let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno::EBADF)?;
    // Locks stand behind offset, flags, mount and inode: four short lines.
    let mut text = [0; 256];
    let len = read_path(path, &mut text)?;
    let text = text.get(..len).unwrap_or_default();
    Ok(text.windows(LOCK.len()).any(|part| part == LOCK))
}

const INFO: &[u8] = b"/proc/thread-self/fdinfo/";
const LOCK: &[u8] = b"\nlock:";

//! Memory shared with other processes.

use crate::errno::Errno;
use crate::file;
use crate::raw::{answer, reg, syscall};
use core::sync::atomic::AtomicU64;

/// Maps the first `count` words of the memory file at `path`, shared with whoever else maps it: the
/// launcher's accounts. The descriptor is closed again; the mapping stays as long as the process.
///
/// ENAMETOOLONG and EINVAL for a path that is not of the form `/proc/PID/fd/FD`; EINVAL for a file
/// that was not made under the name `called` (the launcher may be gone, and its number another's),
/// that is not sealed against shrinking, or too small: touching what is not there would be SIGBUS.
pub fn map_shared(path: &[u8], name: &[u8], count: usize) -> Result<&'static [AtomicU64], Errno> {
    if !path.starts_with(b"/proc/") {
        return Err(Errno::EINVAL);
    }
    let mut c_path = [0; 64];
    let end = c_path.len() - 1;
    c_path
        .get_mut(..end)
        .and_then(|room| room.get_mut(..path.len()))
        .ok_or(Errno::ENAMETOOLONG)?
        .copy_from_slice(path);
    let flags = reg(libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY);
    let registers = [reg(libc::AT_FDCWD), c_path.as_ptr() as usize, flags, 0, 0, 0];
    // SAFETY: the name ends in a zero byte.
    let fd = answer(unsafe { syscall(libc::SYS_openat, registers) })?;
    let mapped = is_memory_file(fd, name, count * size_of::<u64>())
        .and_then(|()| map_words(count, libc::MAP_SHARED, fd));
    file::close(i32::try_from(fd).unwrap_or(-1));
    mapped
}

/// `count` words of zeros of this process's own. A child made by fork(2) finds zeros there too, where
/// the kernel can do that (madvise(2), `MADV_WIPEONFORK`, Linux 4.14). ENOMEM.
pub fn map_zeroed_on_fork(count: usize) -> Result<&'static [AtomicU64], Errno> {
    const NO_FILE: usize = usize::MAX;
    let words = map_words(count, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, NO_FILE)?;
    let wipe = reg(libc::MADV_WIPEONFORK);
    let registers = [words.as_ptr() as usize, size_of_val(words), wipe, 0, 0, 0];
    // SAFETY: the pages are ours; what fork(2) does with them is told above.
    let _ = unsafe { syscall(libc::SYS_madvise, registers) };
    Ok(words)
}

/// Maps words for as long as the process lives.
fn map_words(count: usize, flags: i32, fd: usize) -> Result<&'static [AtomicU64], Errno> {
    let protection = reg(libc::PROT_READ | libc::PROT_WRITE);
    let registers = [0, count * size_of::<u64>(), protection, reg(flags), fd, 0];
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let address = answer(unsafe { syscall(libc::SYS_mmap, registers) })?;
    // SAFETY: page-aligned, mapped for ever, and of a file, if it is of one, that cannot shrink below
    // what is mapped; whoever else writes there does so atomically.
    Ok(unsafe { core::slice::from_raw_parts(address as *const AtomicU64, count) })
}

/// Whether this is the memory file of that name, as /proc shows it, with room for `len` bytes that
/// it can never lose (memfd_create(2), "File sealing").
fn is_memory_file(fd: usize, name: &[u8], len: usize) -> Result<(), Errno> {
    let mut found = [0; 64];
    let end = file::readlink_fd(i32::try_from(fd).unwrap_or(-1), &mut found)?;
    if found.get(..end) != Some(name) {
        return Err(Errno::EINVAL);
    }
    let registers = [fd, reg(libc::F_GET_SEALS), 0, 0, 0, 0];
    // SAFETY: no pointers.
    let seals = answer(unsafe { syscall(libc::SYS_fcntl, registers) })?;
    let registers = [fd, 0, reg(libc::SEEK_END), 0, 0, 0];
    // SAFETY: no pointers.
    let size = answer(unsafe { syscall(libc::SYS_lseek, registers) })?;
    let kept = seals & reg(libc::F_SEAL_SHRINK) != 0 && size >= len;
    kept.then_some(()).ok_or(Errno::EINVAL)
}

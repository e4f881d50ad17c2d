//! Which pages of a file are in memory.

use crate::errno::Errno;
use crate::raw::{answer, reg, syscall};

/// Not in the libc crate for every target; one number on all architectures.
const SYS_CACHESTAT: libc::c_long = 451;

/// How many pages of `len` bytes at `offset` are in memory or swapped out (cachestat(2), Linux 6.5).
/// On tmpfs every page that was ever written is one of them, and what is none of them is a hole.
/// ENOSYS before 6.5, EPERM for a file that the process may not write to.
pub fn pages_present(fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
    // struct cachestat_range, and struct cachestat: cached, dirty, under writeback, evicted, and
    // evicted recently. To the kernel a length of 0 is all that there is.
    let range = [offset, len.max(1)];
    let mut counts = [0u64; 5];
    let registers = [reg(fd), range.as_ptr() as usize, counts.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads two words and writes five.
    answer(unsafe { syscall(SYS_CACHESTAT, registers) })?;
    let [cached, _, _, evicted, _] = counts;
    Ok(cached + evicted)
}

/// How many pages `len` bytes at `offset` touch (getauxval(3), `AT_PAGESZ`).
#[must_use]
pub fn pages_of(offset: u64, len: u64) -> u64 {
    // SAFETY: getauxval takes any number.
    let size = unsafe { libc::getauxval(libc::AT_PAGESZ) }.max(1);
    (offset.saturating_add(len)).div_ceil(size) - offset / size
}

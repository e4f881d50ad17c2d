//! Reports which pages of a file are in memory (cachestat(2)), and makes pages of memory.

use crate::auxv::auxiliary_value;
use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};
use core::sync::atomic::AtomicU64;

/// The libc crate does not have it for every target; the number is the same on all architectures.
const SYS_CACHESTAT: libc::c_long = 451;

/// Returns how many pages of `len` bytes at `offset` are in memory or swapped out (cachestat(2)).
/// On tmpfs that is every page that was ever written: a page that is not counted is a hole. ENOSYS
/// before Linux 6.5, EPERM if the process may not write to the file.
pub fn pages_present(fd: i32, offset: u64, len: u64) -> Result<u64, Errno> {
    // struct cachestat_range, and struct cachestat: cached, dirty, under writeback, evicted,
    // recently evicted. A length of 0 would mean up to the end of the file.
    let range = [offset, len.max(1)];
    let mut counts = [0u64; 5];
    let registers = [reg(fd), range.as_ptr() as usize, counts.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads two words and writes five.
    decode(unsafe { syscall(SYS_CACHESTAT, registers) })?;
    let [cached, _, _, evicted, _] = counts;
    Ok(cached + evicted)
}

/// Returns the bytes of a page of memory (getauxval(3), `AT_PAGESZ`); 4096 if they are unknown.
#[must_use]
pub fn page_size() -> usize {
    const SMALLEST: usize = 4096;
    let size = auxiliary_value(libc::AT_PAGESZ).and_then(|bytes| usize::try_from(bytes).ok());
    size.map_or(SMALLEST, |bytes| bytes.max(SMALLEST))
}

/// Makes the pages of these words, if the kernel can do so at once (madvise(2), `MADV_POPULATE_WRITE`,
/// Linux 5.14).
pub fn populate(words: &'static [AtomicU64]) {
    let first = words.as_ptr() as usize & !(page_size() - 1);
    let len = words.as_ptr_range().end as usize - first;
    let registers = [first, len, reg(libc::MADV_POPULATE_WRITE), 0, 0, 0];
    // SAFETY: the words stay, and their values are not changed.
    let _ = unsafe { syscall(libc::SYS_madvise, registers) };
}

/// Returns how many pages `len` bytes at `offset` touch.
#[must_use]
pub fn pages_of(offset: u64, len: u64) -> u64 {
    let size = page_size() as u64;
    (offset.saturating_add(len)).div_ceil(size) - offset / size
}

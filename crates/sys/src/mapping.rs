//! Memory that is shared with the launcher, or zeroed in a child.

use crate::errno::Errno;
use crate::file;
use crate::process::is_address_space_limited;
use crate::raw::{decode, reg, syscall, syscall0};
use core::arch::asm;
use core::mem::MaybeUninit;
use core::ops::RangeInclusive;
use core::sync::atomic::AtomicU64;

/// Fetches the cache line of a word that will be written soon, so that the write does not wait for the
/// CPU that has it. Raises no fault: if the page is not there, nothing is fetched.
#[inline(always)]
pub fn prefetch_for_write(word: &AtomicU64) {
    let address = word.as_ptr();
    // SAFETY: changes no memory and no register. Intel's processors without the instruction take it for
    // a NOP.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    // SAFETY: changes no memory and no register.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("prfm pstl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
}

/// What tells a memory file of ours from others: the value of one of its words.
#[derive(Clone, Copy)]
pub struct Mark {
    /// The index of the word.
    pub at: usize,
    pub word: u64,
}

/// Maps the words of the memory file at `path`, which the launcher maps too: its stats. There must be
/// as many as the range begins with; of more, those up to its end are mapped if there is room and the
/// process does not need it: if its address space is not limited. The descriptor is closed; the mapping
/// stays as long as the process.
///
/// ENOMEM, or EAGAIN if the process locks its memory, if there is no room for as many as the range
/// begins with.
/// ENAMETOOLONG and EINVAL if the path is not of the form `/proc/PID/fd/FD`. EINVAL if the file does
/// not have the mark (the launcher may have ended and its process id been reused, or is of another
/// version), can be shrunk by a process that has not been given it, or is too small: an access beyond its
/// end would raise SIGBUS.
pub fn map_shared(
    path: &[u8],
    mark: Mark,
    count: RangeInclusive<usize>,
) -> Result<&'static [AtomicU64], Errno> {
    if !path.starts_with(b"/proc/") {
        return Err(Errno::EINVAL);
    }
    let mut c_path = [0; 64];
    let end = c_path.len() - 1;
    c_path
        .get_mut(..end)
        .and_then(|bytes| bytes.get_mut(..path.len()))
        .ok_or(Errno::ENAMETOOLONG)?
        .copy_from_slice(path);
    let flags = reg(libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY);
    let registers = [reg(libc::AT_FDCWD), c_path.as_ptr() as usize, flags, 0, 0, 0];
    // SAFETY: the path ends in a zero byte.
    let fd = decode(unsafe { syscall(libc::SYS_openat, registers) })?;
    let mapped = map_memory_file(fd, mark, count);
    file::close(i32::try_from(fd).unwrap_or(-1));
    mapped
}

/// Maps the same words, for a process that may not open that path: it asks the supervisor that
/// answers for its calls, by a sendfile(2) which no program makes ([`STATS_REQUEST`]). EBADF if there
/// is none; another error if it is there and the words cannot be had.
pub fn map_shared_by_supervisor(
    mark: Mark,
    count: RangeInclusive<usize>,
) -> Result<&'static [AtomicU64], Errno> {
    let registers = [reg(-1), reg(-1), 0, STATS_REQUEST, 0, 0];
    // SAFETY: no pointers.
    let fd = decode(unsafe { syscall(libc::SYS_sendfile, registers) })?;
    // What is no memory file of this kind is a descriptor of the host's.
    words_of_memory_file(fd, mark, count.clone())?;
    let mapped = map_memory_file(fd, mark, count);
    file::close(i32::try_from(fd).unwrap_or(-1));
    mapped
}

/// Maps the words of a memory file, as [`map_shared`] does.
fn map_memory_file(
    fd: usize,
    mark: Mark,
    count: RangeInclusive<usize>,
) -> Result<&'static [AtomicU64], Errno> {
    let (least, most) = (*count.start(), words_of_memory_file(fd, mark, count)?);
    let most = if most > least && is_address_space_limited() { least } else { most };
    let map = |count| map_words(count, libc::MAP_SHARED, fd);
    map(most).or_else(|errno| if most > least { map(least) } else { Err(errno) })
}

/// The count of the sendfile(2), of descriptor −1 to −1, that asks the supervisor for the stats.
pub const STATS_REQUEST: usize = 0x6366_722d_7374_6174; // "cfr-stat"

/// Maps `count` zeroed words that are private to this process. After fork(2) they are zero in the
/// child too, if the kernel supports it (madvise(2), `MADV_WIPEONFORK`, Linux 4.14). Fails with
/// ENOMEM.
pub fn map_zeroed_on_fork(count: usize) -> Result<&'static [AtomicU64], Errno> {
    const NO_FILE: usize = usize::MAX;
    let words = map_words(count, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, NO_FILE)?;
    let wipe = reg(libc::MADV_WIPEONFORK);
    let registers = [words.as_ptr() as usize, size_of_val(words), wipe, 0, 0, 0];
    // SAFETY: the pages are ours, and zero is a valid value of the atomics in them.
    let _ = unsafe { syscall(libc::SYS_madvise, registers) };
    Ok(words)
}

/// Maps `len` zeroed bytes for as long as the process lives. Fails with ENOMEM.
pub fn map_bytes(len: usize) -> Result<&'static mut [u8], Errno> {
    let address = map_memory(len)?;
    // SAFETY: the mapping is new, of that size, and never unmapped.
    Ok(unsafe { core::slice::from_raw_parts_mut(address as *mut u8, len) })
}

/// Makes a value in memory that is mapped for as long as the process lives. Fails with ENOMEM.
pub fn map_value<T>(make: impl FnOnce() -> T) -> Result<&'static mut T, Errno> {
    const { assert!(align_of::<T>() <= 4096, "a page is aligned to its size") };
    let address = map_memory(size_of::<T>().max(1))? as *mut T;
    // SAFETY: the mapping is new, large enough, aligned to a page, and never unmapped.
    unsafe { address.write(make()) };
    // SAFETY: the value has just been written, and this is the only reference to it.
    Ok(unsafe { &mut *address })
}

/// Maps private memory and returns its address.
fn map_memory(len: usize) -> Result<usize, Errno> {
    let protection = reg(libc::PROT_READ | libc::PROT_WRITE);
    let flags = reg(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let registers = [0, len, protection, flags, usize::MAX, 0];
    // SAFETY: a new mapping at an address that the kernel chooses overlaps no existing memory.
    decode(unsafe { syscall(libc::SYS_mmap, registers) })
}

/// Maps words for as long as the process lives.
fn map_words(count: usize, flags: i32, fd: usize) -> Result<&'static [AtomicU64], Errno> {
    let protection = reg(libc::PROT_READ | libc::PROT_WRITE);
    let registers = [0, count * size_of::<u64>(), protection, reg(flags), fd, 0];
    // SAFETY: a new mapping at an address that the kernel chooses overlaps no existing memory.
    let address = decode(unsafe { syscall(libc::SYS_mmap, registers) })?;
    // SAFETY: page-aligned and never unmapped; a mapped file does not shrink below this size; other
    // processes write to it atomically.
    Ok(unsafe { core::slice::from_raw_parts(address as *const AtomicU64, count) })
}

/// Checks that `fd` is a memory file with the mark and at least as many words as the range begins with,
/// which it does not lose: it is sealed (memfd_create(2), "File sealing"), or out of reach. Otherwise
/// EINVAL. Returns how many it has, at most the end of the range.
///
/// Its name is not asked for: to read a link in /proc costs a process that has just started more than
/// all else here.
fn words_of_memory_file(
    fd: usize,
    mark: Mark,
    count: RangeInclusive<usize>,
) -> Result<usize, Errno> {
    let registers = [fd, reg(libc::F_GET_SEALS), 0, 0, 0, 0];
    // SAFETY: no pointers.
    let seals = decode(unsafe { syscall(libc::SYS_fcntl, registers) })?;
    let registers = [fd, 0, reg(libc::SEEK_END), 0, 0, 0];
    // SAFETY: no pointers.
    let size = decode(unsafe { syscall(libc::SYS_lseek, registers) })?;
    let words = (size / size_of::<u64>()).min(*count.end());
    let mut word = 0u64;
    let registers =
        [fd, &raw mut word as usize, size_of::<u64>(), mark.at * size_of::<u64>(), 0, 0];
    // SAFETY: the kernel writes at most one word of ours.
    let read = decode(unsafe { syscall(libc::SYS_pread64, registers) })?;
    let is_marked = read == size_of::<u64>() && word == mark.word;
    let is_large = words >= *count.start();
    let is_safe = || seals & reg(libc::F_SEAL_SHRINK) != 0 || is_out_of_reach(fd, size);
    (is_large && is_marked && is_safe()).then_some(words).ok_or(Errno::EINVAL)
}

/// Reports whether a file of a tmpfs of this size keeps it: it has no name, only this user, which could
/// trace this process as well, and root may open it, and all its pages are allocated, so that a full tmpfs
/// is no SIGBUS. Only such a filesystem's files have seals (fcntl(2), `F_GET_SEALS`).
#[cold]
fn is_out_of_reach(fd: usize, size: usize) -> bool {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes one struct stat, which on x86-64 and aarch64 is the C library's.
    if unsafe { syscall(libc::SYS_fstat, [fd, stat.as_mut_ptr() as usize, 0, 0, 0, 0]) } != 0 {
        return false;
    }
    // SAFETY: fstat succeeded, so the kernel has filled it.
    let stat = unsafe { stat.assume_init() };
    let is_users = stat.st_uid == 0 || syscall0(libc::SYS_geteuid) == stat.st_uid.cast_signed();
    // st_blocks counts units of 512 bytes (inode(7)).
    let is_allocated = usize::try_from(stat.st_blocks).is_ok_and(|blocks| blocks >= size / 512);
    let is_private = stat.st_mode == libc::S_IFREG | 0o600 && stat.st_nlink == 0;
    is_users && is_allocated && is_private
}

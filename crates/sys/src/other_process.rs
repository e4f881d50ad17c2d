//! Threads of other processes: their memory, credentials and limits, and signals to them.
//!
//! Memory is read and written by process_vm_readv(2), which respects the protection of pages;
//! /proc/PID/mem does not.

use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};
use libc::iovec;

/// Who a thread acts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identities {
    /// Its process.
    pub pid: i32,
    /// The user by which the kernel decides about its files.
    pub fsuid: u32,
    /// The group, likewise.
    pub fsgid: u32,
}

/// Reads words at these addresses of the process of thread `tid`, in one call. Each is `None` from
/// the first address that is not readable. EPERM if the process may not be traced (ptrace(2), "Ptrace
/// access mode checking"); ESRCH if it has ended.
pub fn read_words<const COUNT: usize>(
    tid: i32,
    addresses: [u64; COUNT],
) -> Result<[Option<u64>; COUNT], Errno> {
    let mut words = [0u64; COUNT];
    let (theirs, count) = ranges::<COUNT>(addresses);
    let theirs = theirs.get(..count).unwrap_or_default();
    let ours = iovec { iov_base: words.as_mut_ptr().cast(), iov_len: size_of_val(&words) };
    // SAFETY: the kernel writes at most the length of `ours`, which is `words`.
    let done = unsafe { transfer(libc::SYS_process_vm_readv, tid, &ours, theirs) };
    let whole = match done {
        Ok(bytes) => bytes / size_of::<u64>(),
        Err(Errno::EFAULT) => 0,
        Err(errno) => return Err(errno),
    };
    let mut read = (0..).zip(words).map(|(index, word)| (index < whole).then_some(word));
    Ok(core::array::from_fn(|_| read.next().flatten()))
}

/// Reads memory at `address` of the process of thread `tid`. Returns the bytes read, which are fewer
/// than asked for if a page is not readable. EFAULT if the first one is not.
pub fn read_memory(tid: i32, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let ours = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: the kernel writes at most the length of `ours`, which is `buffer`.
    unsafe { transfer(libc::SYS_process_vm_readv, tid, &ours, &[range(address, buffer.len())]) }
}

/// Writes words at these addresses of the process of thread `tid`, in one call. EFAULT if one is not
/// writable; those before it are written then.
pub fn write_words(tid: i32, words: &[(u64, u64)]) -> Result<(), Errno> {
    const MAX: usize = 2;
    let mut values = [0u64; MAX];
    for (value, (_, word)) in values.iter_mut().zip(words) {
        *value = *word;
    }
    let len = words.len().min(MAX) * size_of::<u64>();
    let ours = iovec { iov_base: values.as_mut_ptr().cast(), iov_len: len };
    let (theirs, count) = ranges::<MAX>(words.iter().map(|(address, _)| *address));
    let theirs = theirs.get(..count).unwrap_or_default();
    // SAFETY: the kernel only reads `values`, which has at least `len` bytes.
    let written = unsafe { transfer(libc::SYS_process_vm_writev, tid, &ours, theirs) };
    if written? == len { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Writes memory at `address` of the process of thread `tid`. EFAULT if it is not all writable.
pub fn write_memory(tid: i32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    let ours = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the kernel only reads `bytes`.
    let written = unsafe {
        transfer(libc::SYS_process_vm_writev, tid, &ours, &[range(address, bytes.len())])
    };
    if written? == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Returns the ranges of the first `MAX` words at these addresses, and how many ranges they are: a word
/// that follows the one before it is in its range, because the kernel takes 0.5 us for each range.
fn ranges<const MAX: usize>(addresses: impl IntoIterator<Item = u64>) -> ([iovec; MAX], usize) {
    let mut ranges = [range(0, 0); MAX];
    let (mut count, mut next) = (0, None);
    for address in addresses.into_iter().take(MAX) {
        let last = ranges.get_mut(..count).and_then(<[iovec]>::last_mut);
        if let Some(last) = last.filter(|_| next == Some(address)) {
            last.iov_len += size_of::<u64>();
        } else if let Some(new) = ranges.get_mut(count) {
            *new = range(address, size_of::<u64>());
            count += 1;
        }
        next = address.checked_add(size_of::<u64>() as u64);
    }
    (ranges, count)
}

fn range(address: u64, len: usize) -> iovec {
    let address = usize::try_from(address).unwrap_or(usize::MAX);
    iovec { iov_base: core::ptr::without_provenance_mut(address), iov_len: len }
}

/// # Safety
///
/// `ours` must be valid for `number`: readable, and for process_vm_readv(2) writable.
unsafe fn transfer(
    number: libc::c_long,
    tid: i32,
    ours: &iovec,
    theirs: &[iovec],
) -> Result<usize, Errno> {
    let (ours, count) = (&raw const *ours as usize, theirs.len());
    let registers = [reg(tid), ours, 1, theirs.as_ptr() as usize, count, 0];
    // SAFETY: the kernel reads the arrays; the caller vouches for `ours`, and the kernel checks theirs.
    decode(unsafe { syscall(number, registers) })
}

/// Returns the identities of the thread behind a pidfd (ioctl(2) `PIDFD_GET_INFO`, Linux 6.13). ESRCH
/// if it has ended, ENOTTY before Linux 6.13.
pub fn identities(pidfd: i32) -> Result<Identities, Errno> {
    /// `_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)` of linux/pidfd.h, in its first version.
    const PIDFD_GET_INFO: usize = 0xc040_ff0b;
    /// `PIDFD_INFO_PID | PIDFD_INFO_CREDS`.
    const WANTED: u64 = 1 | 2;
    // A mask, a control group, and twelve numbers of 32 bits.
    let mut info = [0u64; 8];
    info[0] = WANTED;
    let registers = [reg(pidfd), PIDFD_GET_INFO, info.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads and writes one struct pidfd_info of the size that the number gives.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) })?;
    let [mask, _, pid_tgid, .., fsuid_fsgid_before, fsgid_after] = info;
    if mask & WANTED != WANTED {
        return Err(Errno::ENOTTY);
    }
    Ok(Identities {
        pid: i32::try_from(pid_tgid >> 32).unwrap_or(0),
        fsuid: high(fsuid_fsgid_before),
        fsgid: low(fsgid_after),
    })
}

fn low(word: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
    let half = word as u32;
    half
}

fn high(word: u64) -> u32 {
    low(word >> 32)
}

/// Reports whether two threads have one table of descriptors (kcmp(2) `KCMP_FILES`); false if the
/// kernel does not tell, or one of them has ended.
#[must_use]
pub fn share_descriptors(one: i32, other: i32) -> bool {
    const KCMP_FILES: usize = 2;
    // SAFETY: no pointers.
    decode(unsafe { syscall(libc::SYS_kcmp, [reg(one), reg(other), KCMP_FILES, 0, 0, 0]) }) == Ok(0)
}

/// Returns `RLIMIT_FSIZE` of the process of thread `tid` in bytes (prlimit(2));
/// [`NO_LIMIT`](crate::NO_LIMIT) if it is not set. EPERM for a process of another user.
pub fn file_size_limit_of(tid: i32) -> Result<u64, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let resource = libc::RLIMIT_FSIZE as usize;
    let registers = [reg(tid), resource, 0, &raw mut limit as usize, 0, 0];
    // SAFETY: the kernel writes one struct rlimit.
    decode(unsafe { syscall(libc::SYS_prlimit64, registers) })?;
    Ok(limit.rlim_cur)
}

/// Sends `signal` to thread `tid` of process `pid` (tgkill(2)). ESRCH if it has ended.
pub fn signal_thread(pid: i32, tid: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    decode(unsafe { syscall(libc::SYS_tgkill, [reg(pid), reg(tid), reg(signal), 0, 0, 0]) })
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::getpid;
    use crate::thread::gettid;

    #[test]
    fn memory_is_read_and_written() {
        let words = [7u64, 8];
        let at = words.each_ref().map(|word| (&raw const *word).addr() as u64);
        assert_eq!(read_words(gettid(), at), Ok([Some(7), Some(8)]));
        assert_eq!(read_words(gettid(), [at[1], at[0]]), Ok([Some(8), Some(7)]));
        assert_eq!(read_words(gettid(), [at[0], at[0]]), Ok([Some(7), Some(7)]));
        assert_eq!(read_words(gettid(), [at[0], 16]), Ok([Some(7), None]));
        assert_eq!(read_words(gettid(), [16, at[0]]), Ok([None, None]));
        assert_eq!(read_memory(gettid(), 16, &mut [0; 8]), Err(Errno::EFAULT));
        assert_eq!(write_memory(gettid(), 16, &[0; 8]), Err(Errno::EFAULT));
        // A constant is not writable.
        static CONSTANT: [u8; 8] = [1; 8];
        let address = (&raw const CONSTANT).addr() as u64;
        assert_eq!(write_memory(gettid(), address, &[2; 8]), Err(Errno::EFAULT));
        let mut place = 0u64;
        let address = (&raw mut place).addr() as u64;
        assert_eq!(write_memory(gettid(), address, &9u64.to_ne_bytes()), Ok(()));
        assert_eq!(place, 9);
        let mut places = [0u64; 2];
        let at = places.each_mut().map(|place| (&raw mut *place).addr() as u64);
        assert_eq!(write_words(gettid(), &[(at[0], 3), (at[1], 4)]), Ok(()));
        assert_eq!(places, [3, 4]);
        assert_eq!(write_words(gettid(), &[(at[1], 8), (at[0], 7)]), Ok(()));
        assert_eq!(places, [7, 8]);
        assert_eq!(write_words(gettid(), &[(at[0], 5), (16, 6)]), Err(Errno::EFAULT));
        assert_eq!(write_words(gettid(), &[]), Ok(()));
    }

    /// Words that follow each other are one range, but not one word: the first is there without the
    /// second.
    #[test]
    fn words_end_at_a_page_that_is_not_there() {
        const PAGE: usize = 4096;
        let (kind, rights) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_READ);
        let (none, rights) = (core::ptr::null_mut(), rights | libc::PROT_WRITE);
        // SAFETY: new memory.
        let pages = unsafe { libc::mmap(none, 2 * PAGE, rights, kind, -1, 0) };
        let second = pages.addr() + PAGE;
        // SAFETY: the second page of the memory above, which nothing uses.
        assert_eq!(unsafe { libc::munmap(pages.wrapping_byte_add(PAGE), PAGE) }, 0);
        let at = [second - 8, second].map(|address| address as u64);
        assert_eq!(read_words(gettid(), at), Ok([Some(0), None]));
        assert_eq!(write_words(gettid(), &[(at[0], 5), (at[1], 6)]), Err(Errno::EFAULT));
        assert_eq!(read_words(gettid(), at), Ok([Some(5), None]));
        // SAFETY: as above.
        assert_eq!(unsafe { libc::munmap(pages, PAGE) }, 0);
    }

    #[test]
    fn descriptors_are_shared_or_not() {
        let first = getpid();
        let started = std::thread::spawn(move || {
            let shared = share_descriptors(first, gettid());
            // SAFETY: no pointers; the thread opens nothing.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
            (shared, share_descriptors(first, gettid()))
        });
        assert_eq!(started.join().unwrap(), (true, false));
        assert!(!share_descriptors(first, 1 << 30));
    }

    #[test]
    fn limits_are_those_of_the_process() {
        assert_eq!(file_size_limit_of(gettid()), crate::process::file_size_limit());
        assert_eq!(signal_thread(getpid(), gettid(), 0), Ok(()));
        assert_eq!(file_size_limit_of(1 << 30), Err(Errno(libc::ESRCH)));
    }
}

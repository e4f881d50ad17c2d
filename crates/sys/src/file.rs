//! Descriptors of the library's own: opening, duplicating, writing, and checking that they still
//! refer to the same file.

use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};
use core::ffi::CStr;
use core::mem::MaybeUninit;

/// Lowest number of our descriptors: above the numbers that shells give to scripts, and within the
/// table of 64 entries that a process has without growing it.
const OUR_LOWEST: usize = 32;
/// Lowest number if RLIMIT_NOFILE is below [`OUR_LOWEST`].
const OUR_LOWEST_UNDER_LIMIT: usize = 10;

/// What file a descriptor refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// A hash of device, inode, special device, type and btime, 42 bits: equal for two descriptors
    /// of one file; two files collide once in 2^42 pairs.
    pub fingerprint: u64,
    pub is_regular: bool,
}

/// Identifies the file of `fd` (fstat(2)). EBADF if the descriptor is closed.
pub fn identify(fd: i32) -> Result<Identity, Errno> {
    let stat = fstat(fd)?;
    let kind = stat.st_mode & libc::S_IFMT;
    let is_regular = kind == libc::S_IFREG;
    let btime = if is_regular { btime(fd) } else { 0 };
    Ok(Identity {
        fingerprint: fingerprint([stat.st_dev, stat.st_ino, stat.st_rdev, u64::from(kind), btime]),
        is_regular,
    })
}

#[inline]
fn fstat(fd: i32) -> Result<libc::stat, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes one struct stat, which on x86-64 and aarch64 is the C library's.
    decode(unsafe { syscall(libc::SYS_fstat, [reg(fd), stat.as_mut_ptr() as usize, 0, 0, 0, 0]) })?;
    // SAFETY: fstat succeeded, so the kernel has filled it.
    Ok(unsafe { stat.assume_init() })
}

/// Returns the creation time of a file in an opaque unit; 0 if the filesystem does not record it.
/// It tells a file from a deleted one whose inode number it has.
fn btime(fd: i32) -> u64 {
    let mut statx = MaybeUninit::<libc::statx>::zeroed();
    let registers = [
        reg(fd),
        c"".as_ptr() as usize,
        reg(libc::AT_EMPTY_PATH),
        libc::STATX_BTIME as usize,
        statx.as_mut_ptr() as usize,
        0,
    ];
    // SAFETY: an empty C string, and the kernel writes one struct statx.
    let done = decode(unsafe { syscall(libc::SYS_statx, registers) });
    // SAFETY: zeroed before, so it is valid even if the call failed.
    let statx = unsafe { statx.assume_init() };
    if done.is_err() || statx.stx_mask & libc::STATX_BTIME == 0 {
        return 0;
    }
    statx.stx_btime.tv_sec.cast_unsigned() << 30 ^ u64::from(statx.stx_btime.tv_nsec)
}

/// Hashes words to 42 bits: FNV-1a over words, folded.
fn fingerprint(words: [u64; 5]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for word in words {
        hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 29;
    }
    (hash ^ hash >> 42) & ((1 << 42) - 1)
}

/// A descriptor that the library opened, and the file that it refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// At 10 or above, close-on-exec.
    pub fd: i32,
    pub identity: Identity,
}

/// Opens `path` for appending and moves the descriptor to 10 or above. Creates the file if it does
/// not exist (mode 0666 less the umask). Never blocks: ENXIO for a FIFO without a reader.
pub fn open_append(path: &CStr) -> Result<Opened, Errno> {
    let flags = libc::O_WRONLY
        | libc::O_APPEND
        | libc::O_CREAT
        | libc::O_CLOEXEC
        | libc::O_NOCTTY
        | libc::O_NONBLOCK;
    let registers = [reg(libc::AT_FDCWD), path.as_ptr() as usize, reg(flags), 0o666, 0, 0];
    // SAFETY: path is a C string.
    let low = descriptor(decode(unsafe { syscall(libc::SYS_openat, registers) })?);
    let fd = move_up(low)?;
    match identify(fd) {
        Ok(identity) => Ok(Opened { fd, identity }),
        Err(errno) => {
            close(fd);
            Err(errno)
        }
    }
}

/// Moves a descriptor of ours to 10 or above. EMFILE if no number is free; `low` is closed in any
/// case.
pub(crate) fn move_up(low: i32) -> Result<i32, Errno> {
    let high = duplicate_high(low);
    close(low);
    high
}

/// Reports whether `fd` is a terminal: only a terminal has a window size (ioctl_tty(2),
/// TIOCGWINSZ).
#[must_use]
pub fn is_terminal(fd: i32) -> bool {
    let mut size = [0u16; 4];
    let request = usize::try_from(libc::TIOCGWINSZ).unwrap_or(0);
    let registers = [reg(fd), request, size.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: struct winsize has four shorts.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) }).is_ok()
}

/// Duplicates `fd` to 10 or above, close-on-exec. EMFILE if no number is free, EBADF if `fd` is
/// closed.
pub fn duplicate_high(fd: i32) -> Result<i32, Errno> {
    let high = duplicate(fd, OUR_LOWEST).or_else(|_| duplicate(fd, OUR_LOWEST_UNDER_LIMIT));
    // EINVAL if RLIMIT_NOFILE is below the lowest number.
    high.map_err(|errno| if errno == Errno::EINVAL { Errno::EMFILE } else { errno })
}

fn duplicate(fd: i32, lowest: usize) -> Result<i32, Errno> {
    let registers = [reg(fd), reg(libc::F_DUPFD_CLOEXEC), lowest, 0, 0, 0];
    // SAFETY: no pointers.
    decode(unsafe { syscall(libc::SYS_fcntl, registers) }).map(descriptor)
}

/// Converts a result register to a descriptor; the kernel returns at most INT_MAX.
fn descriptor(result: usize) -> i32 {
    i32::try_from(result).unwrap_or(-1)
}

/// Closes a descriptor of ours. Errors are ignored: the number is free in any case (close(2)).
pub fn close(fd: i32) {
    // SAFETY: no pointers; the caller owns the descriptor.
    let _ = unsafe { syscall(libc::SYS_close, [reg(fd), 0, 0, 0, 0, 0]) };
}

/// Closes all descriptors from `first` on (close_range(2), Linux 5.9).
pub fn close_from(first: u32) {
    let registers = [first as usize, u32::MAX as usize, 0, 0, 0, 0];
    // SAFETY: no pointers; the caller owns the descriptors.
    let _ = unsafe { syscall(libc::SYS_close_range, registers) };
}

/// Returns the file offset of `fd` in bytes (lseek(2)). ESPIPE for a pipe or a terminal.
pub fn file_offset(fd: i32) -> Result<u64, Errno> {
    seek(fd, 0, libc::SEEK_CUR)
}

/// Sets the file offset of `fd` to `bytes` from the start. EINVAL beyond the filesystem's largest
/// file.
pub fn set_file_offset(fd: i32, bytes: u64) -> Result<u64, Errno> {
    seek(fd, bytes, libc::SEEK_SET)
}

fn seek(fd: i32, offset: u64, whence: i32) -> Result<u64, Errno> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    // SAFETY: no pointers.
    decode(unsafe { syscall(libc::SYS_lseek, [reg(fd), offset, reg(whence), 0, 0, 0]) })
        .map(|bytes| bytes as u64)
}

/// Returns the size of the file of `fd` in bytes (fstat(2)).
pub fn file_size(fd: i32) -> Result<u64, Errno> {
    Ok(fstat(fd)?.st_size.cast_unsigned())
}

/// Opens the file of `fd`, a descriptor of ours, once more, to read it and to write at any offset.
/// Returns a descriptor at 10 or above. ENOENT without /proc, EACCES if the process may not read or
/// write the file.
pub fn reopen(fd: i32) -> Result<i32, Errno> {
    let link = link_to(fd)?;
    let path = CStr::from_bytes_until_nul(&link).map_err(|_| Errno::EBADF)?;
    let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
    move_up(open(path, flags)?)
}

/// Writes to the file offset (write(2)); returns the bytes written.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel reads `bytes`.
    decode(unsafe {
        syscall(libc::SYS_write, [reg(fd), bytes.as_ptr() as usize, bytes.len(), 0, 0, 0])
    })
}

/// Appends to a descriptor that was opened with `O_APPEND`, and does not move its file offset
/// (pwrite(2), "BUGS"). `unless_append` is the offset that takes effect if another process has
/// cleared `O_APPEND`: beyond the end of any log, so that nothing is overwritten even then.
pub fn write_at_end(fd: i32, bytes: &[u8], unless_append: u64) -> Result<usize, Errno> {
    let at = usize::try_from(unless_append).unwrap_or(usize::MAX);
    // SAFETY: the kernel reads `bytes`.
    decode(unsafe {
        syscall(libc::SYS_pwrite64, [reg(fd), bytes.as_ptr() as usize, bytes.len(), at, 0, 0])
    })
}

/// Writes once without blocking, whatever the descriptor's flags. EAGAIN if there is no space,
/// EOPNOTSUPP if the file (a terminal) or the kernel does not support `RWF_NOWAIT` (pwritev2(2)).
pub fn write_no_wait(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    const CURRENT_POSITION: usize = usize::MAX;
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let registers = [
        reg(fd),
        &raw const part as usize,
        1,
        CURRENT_POSITION,
        CURRENT_POSITION,
        reg(libc::RWF_NOWAIT),
    ];
    // SAFETY: the kernel reads the one iovec and the bytes that it names.
    decode(unsafe { syscall(libc::SYS_pwritev2, registers) })
}

/// The result of [`wait_writable`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// A write will not block: there is space, or no reader is left.
    Ready,
    TimedOut,
}

/// Waits at most `milliseconds` until `fd` is writable (ppoll(2)). If a signal arrives, its handler
/// runs and the wait goes on for the rest of the time.
pub fn wait_writable(fd: i32, milliseconds: u32) -> Readiness {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let mut left = libc::timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    };
    loop {
        let registers = [&raw mut poll as usize, 1, &raw mut left as usize, 0, 0, 0];
        // SAFETY: one pollfd and one timespec of ours; the kernel updates the timespec to the time
        // that is left (ppoll(2), "C library/kernel differences").
        match decode(unsafe { syscall(libc::SYS_ppoll, registers) }) {
            Ok(1..) => return Readiness::Ready,
            Err(Errno::EINTR) => {}
            _ => return Readiness::TimedOut,
        }
    }
}

/// Waits for so many milliseconds (ppoll(2)).
pub fn wait(milliseconds: u32) {
    // A negative descriptor is ignored.
    wait_writable(-1, milliseconds);
}

/// Writes the path of `fd` into `buffer` and returns its length; a longer path is truncated. It
/// reads the link in `/proc/thread-self/fd`, because threads may have descriptor tables of their
/// own and the first thread may have ended. EBADF or ENOENT if there is no such descriptor.
pub fn readlink_fd(fd: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    read_link(libc::AT_FDCWD, &link_to(fd)?, buffer)
}

/// Writes the path of `fd` into `buffer`, as [`readlink_fd`] does, by `links`, the directory of this
/// process's links: the kernel need not find it for each call.
pub fn readlink_fd_in(links: i32, fd: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let link = link_to(fd)?;
    let (_, name) = link.split_at(LINK_PREFIX.len());
    read_link(links, name, buffer)
}

/// `link` ends in a zero byte.
#[inline(always)]
fn read_link(directory: i32, link: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
    let registers =
        [reg(directory), link.as_ptr() as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0];
    // SAFETY: the path ends in a zero byte; the kernel writes at most buffer.len() bytes.
    decode(unsafe { syscall(libc::SYS_readlinkat, registers) })
}

/// Opens an existing file (open(2)).
pub(crate) fn open(path: &CStr, flags: i32) -> Result<i32, Errno> {
    let registers = [reg(libc::AT_FDCWD), path.as_ptr() as usize, reg(flags), 0, 0, 0];
    // SAFETY: path is a C string.
    decode(unsafe { syscall(libc::SYS_openat, registers) }).map(descriptor)
}

/// Reads from the file offset (read(2)); returns the bytes read, 0 at the end of the file.
pub(crate) fn read(fd: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let registers = [reg(fd), buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
    // SAFETY: the kernel writes at most buffer.len() bytes.
    decode(unsafe { syscall(libc::SYS_read, registers) })
}

const LINK_PREFIX: &[u8] = b"/proc/thread-self/fd/";

/// Returns the path of the /proc link of `fd`, ending in a zero byte. EBADF if `fd` is negative.
pub(crate) fn link_to(fd: i32) -> Result<[u8; LINK_PREFIX.len() + 11], Errno> {
    let Ok(mut rest) = u32::try_from(fd) else {
        return Err(Errno::EBADF);
    };
    let mut path = [0u8; LINK_PREFIX.len() + 11];
    let (prefix, digits) = path.split_at_mut(LINK_PREFIX.len());
    prefix.copy_from_slice(LINK_PREFIX);
    let count = rest.checked_ilog10().map_or(1, |log| log as usize + 1);
    for digit in digits.iter_mut().take(count).rev() {
        let value = (rest % 10) as u8;
        *digit = b'0' + value;
        rest /= 10;
    }
    Ok(path)
}

/// Writes the working directory into `buffer` and returns its length without the final zero byte.
/// ERANGE if it does not fit.
pub fn getcwd(buffer: &mut [u8]) -> Result<usize, Errno> {
    let registers = [buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0, 0];
    // SAFETY: the kernel writes at most buffer.len() bytes.
    let with_zero = decode(unsafe { syscall(libc::SYS_getcwd, registers) })?;
    Ok(with_zero.saturating_sub(1))
}

//! Queries about a descriptor that change nothing: type, open flags, size, filesystem, and what the
//! kernel would check before a copy.

use crate::cookie::cookie;
use crate::errno::Errno;
use crate::file;
use crate::process::{file_size_limit, getpid};
use crate::raw::{decode, reg, syscall};
use crate::signal::WriteSignalGuard;
use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::num::NonZero;
use core::sync::atomic::{AtomicU8, Ordering};

/// The type of the file that a descriptor refers to (inode(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    Regular,
    Directory,
    BlockDevice,
    /// A character device, or a symbolic link opened with `O_PATH`.
    Special,
    /// A pipe, a socket, or a file that is in no filesystem, such as one of eventfd(2).
    Anonymous,
}

/// The part of statx(2) that a copy needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    pub kind: FileKind,
    /// The device number of its filesystem. Two files of one filesystem may have different numbers
    /// (btrfs subvolumes).
    pub dev: u64,
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Allocated bytes.
    pub allocated: u64,
    /// `STATX_ATTR_IMMUTABLE`; false if the kernel does not tell.
    pub immutable: bool,
    /// Creation time in an opaque unit; 0 if it is unknown.
    pub btime: u64,
}

impl Stat {
    /// Reports whether both are the same file.
    #[must_use]
    pub fn is_same_file(&self, other: &Stat) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// Returns device, inode and creation time: they tell a file from all others, also from a
    /// deleted one with the same inode number.
    #[must_use]
    pub fn identity(&self) -> [u64; 2] {
        [self.dev, self.ino ^ self.btime]
    }
}

/// Returns the type, size and identity of the file of `fd` (statx(2)); works with `O_PATH`
/// descriptors. EBADF if the descriptor is closed.
///
/// It does not use fstat(2), which also returns the times: since Linux 6.13, reading a file's time
/// makes the next write to it store a finer one, which costs half a write of 4 KiB.
pub fn stat(fd: i32) -> Result<Stat, Errno> {
    const WANTED: u32 = libc::STATX_TYPE
        | libc::STATX_INO
        | libc::STATX_SIZE
        | libc::STATX_BLOCKS
        | libc::STATX_BTIME;
    match statx(fd, WANTED) {
        Ok(statx) => Ok(Stat {
            kind: kind(statx.stx_mode.into()),
            dev: libc::makedev(statx.stx_dev_major, statx.stx_dev_minor),
            ino: statx.stx_ino,
            size: statx.stx_size,
            allocated: statx.stx_blocks.saturating_mul(BLOCK),
            immutable: statx.stx_attributes & libc::STATX_ATTR_IMMUTABLE as u64 != 0,
            btime: match statx.stx_mask & libc::STATX_BTIME {
                0 => 0,
                _ => {
                    statx.stx_btime.tv_sec.cast_unsigned() << 30
                        ^ u64::from(statx.stx_btime.tv_nsec)
                }
            },
        }),
        // Linux before 4.11, or a seccomp filter.
        Err(Errno::ENOSYS | Errno::EPERM) => fstat(fd),
        Err(errno) => Err(errno),
    }
}

/// The unit of `st_blocks`, whatever the filesystem's block size is (inode(7)).
const BLOCK: u64 = 512;

fn statx(fd: i32, wanted: u32) -> Result<libc::statx, Errno> {
    let mut statx = MaybeUninit::<libc::statx>::uninit();
    let empty = c"".as_ptr() as usize;
    let registers =
        [reg(fd), empty, reg(libc::AT_EMPTY_PATH), wanted as usize, statx.as_mut_ptr() as usize, 0];
    // SAFETY: the path is an empty C string; the kernel writes one struct statx.
    decode(unsafe { syscall(libc::SYS_statx, registers) })?;
    // SAFETY: it succeeded, so the kernel has filled it.
    Ok(unsafe { statx.assume_init() })
}

fn fstat(fd: i32) -> Result<Stat, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes one struct stat, which on x86-64 and aarch64 is the C library's.
    decode(unsafe { syscall(libc::SYS_fstat, [reg(fd), stat.as_mut_ptr() as usize, 0, 0, 0, 0]) })?;
    // SAFETY: fstat succeeded, so the kernel has filled it.
    Ok(from_stat(unsafe { stat.assume_init_ref() }))
}

/// Returns the same for a path, following symbolic links (stat(2)).
fn stat_path(path: &CStr) -> Result<Stat, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    let registers =
        [reg(libc::AT_FDCWD), path.as_ptr() as usize, stat.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the path is a C string; the kernel writes one struct stat.
    decode(unsafe { syscall(libc::SYS_newfstatat, registers) })?;
    // SAFETY: it succeeded, so the kernel has filled it.
    Ok(from_stat(unsafe { stat.assume_init_ref() }))
}

fn from_stat(stat: &libc::stat) -> Stat {
    Stat {
        kind: kind(stat.st_mode),
        dev: stat.st_dev,
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        allocated: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK),
        immutable: false,
        btime: 0,
    }
}

fn kind(mode: libc::mode_t) -> FileKind {
    match mode & libc::S_IFMT {
        libc::S_IFREG => FileKind::Regular,
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFBLK => FileKind::BlockDevice,
        libc::S_IFCHR | libc::S_IFLNK => FileKind::Special,
        _ => FileKind::Anonymous,
    }
}

/// The open flags of a descriptor (fcntl(2), `F_GETFL`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenFlags {
    pub readable: bool,
    pub writable: bool,
    /// `O_APPEND` now: it may have been set after opening.
    pub append: bool,
    /// `O_DIRECT`: reads and writes must be aligned to the device's sectors.
    pub direct: bool,
}

/// Returns the open flags of `fd`. EBADF if it is closed, or open with `O_PATH` only.
pub fn open_flags(fd: i32) -> Result<OpenFlags, Errno> {
    // SAFETY: no pointers.
    let flags =
        decode(unsafe { syscall(libc::SYS_fcntl, [reg(fd), reg(libc::F_GETFL), 0, 0, 0, 0]) })?;
    let flags = i32::try_from(flags).unwrap_or(0);
    if flags & libc::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    // Access mode 3 is allowed and permits neither reading nor writing (open(2)).
    let mode = flags & libc::O_ACCMODE;
    Ok(OpenFlags {
        readable: mode == libc::O_RDONLY || mode == libc::O_RDWR,
        writable: mode == libc::O_WRONLY || mode == libc::O_RDWR,
        append: flags & libc::O_APPEND != 0,
        direct: flags & libc::O_DIRECT != 0,
    })
}

/// Reports whether both descriptors refer to one open file description, and so share one file
/// offset (kcmp(2)). If the kernel does not support kcmp, only equal numbers do.
#[must_use]
pub fn is_same_description(one: i32, other: i32) -> bool {
    const KCMP_FILE: usize = 0;
    if one == other {
        return true;
    }
    let pid = reg(getpid());
    // SAFETY: no pointers.
    decode(unsafe { syscall(libc::SYS_kcmp, [pid, pid, KCMP_FILE, reg(one), reg(other), 0]) })
        == Ok(0)
}

/// The part of statfs(2) that a copy needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filesystem {
    /// Bytes of a block. Only whole blocks are shared.
    pub block_size: NonZero<u64>,
    /// Bytes available to unprivileged users.
    pub available: u64,
    pub kind: FilesystemKind,
}

/// The filesystems that the copy treats in a special way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilesystemKind {
    /// ext2, ext3 or ext4, which have the same magic number.
    Ext4,
    Btrfs,
    /// tmpfs, which also holds memory files.
    Tmpfs,
    Other,
}

/// Returns the filesystem of `fd` (fstatfs(2)).
pub fn filesystem(fd: i32) -> Result<Filesystem, Errno> {
    let mut statfs = MaybeUninit::<libc::statfs>::uninit();
    let registers = [reg(fd), statfs.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one struct statfs.
    decode(unsafe { syscall(libc::SYS_fstatfs, registers) })?;
    // SAFETY: it succeeded, so the kernel has filled it.
    let statfs = unsafe { statfs.assume_init_ref() };
    let block_size = u64::try_from(statfs.f_bsize).ok().and_then(NonZero::new);
    let block_size = block_size.unwrap_or(NonZero::<u64>::MIN);
    // The type of both differs between C libraries.
    let is = |magic| i128::from(statfs.f_type) == magic;
    Ok(Filesystem {
        block_size,
        available: statfs.f_bavail.saturating_mul(block_size.get()),
        kind: if is(libc::EXT4_SUPER_MAGIC.into()) {
            FilesystemKind::Ext4
        } else if is(libc::BTRFS_SUPER_MAGIC.into()) {
            FilesystemKind::Btrfs
        } else if is(libc::TMPFS_MAGIC.into()) {
            FilesystemKind::Tmpfs
        } else {
            FilesystemKind::Other
        },
    })
}

/// Reports whether the file is NoCOW (ioctl_iflags(2), `FS_NOCOW_FL`).
#[must_use]
pub fn is_nocow(fd: i32) -> bool {
    const FS_IOC_GETFLAGS: usize = 0x8008_6601;
    const FS_NOCOW_FL: u32 = 0x0080_0000;
    let mut flags = 0u32;
    let registers = [reg(fd), FS_IOC_GETFLAGS, &raw mut flags as usize, 0, 0, 0];
    // SAFETY: the kernel writes one int, whatever the size in the request's name.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) }).is_ok() && flags & FS_NOCOW_FL != 0
}

/// The seals of a memory file that matter to a copy (memfd_create(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seals {
    /// `F_SEAL_WRITE` or `F_SEAL_FUTURE_WRITE`.
    pub write: bool,
    /// `F_SEAL_GROW`.
    pub grow: bool,
}

/// Returns the seals of `fd` (fcntl(2), `F_GET_SEALS`); none for a file that cannot be sealed.
#[must_use]
pub fn seals(fd: i32) -> Seals {
    // SAFETY: no pointers.
    let seals =
        decode(unsafe { syscall(libc::SYS_fcntl, [reg(fd), reg(libc::F_GET_SEALS), 0, 0, 0, 0]) });
    let seals = seals.ok().and_then(|seals| i32::try_from(seals).ok()).unwrap_or(0);
    Seals {
        write: seals & (libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE) != 0,
        grow: seals & libc::F_SEAL_GROW != 0,
    }
}

/// Returns what the kernel answers to a copy of 0 bytes from the start of one file to the start of
/// the other. Since Linux 5.19 it makes every check that does not depend on the range, and copies
/// nothing.
pub fn zero_length_copy(fd_in: i32, fd_out: i32) -> Result<usize, Errno> {
    // Even this call raises SIGXFSZ if the limit is 0, or so large that the kernel takes it for a
    // negative number.
    let raises = |limit: u64| limit == 0 || limit > i64::MAX as u64 && limit != u64::MAX;
    if file_size_limit().is_ok_and(raises) {
        zero_length_copy_without_signal(fd_in, fd_out, 0)
    } else {
        zero_length_copy_at(fd_in, 0, fd_out, 0)
    }
}

/// Does the same to this offset in bytes, without SIGXFSZ.
#[cold]
#[inline(never)]
fn zero_length_copy_without_signal(fd_in: i32, fd_out: i32, off_out: i64) -> Result<usize, Errno> {
    let guard = WriteSignalGuard::new();
    let done = zero_length_copy_at(fd_in, 0, fd_out, off_out);
    guard.record(done, 0);
    done
}

/// Does the same from and to these offsets, in bytes: the kernel also checks the start of each
/// range, and raises SIGXFSZ if the target's start is beyond RLIMIT_FSIZE.
pub fn zero_length_copy_at(
    fd_in: i32,
    mut off_in: i64,
    fd_out: i32,
    mut off_out: i64,
) -> Result<usize, Errno> {
    let (from, to) = (&raw mut off_in as usize, &raw mut off_out as usize);
    let registers = [reg(fd_in), from, reg(fd_out), to, 0, cookie()];
    // SAFETY: both pointers are to offsets of ours.
    decode(unsafe { syscall(libc::SYS_copy_file_range, registers) })
}

/// Reports whether a copy of 0 bytes is compared with RLIMIT_FSIZE and the largest offset; true if that
/// is unknown. The kernel must have accepted one between these descriptors. Mainline compares it, Debian's
/// 6.12.118 does not. The answer is the kernel's, so the first one holds for the process.
#[must_use]
pub fn are_limits_compared(fd_in: i32, fd_out: i32) -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    match ANSWER.load(Ordering::Relaxed) {
        YES => return true,
        NO => return false,
        _ => {}
    }
    let answer = match zero_length_copy_without_signal(fd_in, fd_out, i64::MAX) {
        Err(Errno::EFBIG) => YES,
        Ok(_) => NO,
        Err(_) => UNKNOWN,
    };
    ANSWER.store(answer, Ordering::Relaxed);
    answer != NO
}

/// Reports whether this kernel has no copy_file_range(2), or a seccomp filter hides it: the call
/// itself returns EBADF for descriptors that do not exist.
#[must_use]
pub fn is_copy_file_range_missing() -> bool {
    zero_length_copy_at(-1, 0, -1, 0) != Err(Errno::EBADF)
}

/// Reports whether the system has swap space (sysinfo(2)); true if that is unknown.
#[must_use]
pub fn has_swap_space() -> bool {
    let mut info = MaybeUninit::<libc::sysinfo>::uninit();
    let registers = [info.as_mut_ptr() as usize, 0, 0, 0, 0, 0];
    // SAFETY: the kernel writes one struct sysinfo.
    let known = decode(unsafe { syscall(libc::SYS_sysinfo, registers) });
    // SAFETY: it succeeded, so the kernel has filled it.
    known.is_err() || unsafe { info.assume_init_ref() }.totalswap > 0
}

/// Reports whether one of these files is active swap space according to /proc/swaps; no system call
/// tells it of a descriptor.
#[must_use]
pub fn is_one_swap_file(stats: &[Option<Stat>]) -> bool {
    let Ok(fd) = file::open(c"/proc/swaps", libc::O_RDONLY | libc::O_CLOEXEC) else { return false };
    // Enough for a long path and its columns; this may be on a signal handler's stack.
    let mut text = [0; 768];
    let mut len = 0;
    let mut found = false;
    while let Some(free) = text.get_mut(len..).filter(|free| !free.is_empty()) {
        match file::read(fd, free) {
            Ok(more @ 1..) => len += more,
            _ => break,
        }
        // The first line has the column names and matches no file.
        while let Some(end) = text.iter().take(len).position(|&byte| byte == b'\n') {
            found |= text.get_mut(..end).is_some_and(|line| is_line_of(line, stats));
            discard(&mut text, end + 1);
            len -= end + 1;
        }
    }
    file::close(fd);
    found
}

/// Moves what follows the first `count` bytes to the start.
fn discard(text: &mut [u8], count: usize) {
    let mut to = 0;
    while let Some(&byte) = text.get(to + count) {
        if let Some(slot) = text.get_mut(to) {
            *slot = byte;
        }
        to += 1;
    }
}

/// Reports whether a line of /proc/swaps begins with the path of one of these files.
fn is_line_of(line: &mut [u8], stats: &[Option<Stat>]) -> bool {
    let end = line.iter().position(|&byte| byte == b' ' || byte == b'\t').unwrap_or(line.len());
    let Some(name) = line.get_mut(..=end) else { return false };
    let path = unescape(name);
    path.and_then(|path| stat_path(path).ok())
        .is_some_and(|swap| stats.iter().flatten().any(|stat| swap.is_same_file(stat)))
}

/// Decodes a path of /proc in place into a C string. White space and backslashes are written as a
/// backslash and three octal digits (proc_pid_mounts(5)); the last byte of `name` is reserved for
/// the zero.
fn unescape(name: &mut [u8]) -> Option<&CStr> {
    let (mut from, mut to) = (0, 0);
    while from + 1 < name.len() {
        let byte = *name.get(from)?;
        let digits = name.get(from + 1..from + 4).filter(|_| byte == b'\\');
        let octal = digits.and_then(|digits| {
            digits.iter().try_fold(0u8, |value, digit| {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
                value.checked_mul(8)?.checked_add(digit)
            })
        });
        *name.get_mut(to)? = octal.unwrap_or(byte);
        from += if octal.is_some() { 4 } else { 1 };
        to += 1;
    }
    *name.get_mut(to)? = 0;
    CStr::from_bytes_until_nul(name).ok().filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes_of_proc_are_decoded() {
        let unescaped = |text: &[u8]| {
            let mut name: Vec<u8> = text.to_vec();
            name.push(b' ');
            unescape(&mut name).map(CStr::to_owned)
        };
        assert_eq!(unescaped(b"/a\\040b\\134").as_deref(), Some(c"/a b\\"));
        assert_eq!(unescaped(b"/a\\9b").as_deref(), Some(c"/a\\9b"));
        assert_eq!(unescaped(b"/a").as_deref(), Some(c"/a"));
        assert_eq!(unescaped(b""), None);
    }

    use std::borrow::ToOwned;
    use std::vec::Vec;
}

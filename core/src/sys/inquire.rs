//! Questions about the descriptors of a call that change nothing: what a file is, how it is open,
//! how large it may become, what the kernel would say of a copy.

use super::file;
use super::raw::{answer, reg, syscall};
use super::thread::{SignalGuard, file_size_limit};
use crate::errno::Errno;
use core::ffi::CStr;
use core::mem::MaybeUninit;

/// What kind of file a descriptor refers to (inode(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A character or block device, or a symbolic link opened with `O_PATH`.
    Special,
    /// A pipe, a socket, or something that has no place in a filesystem, as eventfd(2) makes it.
    Unnamed,
}

/// fstat(2), as far as a copy is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// The device of its filesystem: equal for two files of one filesystem, but not always the
    /// other way round (btrfs subvolumes).
    pub dev: u64,
    /// Its number there.
    pub ino: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that are allocated to it.
    pub allocated: u64,
}

impl Stat {
    /// Whether both are one file.
    #[must_use]
    pub fn is_same_file(&self, other: &Stat) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

/// fstat(2). EBADF where the descriptor is closed; `O_PATH` will do.
pub fn stat(fd: i32) -> Result<Stat, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes one struct stat, which on x86-64 and aarch64 is the C library's.
    answer(unsafe { syscall(libc::SYS_fstat, [reg(fd), stat.as_mut_ptr() as usize, 0, 0, 0, 0]) })?;
    // SAFETY: fstat succeeded, so the kernel has filled it.
    Ok(reduced(unsafe { stat.assume_init_ref() }))
}

/// stat(2), following symbolic links.
fn stat_path(path: &CStr) -> Result<Stat, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    let registers =
        [reg(libc::AT_FDCWD), path.as_ptr() as usize, stat.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: a C string; the kernel writes one struct stat.
    answer(unsafe { syscall(libc::SYS_newfstatat, registers) })?;
    // SAFETY: it succeeded, so the kernel has filled it.
    Ok(reduced(unsafe { stat.assume_init_ref() }))
}

fn reduced(stat: &libc::stat) -> Stat {
    Stat {
        kind: match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => Kind::Regular,
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFCHR | libc::S_IFBLK | libc::S_IFLNK => Kind::Special,
            _ => Kind::Unnamed,
        },
        dev: stat.st_dev,
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        // In units of 512 bytes whatever the filesystem's blocks are: inode(7).
        allocated: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
    }
}

/// How a descriptor is open (fcntl(2), `F_GETFL`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// For reading.
    pub reads: bool,
    /// For writing.
    pub writes: bool,
    /// With `O_APPEND`, now: it may have been set after opening.
    pub appends: bool,
    /// With `O_DIRECT`: what is read and written goes by the device's sectors.
    pub direct: bool,
}

/// How `fd` is open. EBADF where it is closed, or open with `O_PATH` only.
pub fn opening(fd: i32) -> Result<Opening, Errno> {
    // SAFETY: no pointers.
    let flags =
        answer(unsafe { syscall(libc::SYS_fcntl, [reg(fd), reg(libc::F_GETFL), 0, 0, 0, 0]) })?;
    let flags = i32::try_from(flags).unwrap_or(0);
    if flags & libc::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    // Access mode 3 opens too, for neither: open(2).
    let mode = flags & libc::O_ACCMODE;
    Ok(Opening {
        reads: mode == libc::O_RDONLY || mode == libc::O_RDWR,
        writes: mode == libc::O_WRONLY || mode == libc::O_RDWR,
        appends: flags & libc::O_APPEND != 0,
        direct: flags & libc::O_DIRECT != 0,
    })
}

/// Whether both descriptors are one open file description, with one file offset (kcmp(2)). Where
/// the kernel does not say, only a number is the same as itself.
#[must_use]
pub fn is_same_description(one: i32, other: i32) -> bool {
    const KCMP_FILE: usize = 0;
    if one == other {
        return true;
    }
    let pid = reg(super::getpid());
    // SAFETY: no pointers.
    answer(unsafe { syscall(libc::SYS_kcmp, [pid, pid, KCMP_FILE, reg(one), reg(other), 0]) })
        == Ok(0)
}

/// What statfs(2) tells of a filesystem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filesystem {
    /// Bytes of a block, of which shared ranges are made.
    pub block: u64,
    /// Whether it is one that never lets two files share blocks.
    pub never_shares: bool,
}

/// The filesystem of `fd`.
pub fn filesystem(fd: i32) -> Result<Filesystem, Errno> {
    let mut statfs = MaybeUninit::<libc::statfs>::uninit();
    let registers = [reg(fd), statfs.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one struct statfs.
    answer(unsafe { syscall(libc::SYS_fstatfs, registers) })?;
    // SAFETY: it succeeded, so the kernel has filled it.
    let statfs = unsafe { statfs.assume_init_ref() };
    Ok(Filesystem {
        block: u64::try_from(statfs.f_bsize).unwrap_or(0).max(1),
        never_shares: matches!(statfs.f_type, libc::EXT4_SUPER_MAGIC | libc::TMPFS_MAGIC),
    })
}

/// Whether nobody may change the file (statx(2), `STATX_ATTR_IMMUTABLE`).
#[must_use]
pub fn is_immutable(fd: i32) -> bool {
    const IMMUTABLE: u64 = libc::STATX_ATTR_IMMUTABLE as u64;
    let mut statx = MaybeUninit::<libc::statx>::zeroed();
    let empty = c"".as_ptr() as usize;
    let registers = [reg(fd), empty, reg(libc::AT_EMPTY_PATH), 0, statx.as_mut_ptr() as usize, 0];
    // SAFETY: an empty C string, and the kernel writes one struct statx.
    let done = answer(unsafe { syscall(libc::SYS_statx, registers) });
    // SAFETY: zeroed at first, so it is valid whatever the kernel did.
    let attributes = unsafe { statx.assume_init() }.stx_attributes;
    done.is_ok() && attributes & IMMUTABLE != 0
}

/// Whether a memory file is sealed against writing at all, and against growing (memfd_create(2)).
#[must_use]
pub fn seals(fd: i32) -> (bool, bool) {
    // SAFETY: no pointers.
    let seals =
        answer(unsafe { syscall(libc::SYS_fcntl, [reg(fd), reg(libc::F_GET_SEALS), 0, 0, 0, 0]) });
    let seals = seals.ok().and_then(|seals| i32::try_from(seals).ok()).unwrap_or(0);
    (seals & (libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE) != 0, seals & libc::F_SEAL_GROW != 0)
}

/// What the kernel says of copying no bytes from the start of one file to the start of the other:
/// since Linux 5.19 it makes every check that does not depend on the range, and moves nothing.
pub fn zero_length_copy(fd_in: i32, fd_out: i32) -> Result<usize, Errno> {
    let (mut off_in, mut off_out) = (0i64, 0i64);
    let registers =
        [reg(fd_in), &raw mut off_in as usize, reg(fd_out), &raw mut off_out as usize, 0, 0];
    // Even this call raises SIGXFSZ where the limit is 0.
    let guard = (file_size_limit() == Ok(0)).then(SignalGuard::new);
    // SAFETY: two offsets of ours.
    let done = answer(unsafe { syscall(libc::SYS_copy_file_range, registers) });
    if let Some(guard) = guard {
        guard.note(done, 0);
    }
    done
}

/// Whether the file is in use as swap space, as far as /proc/swaps tells: no call says it of a
/// descriptor.
#[must_use]
pub fn is_swap_file(stat: &Stat) -> bool {
    let mut text = [0; 2048];
    let Ok(len) = file::read_path(c"/proc/swaps", &mut text) else { return false };
    let mut lines = text.get(..len).unwrap_or_default().split(|&byte| byte == b'\n').skip(1);
    lines.any(|line| {
        let mut path = [0; 512];
        let name = line.split(|&byte| byte == b' ' || byte == b'\t').next().unwrap_or_default();
        unescape(name, &mut path)
            .and_then(|path| stat_path(path).ok())
            .is_some_and(|swap| swap.is_same_file(stat))
    })
}

/// A path of /proc, where white space and backslashes are three octal digits behind a backslash
/// (proc_pid_mounts(5)).
fn unescape<'a>(name: &[u8], room: &'a mut [u8]) -> Option<&'a CStr> {
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = name.get(from) {
        let digits = name.get(from + 1..from + 4).filter(|_| byte == b'\\');
        let octal = digits.and_then(|digits| {
            digits.iter().try_fold(0u8, |value, digit| {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
                value.checked_mul(8)?.checked_add(digit)
            })
        });
        *room.get_mut(to)? = octal.unwrap_or(byte);
        from += if octal.is_some() { 4 } else { 1 };
        to += 1;
    }
    *room.get_mut(to)? = 0;
    CStr::from_bytes_until_nul(room).ok().filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_proc_are_unescaped() {
        let mut room = [0; 32];
        assert_eq!(unescape(b"/a\\040b\\134", &mut room), Some(c"/a b\\"));
        assert_eq!(unescape(b"/a\\9b", &mut room), Some(c"/a\\9b"));
        assert_eq!(unescape(b"", &mut room), None);
        assert_eq!(unescape(&[b'a'; 32], &mut room), None);
    }
}

//! What a rule or a plan may want to know of a call: each fact is gathered when it is first asked
//! for, and never twice. What nobody asks for costs no system call.

use crate::diag::trace_syscall;
use crate::flags::Flags;
use cfr_sys::errno::Errno;
use cfr_sys::{
    self as sys, Args, FileKind, Filesystem, FilesystemKind, OffsetPointer, OpenFlags, Stat,
};
use core::cell::{Cell, OnceCell};

/// The largest offset in bytes, and the most that a call can report.
pub const MAX_OFFSET: u64 = i64::MAX as u64;

/// One side of a call: the source or the target.
pub struct Side<'a> {
    args: &'a Args,
    /// The descriptor.
    pub fd: i32,
    /// Where its caller keeps the offset.
    pub pointer: OffsetPointer,
    /// Whether the pointer was found to be writable when it was read.
    pub writable: Cell<bool>,
    open_flags: OnceCell<Result<OpenFlags, Errno>>,
    stat: OnceCell<Result<Stat, Errno>>,
    start: OnceCell<Result<i64, Errno>>,
}

impl<'a> Side<'a> {
    fn new(args: &'a Args, fd: i32, pointer: OffsetPointer) -> Self {
        let (open_flags, stat, start) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Side { args, fd, pointer, writable: Cell::new(false), open_flags, stat, start }
    }

    /// How it is open. EBADF where it is closed, or open with `O_PATH` only.
    pub fn open_flags(&self) -> Result<OpenFlags, Errno> {
        *self.open_flags.get_or_init(|| {
            let open_flags = sys::open_flags(self.fd);
            trace_syscall("fcntl F_GETFL", self.fd, &open_flags);
            open_flags
        })
    }

    /// What it is. EBADF where it is closed; `O_PATH` will do.
    #[inline(never)]
    pub fn stat(&self) -> Result<Stat, Errno> {
        *self.stat.get_or_init(|| {
            let stat = sys::stat(self.fd);
            trace_syscall("statx", self.fd, &stat);
            stat
        })
    }

    /// Where the range begins, in bytes: the caller's offset, maybe negative, or the descriptor's.
    /// EFAULT for a pointer that cannot be read, ESPIPE for a pipe.
    #[inline(never)]
    pub fn start_offset(&self) -> Result<i64, Errno> {
        *self.start.get_or_init(|| {
            if self.pointer.is_null() {
                let position = sys::file_offset(self.fd);
                trace_syscall("lseek SEEK_CUR", self.fd, &position);
                return position.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
            }
            let offset = sys::read_writable_offset(self.pointer, self.args);
            trace_syscall("sendfile, to touch the offset for", self.fd, &offset);
            if let Ok(offset) = offset {
                self.writable.set(true);
                return Ok(offset);
            }
            let offset = sys::read_offset(self.pointer);
            trace_syscall("rt_sigprocmask, to read the offset for", self.fd, &offset);
            offset
        })
    }

    /// Where it goes on after so many bytes. Errors as for [`Side::start_offset`].
    pub fn offset_after(&self, bytes: u64) -> Result<i64, Errno> {
        Ok(self.start_offset()?.wrapping_add(i64::try_from(bytes).unwrap_or(i64::MAX)))
    }

    /// Whether it is of this kind.
    #[must_use]
    pub fn is(&self, kind: FileKind) -> bool {
        self.stat().is_ok_and(|stat| stat.kind == kind)
    }
}

/// The facts of one call.
pub struct Facts<'a> {
    /// The arguments as they came.
    pub args: &'a Args,
    /// The flags that count: those of the call, or `CFR_DEFAULT_FLAGS`.
    pub flags: Flags,
    /// Where the bytes come from.
    pub source: Side<'a>,
    /// Where they go.
    pub target: Side<'a>,
    limit: OnceCell<u64>,
    kernel: OnceCell<Result<usize, Errno>>,
}

impl<'a> Facts<'a> {
    /// Nothing gathered yet.
    #[must_use]
    pub fn new(args: &'a Args, flags: Flags) -> Self {
        Facts {
            args,
            flags,
            source: Side::new(args, args.fd_in, args.off_in),
            target: Side::new(args, args.fd_out, args.off_out),
            limit: OnceCell::new(),
            kernel: OnceCell::new(),
        }
    }

    /// Both ends.
    pub fn sides(&self) -> [&Side<'a>; 2] {
        [&self.source, &self.target]
    }

    /// Bytes asked for.
    #[must_use]
    pub fn requested_len(&self) -> u64 {
        self.args.len as u64
    }

    /// Where both ranges begin; `None` where that cannot be told.
    #[must_use]
    pub fn start_offsets(&self) -> Option<(i64, i64)> {
        Some((self.source.start_offset().ok()?, self.target.start_offset().ok()?))
    }

    /// The process's limit on file sizes, in bytes; `u64::MAX` where there is none.
    #[must_use]
    pub fn file_size_limit(&self) -> u64 {
        *self.limit.get_or_init(|| {
            let limit = sys::file_size_limit();
            trace_syscall("getrlimit RLIMIT_FSIZE for", self.args.fd_out, &limit);
            limit.unwrap_or(u64::MAX)
        })
    }

    /// Whether both descriptors refer to one file.
    #[must_use]
    pub fn is_one_file(&self) -> bool {
        match (self.source.stat(), self.target.stat()) {
            (Ok(source), Ok(target)) => source.is_same_file(&target),
            _ => false,
        }
    }

    /// Notes the error with which the kernel has refused the call, and tells what it means: ENOSYS
    /// where a filter says EPERM of a call that it hides.
    pub fn note_kernel_error(&self, errno: Errno) -> Errno {
        let meant = self.effective_errno(errno);
        // Where it was asked before, the first answer stays.
        let _ = self.kernel.set(Err(meant));
        meant
    }

    fn effective_errno(&self, errno: Errno) -> Errno {
        if errno != Errno::EPERM {
            return errno;
        }
        let missing = sys::is_copy_file_range_missing();
        trace_syscall("copy_file_range of no descriptors for", self.args.fd_out, &Ok(()));
        if missing { Errno::ENOSYS } else { errno }
    }

    /// What the kernel says of the call, or else of copying no bytes between these descriptors:
    /// its opinion of everything but the range. ENOSYS where it has no such call.
    pub fn kernel_check(&self) -> Result<usize, Errno> {
        *self.kernel.get_or_init(|| {
            let opinion = sys::zero_length_copy(self.args.fd_in, self.args.fd_out);
            trace_syscall("copy_file_range of no bytes to", self.args.fd_out, &opinion);
            opinion.map_err(|errno| self.effective_errno(errno))
        })
    }

    /// What the kernel says of copying no bytes from and to where the ranges begin: its opinion of
    /// everything but their length and whether they overlap. It raises the signal where the target's
    /// begins behind the limit on file sizes.
    pub fn kernel_check_at(&self, off_in: i64, off_out: i64) -> Result<usize, Errno> {
        let (fd_in, fd_out) = (self.args.fd_in, self.args.fd_out);
        let opinion = sys::zero_length_copy_at(fd_in, off_in, fd_out, off_out);
        trace_syscall("copy_file_range of no bytes to", fd_out, &opinion);
        match opinion {
            Ok(_) => {
                let _ = self.kernel.set(opinion);
                opinion
            }
            Err(errno) => Err(self.note_kernel_error(errno)),
        }
    }

    /// Whether the device numbers differ: always so for two filesystems, and for two subvolumes of
    /// one btrfs.
    #[must_use]
    pub fn are_devices_different(&self) -> bool {
        match (self.source.stat(), self.target.stat()) {
            (Ok(source), Ok(target)) => source.dev != target.dev,
            _ => false,
        }
    }

    /// Whether the files are on two filesystems between which the kernel copies nothing. Nothing
    /// but the kernel tells one superblock from another. Without its opinion the devices decide.
    #[must_use]
    pub fn are_filesystems_different(&self) -> bool {
        self.are_devices_different()
            && matches!(self.kernel_check(), Err(Errno::EXDEV | Errno::ENOSYS))
    }

    /// Whether the target may not be changed by anybody. The kernel's refusal alone does not tell:
    /// seccomp filters say EPERM too.
    #[must_use]
    pub fn is_target_immutable(&self) -> bool {
        self.kernel_check().is_err() && {
            let immutable = sys::is_immutable(self.args.fd_out);
            trace_syscall("statx", self.args.fd_out, &Ok(()));
            immutable
        }
    }

    /// Whether either file is in use as swap space.
    #[must_use]
    pub fn is_swap_file(&self) -> bool {
        match self.kernel_check() {
            Err(Errno::ETXTBSY) => true,
            Err(_) => self.sides().iter().any(|side| {
                trace_syscall("read /proc/swaps for", side.fd, &Ok(()));
                side.stat().is_ok_and(|stat| sys::is_swap_file(&stat))
            }),
            Ok(_) => false,
        }
    }

    /// The target's filesystem: blocks of one byte, and maybe shared, where it cannot be told.
    #[must_use]
    pub fn filesystem(&self) -> Filesystem {
        let filesystem = sys::filesystem(self.args.fd_out);
        trace_syscall("fstatfs", self.args.fd_out, &filesystem);
        filesystem.unwrap_or(Filesystem {
            block_size: 1,
            available: 0,
            kind: FilesystemKind::Other,
        })
    }

    /// Whether the range begins and ends at blocks of the filesystem, or ends with both files. A
    /// reflink may also end with the source alone, where the target ends before that.
    #[must_use]
    pub fn is_block_aligned(&self) -> bool {
        let Some((off_in, off_out)) = self.start_offsets() else { return false };
        let block = self.filesystem().block_size;
        let [in_rest, out_rest] = [off_in, off_out].map(|start| start.cast_unsigned() % block);
        let len = self.clamp_to_source();
        let left_in_target = self.target.stat().map_or(0, |stat| stat.size);
        let left_in_target = left_in_target.saturating_sub(off_out.cast_unsigned());
        let ends = len == self.remaining_in_source() && len >= left_in_target;
        in_rest == 0 && out_rest == 0 && (len.is_multiple_of(block) || ends)
    }

    /// Bytes from the start of the source's range to its file's end; 0 where it begins behind that,
    /// and as many as may be where the size cannot be told.
    #[must_use]
    pub fn remaining_in_source(&self) -> u64 {
        let size = self.source.stat().map_or(u64::MAX, |stat| stat.size);
        let start = self.source.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        size.saturating_sub(start.unwrap_or(u64::MAX))
    }

    /// The bytes that Linux goes by: those asked for, less what lies behind the source's end, less
    /// what lies behind the limit on the target's size (generic_copy_file_checks() in
    /// fs/read_write.c since Linux 5.3).
    #[must_use]
    pub fn clamp_to_source(&self) -> u64 {
        self.clamp_to_rlimit(self.requested_len().min(self.remaining_in_source()))
    }

    /// `len` less what lies behind the source's end and the limit on the target's size. A file that
    /// tells no size, as those of /proc, is read until it ends.
    #[must_use]
    pub fn clamp_to_readable(&self, len: u64) -> u64 {
        self.clamp_to_rlimit(if self.has_known_size() {
            len.min(self.remaining_in_source())
        } else {
            len
        })
    }

    /// Whether the source tells how long it is, or is the target.
    #[must_use]
    pub fn has_known_size(&self) -> bool {
        self.source.stat().is_ok_and(|stat| stat.size > 0) || self.is_one_file()
    }

    /// `len` less what lies behind the limit on the target's size. Where the range begins behind
    /// it, nothing is taken away: whoever writes there raises the signal.
    #[must_use]
    pub fn clamp_to_rlimit(&self, len: u64) -> u64 {
        let start = self.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        let (start, limit) = (start.unwrap_or(0), self.file_size_limit().min(MAX_OFFSET));
        if limit <= start { len } else { len.min(limit - start) }
    }

    /// `len` less what lies behind the largest file of the target's filesystem. Nobody tells how large
    /// that is: the kernel is asked where it would refuse to begin. To be asked of what is below the
    /// limit on the target's size, behind which asking raises the signal.
    #[must_use]
    pub fn clamp_to_max_size(&self, len: u64) -> u64 {
        let (off_in, off_out) = self.start_offsets().unwrap_or_default();
        let (fd_in, fd_out) = (self.args.fd_in, self.args.fd_out);
        let refuses = |len: u64| {
            let last = off_out.saturating_add_unsigned(len - 1);
            sys::zero_length_copy_at(fd_in, off_in, fd_out, last) == Err(Errno::EFBIG)
        };
        if len == 0 || !refuses(len) {
            return len;
        }
        let (mut fits, mut refused) = (0, len);
        while refused - fits > 1 {
            let middle = fits + (refused - fits) / 2;
            if refuses(middle) { refused = middle } else { fits = middle }
        }
        fits
    }

    /// Whether `len` bytes from both starts are in one file and have a byte in common.
    #[must_use]
    pub fn do_ranges_overlap(&self, len: u64) -> bool {
        let Some((off_in, off_out)) = self.start_offsets() else { return false };
        len > 0 && off_in.abs_diff(off_out) < len && self.is_one_file()
    }
}

//! Facts about a call that rules and plans ask for. A fact is gathered at its first use and then
//! cached; a fact that is not used costs no system call.

use crate::call::Request;
use crate::diag::trace_syscall;
use crate::flags::Flags;
use cfr_sys::errno::Errno;
use cfr_sys::{
    self as sys, Args, FileKind, Filesystem, FilesystemKind, OffsetPointer, OpenFlags, Stat,
};
use core::cell::Cell;
use core::num::NonZero;

/// The largest `loff_t`: no offset and no result of a call is larger.
pub const MAX_OFFSET: u64 = i64::MAX as u64;

/// A value that is gathered at its first use.
struct Fact<T>(Cell<Option<T>>);

impl<T: Copy> Fact<T> {
    const fn new() -> Self {
        Fact(Cell::new(None))
    }

    #[inline(always)]
    fn get_or(&self, gather: impl FnOnce() -> T) -> T {
        self.0.get().unwrap_or_else(|| {
            let value = gather();
            self.0.set(Some(value));
            value
        })
    }
}

/// One side of a call: the source or the target.
pub struct Side<'a> {
    args: &'a Args,
    pub fd: i32,
    /// The pointer to the caller's offset.
    pub pointer: OffsetPointer,
    /// Whether the pointer was found to be writable when it was read.
    pub writable: Cell<bool>,
    open_flags: Fact<Result<OpenFlags, Errno>>,
    stat: Fact<Result<Stat, Errno>>,
    start: Fact<Result<i64, Errno>>,
}

impl<'a> Side<'a> {
    fn new(args: &'a Args, fd: i32, pointer: OffsetPointer) -> Self {
        let (open_flags, stat, start) = (Fact::new(), Fact::new(), Fact::new());
        Side { args, fd, pointer, writable: Cell::new(false), open_flags, stat, start }
    }

    /// Returns the open flags. EBADF if it is closed, or open with `O_PATH` only.
    pub fn open_flags(&self) -> Result<OpenFlags, Errno> {
        self.open_flags.get_or(|| {
            let open_flags = sys::open_flags(self.fd);
            trace_syscall("fcntl F_GETFL", self.fd, &open_flags);
            open_flags
        })
    }

    /// Returns type, size and identity of the file; works with `O_PATH`. EBADF if it is closed.
    #[inline(never)]
    pub fn stat(&self) -> Result<Stat, Errno> {
        self.stat.get_or(|| {
            let stat = sys::stat(self.fd);
            trace_syscall("statx", self.fd, &stat);
            stat
        })
    }

    /// Returns the start of the range in bytes: the caller's offset, which may be negative, or the
    /// file offset. EFAULT if the pointer is not readable, ESPIPE for a pipe.
    #[inline(never)]
    pub fn start_offset(&self) -> Result<i64, Errno> {
        self.start.get_or(|| {
            if self.pointer.is_null() {
                let position = sys::file_offset(self.fd);
                trace_syscall("lseek SEEK_CUR", self.fd, &position);
                return position.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
            }
            let offset = sys::read_writable_offset(self.pointer, self.args);
            trace_syscall("sendfile, to check the offset of", self.fd, &offset);
            if let Ok(offset) = offset {
                self.writable.set(true);
                return Ok(offset);
            }
            let offset = sys::read_offset(self.pointer);
            trace_syscall("rt_sigprocmask, to check the offset of", self.fd, &offset);
            offset
        })
    }

    /// Returns the offset after `bytes`. Errors as for [`Side::start_offset`].
    pub fn offset_after(&self, bytes: u64) -> Result<i64, Errno> {
        Ok(self.start_offset()?.wrapping_add(i64::try_from(bytes).unwrap_or(i64::MAX)))
    }

    /// Reports whether a range of `len` bytes ends beyond the end of the file.
    #[must_use]
    pub fn is_beyond_end(&self, len: u64) -> bool {
        let start = self.start_offset().unwrap_or(0).cast_unsigned();
        let size = self.stat().map_or(u64::MAX, |stat| stat.size);
        start.checked_add(len).is_none_or(|end| end > size)
    }

    /// Reports whether the file is of this kind.
    #[must_use]
    pub fn is_kind(&self, kind: FileKind) -> bool {
        self.stat().is_ok_and(|stat| stat.kind == kind)
    }
}

/// The facts of one call.
pub struct Facts<'a> {
    /// The arguments as the program passed them.
    pub args: &'a Args,
    /// The effective flags: those of the call, or `CFR_DEFAULT_FLAGS`.
    pub flags: Flags,
    pub request: Request,
    pub source: Side<'a>,
    pub target: Side<'a>,
    limit: Fact<u64>,
    swap_file: Fact<bool>,
    kernel: Cell<Option<Result<usize, Errno>>>,
}

impl<'a> Facts<'a> {
    /// Creates facts of a copy_file_range(2), of which none is gathered.
    #[must_use]
    pub fn new(args: &'a Args, flags: Flags) -> Self {
        Facts { flags, ..Facts::of(args, Request::Copy) }
    }

    /// Creates facts of a call with the same arguments.
    #[must_use]
    pub fn of(args: &'a Args, request: Request) -> Self {
        Facts {
            args,
            flags: Flags(0),
            request,
            source: Side::new(args, args.fd_in, args.off_in),
            target: Side::new(args, args.fd_out, args.off_out),
            limit: Fact::new(),
            swap_file: Fact::new(),
            kernel: Cell::new(None),
        }
    }

    /// Returns the source and the target.
    pub fn sides(&self) -> [&Side<'a>; 2] {
        [&self.source, &self.target]
    }

    /// Returns the requested length in bytes.
    #[must_use]
    pub fn requested_len(&self) -> u64 {
        self.args.len as u64
    }

    /// Returns the start of both ranges; `None` if one is unknown.
    #[must_use]
    #[inline(always)]
    pub fn start_offsets(&self) -> Option<(i64, i64)> {
        match (self.source.start.0.get(), self.target.start.0.get()) {
            (Some(Ok(off_in)), Some(Ok(off_out))) => Some((off_in, off_out)),
            _ => self.find_start_offsets(),
        }
    }

    #[inline(never)]
    fn find_start_offsets(&self) -> Option<(i64, i64)> {
        let off_in = self.source.start_offset().ok()?;
        // Most callers keep both offsets side by side: one check is enough.
        let (source, target) = (&self.source, &self.target);
        if source.writable.get() && target.pointer.shares_page_with(source.pointer) {
            target.writable.set(true);
            target.start.0.set(Some(Ok(sys::read_checked_offset(target.pointer))));
        }
        Some((off_in, target.start_offset().ok()?))
    }

    /// Reports whether both offsets are in memory that was found to be writable.
    pub fn are_offsets_writable(&self) -> bool {
        self.source.writable.get() && self.target.writable.get()
    }

    /// Reports whether the kernel lets the target be written to: see [`sys::kernel_allows_writing`].
    #[must_use]
    pub fn kernel_allows_writing(&self) -> bool {
        let allows = sys::kernel_allows_writing(self.target.fd);
        trace_syscall("fallocate beyond every file to", self.target.fd, &Ok(()));
        allows
    }

    /// Returns `RLIMIT_FSIZE` in bytes; `u64::MAX` if there is no limit.
    #[must_use]
    pub fn file_size_limit(&self) -> u64 {
        self.limit.get_or(|| {
            let limit = sys::file_size_limit();
            trace_syscall("getrlimit RLIMIT_FSIZE for", self.args.fd_out, &limit);
            limit.unwrap_or(u64::MAX)
        })
    }

    /// Reports whether both descriptors refer to one file.
    #[must_use]
    pub fn is_one_file(&self) -> bool {
        match (self.source.stat(), self.target.stat()) {
            (Ok(source), Ok(target)) => source.is_same_file(&target),
            _ => false,
        }
    }

    /// Records the error that the kernel returned for the call and returns the effective one:
    /// ENOSYS if a seccomp filter returns EPERM because it hides the call.
    pub fn note_kernel_error(&self, errno: Errno) -> Errno {
        let meant = self.effective_errno(errno);
        // If the kernel was asked before, the first result stays.
        self.kernel.set(self.kernel.get().or(Some(Err(meant))));
        meant
    }

    /// Replaces what the kernel returned so far by the error that ended the call. With `None` the
    /// kernel is asked again if a rule needs its result.
    pub fn set_kernel_error(&self, errno: Option<Errno>) {
        self.kernel.set(errno.map(|errno| Err(self.effective_errno(errno))));
    }

    fn effective_errno(&self, errno: Errno) -> Errno {
        if errno != Errno::EPERM {
            return errno;
        }
        let missing = sys::is_copy_file_range_missing();
        trace_syscall("copy_file_range of invalid descriptors for", self.args.fd_out, &Ok(()));
        if missing { Errno::ENOSYS } else { errno }
    }

    /// Reports whether the kernel has refused to copy between the two filesystems. It says so only
    /// after it has accepted the descriptors, their types and modes, and the pointers
    /// (generic_copy_file_checks(), Linux 5.19 and later; vfs_copy_file_range() before 5.3).
    #[must_use]
    pub fn kernel_refused_to_cross(&self) -> bool {
        self.kernel.get() == Some(Err(Errno::EXDEV))
    }

    /// Returns what the kernel answers to the call, or else to a copy of 0 bytes between these
    /// descriptors, which makes all its checks but those of the range. ENOSYS if it does not have
    /// the call.
    pub fn kernel_check(&self) -> Result<usize, Errno> {
        self.kernel.get().unwrap_or_else(|| {
            let check = sys::zero_length_copy(self.args.fd_in, self.args.fd_out);
            trace_syscall("copy_file_range of 0 bytes to", self.args.fd_out, &check);
            let check = check.map_err(|errno| self.effective_errno(errno));
            self.kernel.set(Some(check));
            check
        })
    }

    /// Reports whether the kernel has compared a copy of 0 bytes that it accepted with all limits.
    #[must_use]
    pub fn are_limits_compared(&self) -> bool {
        sys::are_limits_compared(self.args.fd_in, self.args.fd_out)
    }

    /// Returns what the kernel answers to a copy of 0 bytes from and to the starts of both ranges:
    /// all its checks but those of length and overlap. Raises SIGXFSZ if the target's range begins
    /// beyond RLIMIT_FSIZE.
    pub fn kernel_check_at(&self, off_in: i64, off_out: i64) -> Result<usize, Errno> {
        let (fd_in, fd_out) = (self.args.fd_in, self.args.fd_out);
        let check = sys::zero_length_copy_at(fd_in, off_in, fd_out, off_out);
        trace_syscall("copy_file_range of 0 bytes to", fd_out, &check);
        match check {
            Ok(_) => {
                self.kernel.set(self.kernel.get().or(Some(check)));
                check
            }
            Err(errno) => Err(self.note_kernel_error(errno)),
        }
    }

    /// Reports whether the device numbers differ, as they do for two filesystems and for two
    /// subvolumes of one btrfs.
    #[must_use]
    pub fn are_devices_different(&self) -> bool {
        match (self.source.stat(), self.target.stat()) {
            (Ok(source), Ok(target)) => source.dev != target.dev,
            _ => false,
        }
    }

    /// Reports whether the kernel refuses to copy between the two filesystems. Only the kernel can
    /// tell one superblock from another; if it does not have the call, the device numbers decide.
    #[must_use]
    pub fn are_filesystems_different(&self) -> bool {
        self.are_devices_different()
            && matches!(self.kernel_check(), Err(Errno::EXDEV | Errno::ENOSYS))
    }

    /// Reports whether the target is immutable. The kernel's EPERM alone does not say it: seccomp
    /// filters return EPERM too.
    #[must_use]
    pub fn is_target_immutable(&self) -> bool {
        self.kernel_check().is_err() && self.target.stat().is_ok_and(|stat| stat.immutable)
    }

    /// Reports whether one of the files is active swap space.
    #[must_use]
    pub fn is_swap_file(&self) -> bool {
        match self.kernel_check() {
            Err(Errno::ETXTBSY) => true,
            Err(_) => self.swap_file.get_or(|| {
                let has_swap_space = sys::has_swap_space();
                trace_syscall("sysinfo for", self.args.fd_out, &Ok(()));
                has_swap_space && self.is_in_swaps()
            }),
            Ok(_) => false,
        }
    }

    fn is_in_swaps(&self) -> bool {
        trace_syscall("read /proc/swaps for", self.args.fd_out, &Ok(()));
        sys::is_one_swap_file(&self.sides().map(|side| side.stat().ok()))
    }

    /// Returns the target's filesystem; if it is unknown, one with blocks of one byte.
    #[must_use]
    pub fn filesystem(&self) -> Filesystem {
        let filesystem = sys::filesystem(self.args.fd_out);
        trace_syscall("fstatfs", self.args.fd_out, &filesystem);
        filesystem.unwrap_or(Filesystem {
            block_size: NonZero::<u64>::MIN,
            available: 0,
            kind: FilesystemKind::Other,
        })
    }

    /// Reports whether the range begins and ends at block boundaries of the filesystem, or ends
    /// with both files. A reflink may also end with the source if the target ends before that.
    #[must_use]
    pub fn is_block_aligned(&self) -> bool {
        let Some((off_in, off_out)) = self.start_offsets() else { return false };
        let block = self.filesystem().block_size;
        let (off_in, off_out) = (off_in.cast_unsigned(), off_out.cast_unsigned());
        let len = self.clamp_to_source();
        let left_in_target = self.target.stat().map_or(0, |stat| stat.size);
        let left_in_target = left_in_target.saturating_sub(off_out);
        let ends = len == self.remaining_in_source() && len >= left_in_target;
        off_in % block == 0 && off_out % block == 0 && (len % block == 0 || ends)
    }

    /// Returns the bytes from the start of the range to the end of the source: 0 if the range begins
    /// beyond it, and `u64::MAX` less that start if the size is unknown.
    #[must_use]
    pub fn remaining_in_source(&self) -> u64 {
        let size = self.source.stat().map_or(u64::MAX, |stat| stat.size);
        let start = self.source.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        size.saturating_sub(start.unwrap_or(u64::MAX))
    }

    /// Returns the length as Linux clamps it: to the end of the source and to RLIMIT_FSIZE
    /// (generic_copy_file_checks(), Linux 5.3 and later).
    #[must_use]
    pub fn clamp_to_source(&self) -> u64 {
        self.clamp_to_rlimit(self.requested_len().min(self.remaining_in_source()))
    }

    /// Clamps `len` to the end of the source and to RLIMIT_FSIZE. A source without a size, such as
    /// a file of /proc, is read until it ends.
    #[must_use]
    pub fn clamp_to_readable(&self, len: u64) -> u64 {
        self.clamp_to_rlimit(if self.has_known_size() {
            len.min(self.remaining_in_source())
        } else {
            len
        })
    }

    /// Reports whether the size of the source is known: it is not 0, or source and target are one
    /// file.
    #[must_use]
    pub fn has_known_size(&self) -> bool {
        self.source.stat().is_ok_and(|stat| stat.size > 0) || self.is_one_file()
    }

    /// Clamps `len` to RLIMIT_FSIZE. If the range begins beyond the limit, `len` is returned: the
    /// write itself raises the signal.
    #[must_use]
    pub fn clamp_to_rlimit(&self, len: u64) -> u64 {
        let start = self.target.start_offset().ok().and_then(|start| u64::try_from(start).ok());
        let (start, limit) = (start.unwrap_or(0), self.file_size_limit().min(MAX_OFFSET));
        if limit <= start { len } else { len.min(limit - start) }
    }

    /// Clamps `len` to the largest file of the target's filesystem. No call returns that size, so a
    /// binary search asks the kernel which offsets it refuses. Clamp to RLIMIT_FSIZE first: beyond
    /// it, each question raises SIGXFSZ.
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

    /// Reports whether both ranges of `len` bytes are in one file and have a byte in common.
    #[must_use]
    pub fn do_ranges_overlap(&self, len: u64) -> bool {
        self.do_offsets_overlap(len) && self.is_one_file()
    }

    /// Reports whether both ranges of `len` bytes would have a byte in common if they were in one
    /// file.
    #[must_use]
    pub fn do_offsets_overlap(&self, len: u64) -> bool {
        let Some((off_in, off_out)) = self.start_offsets() else { return false };
        len > 0 && off_in.abs_diff(off_out) < len
    }
}

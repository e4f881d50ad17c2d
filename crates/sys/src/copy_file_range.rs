//! copy_file_range(2) with the arguments that the program passed, and access to the offsets that
//! they point to.

use crate::cookie::cookie;
use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};

/// The address of a caller's offset, in bytes from the start of the file; it may be NULL or
/// invalid.
///
/// It is dereferenced only by the kernel and by the functions below, after the kernel has checked
/// it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct OffsetPointer(*mut i64);

impl OffsetPointer {
    /// Wraps the caller's pointer.
    #[must_use]
    pub fn new(pointer: *mut i64) -> Self {
        Self(pointer)
    }

    /// Reports whether the pointer is NULL: the call uses the descriptor's file offset.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Reports whether the whole offset is in the 4 KiB in which `args` begin; no page is smaller.
    fn is_in_page_of(self, args: &Args) -> bool {
        self.page() == Some((&raw const *args).addr() / 4096)
    }

    /// Reports whether both offsets are whole in the same 4 KiB, so that a check of one holds for
    /// the other.
    #[must_use]
    pub fn shares_page_with(self, other: OffsetPointer) -> bool {
        self.page().is_some() && self.page() == other.page()
    }

    /// Returns the number of the 4 KiB that hold the whole offset.
    fn page(self) -> Option<usize> {
        let first = self.0.addr();
        let last = first.checked_add(7)?;
        (first / 4096 == last / 4096).then_some(first / 4096)
    }

    /// Returns the address, for the log.
    #[must_use]
    pub fn address(self) -> u64 {
        self.0.addr() as u64
    }

    pub(crate) fn as_ptr(self) -> *mut i64 {
        self.0
    }
}

/// An offset at any address: the kernel accepts unaligned ones. It is read and written by one
/// instruction, so that a signal handler sees no half of it.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned(i64);

/// The number of copy_file_range(2) on this architecture.
pub const COPY_FILE_RANGE: core::ffi::c_long = libc::SYS_copy_file_range;

/// The most bytes that one call moves, with pages of 4 KiB (`MAX_RW_COUNT` of linux/fs.h).
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;

/// The arguments of copy_file_range(2) as the program passed them.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    pub fd_in: i32,
    /// NULL for the descriptor's file offset.
    pub off_in: OffsetPointer,
    pub fd_out: i32,
    /// NULL for the descriptor's file offset.
    pub off_out: OffsetPointer,
    /// Bytes.
    pub len: usize,
    pub flags: u32,
}

/// Makes the system call; returns the bytes copied.
#[inline(always)]
pub fn copy_file_range(args: &Args) -> Result<usize, Errno> {
    copy_with(args, cookie())
}

/// Makes the system call without the cookie; returns the bytes copied. For a call that the library
/// does not see.
#[inline(always)]
pub fn copy_file_range_unmarked(args: &Args) -> Result<usize, Errno> {
    copy_with(args, 0)
}

#[inline(always)]
fn copy_with(args: &Args, cookie: usize) -> Result<usize, Errno> {
    let registers = [
        reg(args.fd_in),
        args.off_in.0 as usize,
        reg(args.fd_out),
        args.off_out.0 as usize,
        args.len,
        args.flags as usize | cookie,
    ];
    // SAFETY: the kernel checks both pointers and returns EFAULT; the host asked it to write
    // through them.
    decode(unsafe { syscall(libc::SYS_copy_file_range, registers) })
}

/// Reads a caller's offset. EFAULT if the memory is not readable.
///
/// The kernel checks the pointer first: rt_sigprocmask(2) with an invalid `how` returns EINVAL
/// after it has read its set, and EFAULT if it cannot. process_vm_readv(2) would check and read in
/// one call, but costs four times as much, and seccomp filters often kill the process for it.
pub fn read_offset(pointer: OffsetPointer) -> Result<i64, Errno> {
    const NO_SUCH_HOW: usize = 0x7fff_ffff;
    let registers = [NO_SUCH_HOW, pointer.0 as usize, 0, size_of::<u64>(), 0, 0];
    // SAFETY: with this `how` the call changes nothing; the kernel checks the pointer.
    match decode(unsafe { syscall(libc::SYS_rt_sigprocmask, registers) }) {
        Err(Errno::EINVAL) => {
            // The kernel has just read these eight bytes.
            Ok(read_checked_offset(pointer))
        }
        _ => Err(Errno::EFAULT),
    }
}

/// Reads a caller's offset that is writable too. EFAULT if the memory is not readable or not
/// writable.
///
/// Most offsets are on the caller's stack, in the same page as the arguments that our hook keeps:
/// they need no check. Any other is checked by a call that reads the eight bytes and writes them
/// back unchanged before it fails: sendfile(2) with invalid descriptors. A signal handler or
/// another thread that looks there sees no change.
pub fn read_writable_offset(pointer: OffsetPointer, args: &Args) -> Result<i64, Errno> {
    if !pointer.is_in_page_of(args) {
        let registers = [reg(-1), reg(-1), pointer.0 as usize, 0, 0, cookie()];
        // SAFETY: both descriptors are invalid; the kernel checks the pointer, and writes back what
        // it read.
        match decode(unsafe { syscall(libc::SYS_sendfile, registers) }) {
            Err(Errno::EBADF) => {}
            _ => return Err(Errno::EFAULT),
        }
    }
    // The kernel has just read and written these eight bytes, or they are in a page of the stack that
    // we have written to.
    Ok(read_checked_offset(pointer))
}

/// Reads a caller's offset that is in the same page as one that [`read_writable_offset`] has checked.
#[must_use]
#[inline(always)]
pub fn read_checked_offset(pointer: OffsetPointer) -> i64 {
    // SAFETY: the page is readable; the host passed the pointer to be read. Volatile, because other
    // threads of the host may write there.
    unsafe { pointer.0.cast::<Unaligned>().read_volatile() }.0
}

/// Writes a caller's offset that [`read_writable_offset`] has checked.
#[inline(always)]
pub fn write_checked_offset(pointer: OffsetPointer, value: i64) {
    // SAFETY: the kernel has written these eight bytes in this call; the host passed them to be
    // written.
    unsafe { pointer.0.cast::<Unaligned>().write_volatile(Unaligned(value)) };
}

/// Writes a caller's offset. EFAULT if the memory is not writable. Call it with signals blocked: a
/// handler would see the value that the check writes for a moment.
///
/// The kernel checks the pointer first, by a call that only writes eight bytes there:
/// rt_sigprocmask(2), which returns the thread's mask.
pub fn write_offset(pointer: OffsetPointer, value: i64) -> Result<(), Errno> {
    let registers = [reg(libc::SIG_BLOCK), 0, pointer.0 as usize, size_of::<u64>(), 0, 0];
    // SAFETY: without a new set the call changes no mask; the kernel checks the pointer, and the
    // next line overwrites what it writes there.
    decode(unsafe { syscall(libc::SYS_rt_sigprocmask, registers) }).map_err(|_| Errno::EFAULT)?;
    write_checked_offset(pointer, value);
    Ok(())
}

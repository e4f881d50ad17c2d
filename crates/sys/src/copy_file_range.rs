//! copy_file_range(2) itself, and reading the offsets that its caller points to.

use crate::errno::Errno;
use crate::raw::{answer, reg, syscall};

/// The address of a caller's offset, in bytes from the file's start; maybe NULL, maybe wild.
///
/// Only the kernel, [`read_offset`] and [`write_offset`] look behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct OffsetPointer(*mut i64);

impl OffsetPointer {
    /// Wraps what the caller gave.
    #[must_use]
    pub fn new(pointer: *mut i64) -> Self {
        Self(pointer)
    }

    /// Whether the caller asked for the descriptor's own offset.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Whether the whole offset stands in the page in which `args` begin; no page is smaller than 4 KiB.
    fn is_in_page_of(self, args: &Args) -> bool {
        let page = (&raw const *args).addr() / 4096;
        let first = self.0.addr();
        first / 4096 == page && first.checked_add(7).is_some_and(|last| last / 4096 == page)
    }

    /// The address as a number, for the log.
    #[must_use]
    pub fn address(self) -> u64 {
        self.0.addr() as u64
    }

    /// The pointer, for whoever hands it on.
    pub(crate) fn as_ptr(self) -> *mut i64 {
        self.0
    }
}

/// The system call's number on this architecture.
pub const COPY_FILE_RANGE: core::ffi::c_long = libc::SYS_copy_file_range;

/// The arguments of copy_file_range(2) as they arrived.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// Source descriptor.
    pub fd_in: i32,
    /// Where to read, in bytes; NULL for the descriptor's own offset.
    pub off_in: OffsetPointer,
    /// Target descriptor.
    pub fd_out: i32,
    /// Where to write, in bytes; NULL for the descriptor's own offset.
    pub off_out: OffsetPointer,
    /// Bytes asked for.
    pub len: usize,
    /// Mode flags.
    pub flags: u32,
}

impl Args {
    /// The same arguments, read from the stack. Kept in registers across a function call they
    /// cost twice the instructions: six registers to save, and six moves there and back.
    #[must_use]
    #[inline(always)]
    pub fn from_memory(&self) -> Args {
        macro_rules! load {
            ($($field:ident),*) => { Args {
                // SAFETY: a reference can be read from.
                $($field: unsafe { (&raw const self.$field).read_volatile() }),*
            } };
        }
        load!(fd_in, off_in, fd_out, off_out, len, flags)
    }
}

/// The kernel's copy_file_range(2): bytes copied, or the kernel's error.
#[inline(always)]
pub fn copy_file_range(args: &Args) -> Result<usize, Errno> {
    let registers = [
        reg(args.fd_in),
        args.off_in.0 as usize,
        reg(args.fd_out),
        args.off_out.0 as usize,
        args.len,
        args.flags as usize,
    ];
    // SAFETY: the kernel checks both pointers and answers EFAULT; what it writes through them is
    // what the host asked it to write.
    answer(unsafe { syscall(libc::SYS_copy_file_range, registers) })
}

/// Reads a caller's offset. EFAULT where the memory cannot be read.
///
/// The kernel is asked first, by a call that reads eight bytes and then refuses to do anything:
/// rt_sigprocmask(2) with a `how` that does not exist is EINVAL after its set was read, EFAULT
/// before. process_vm_readv(2) would read and check at once, but it costs four times as much and
/// is what seccomp filters kill for.
pub fn read_offset(pointer: OffsetPointer) -> Result<i64, Errno> {
    const NO_SUCH_HOW: usize = 0x7fff_ffff;
    let registers = [NO_SUCH_HOW, pointer.0 as usize, 0, size_of::<u64>(), 0, 0];
    // SAFETY: with this `how` the call changes nothing; the kernel checks the pointer.
    match answer(unsafe { syscall(libc::SYS_rt_sigprocmask, registers) }) {
        Err(Errno::EINVAL) => {
            // SAFETY: the kernel has just read these eight bytes. Unaligned offsets are legal to
            // the kernel; volatile, because the host's other threads may write them.
            let bytes = unsafe { pointer.0.cast::<[u8; 8]>().read_volatile() };
            Ok(i64::from_ne_bytes(bytes))
        }
        _ => Err(Errno::EFAULT),
    }
}

/// Reads a caller's offset that can be written too. EFAULT where the memory can be neither or only
/// the one.
///
/// Most offsets stand in the frame of the function that calls, in one page with the call's arguments
/// as our hook keeps them. Of any other the kernel is asked, by a call that reads the eight bytes and
/// writes the same bytes back before it fails: sendfile(2) between no descriptors. Whoever else looks
/// there, a signal's handler or a thread, sees what was there.
pub fn read_writable_offset(pointer: OffsetPointer, args: &Args) -> Result<i64, Errno> {
    if !pointer.is_in_page_of(args) {
        let registers = [reg(-1), reg(-1), pointer.0 as usize, 0, 0, 0];
        // SAFETY: there is nothing to send; the kernel checks the pointer, and leaves what it found.
        match answer(unsafe { syscall(libc::SYS_sendfile, registers) }) {
            Err(Errno::EBADF) => {}
            _ => return Err(Errno::EFAULT),
        }
    }
    // SAFETY: the kernel has just read and written these eight bytes, or they stand in a page of the
    // stack that we have written to.
    let bytes = unsafe { pointer.0.cast::<[u8; 8]>().read_volatile() };
    Ok(i64::from_ne_bytes(bytes))
}

/// Writes a caller's offset that [`read_writable_offset`] has read a moment ago.
pub fn write_checked_offset(pointer: OffsetPointer, value: i64) {
    // SAFETY: the kernel has written these eight bytes in this call, which the host gave us to write.
    unsafe { pointer.0.cast::<[u8; 8]>().write_volatile(value.to_ne_bytes()) };
}

/// Writes a caller's offset. EFAULT where the memory cannot be written. To be called where signals
/// are held back: a handler would see what the kernel leaves there for an instant.
///
/// The kernel is asked first, by a call that does nothing but write eight bytes there: the
/// thread's signal mask.
pub fn write_offset(pointer: OffsetPointer, value: i64) -> Result<(), Errno> {
    let registers = [reg(libc::SIG_BLOCK), 0, pointer.0 as usize, size_of::<u64>(), 0, 0];
    // SAFETY: without a new set the call changes nothing; the kernel checks the pointer, and what
    // it writes there stands for an instant.
    answer(unsafe { syscall(libc::SYS_rt_sigprocmask, registers) }).map_err(|_| Errno::EFAULT)?;
    write_checked_offset(pointer, value);
    Ok(())
}

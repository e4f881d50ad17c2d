//! sendfile(2) with the arguments that the program passed.

use crate::cookie::cookie;
use crate::copy_file_range::OffsetPointer;
use crate::errno::Errno;
use crate::raw::{decode, reg, syscall};

/// Makes the system call; returns the bytes sent.
pub fn sendfile(
    out_fd: i32,
    in_fd: i32,
    offset: OffsetPointer,
    count: usize,
) -> Result<usize, Errno> {
    let registers = [reg(out_fd), reg(in_fd), offset.as_ptr() as usize, count, 0, cookie()];
    // SAFETY: the kernel checks the pointer; the host asked it to write there.
    decode(unsafe { syscall(libc::SYS_sendfile, registers) })
}

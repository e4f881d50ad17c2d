//! sendfile(2).

use crate::copy_file_range::OffsetPointer;
use crate::errno::Errno;
use crate::raw::{answer, reg, syscall};

/// sendfile(2): bytes sent.
pub fn sendfile(
    out_fd: i32,
    in_fd: i32,
    offset: OffsetPointer,
    count: usize,
) -> Result<usize, Errno> {
    let registers = [reg(out_fd), reg(in_fd), offset.as_ptr() as usize, count, 0, 0];
    // SAFETY: the kernel checks the pointer; what it writes there is what the host asked it to write.
    answer(unsafe { syscall(libc::SYS_sendfile, registers) })
}

//! How a forwarded call reaches the kernel.

use cfr_engine::call::Answer;
use cfr_sys::{self as sys, Args, OffsetPointer};

/// Makes the system calls that move data without the engine.
pub trait Kernel {
    /// Makes copy_file_range(2); returns the bytes copied.
    fn copy_file_range(&self, args: &Args) -> Answer;

    /// Makes sendfile(2); returns the bytes sent.
    fn sendfile(&self, out_fd: i32, in_fd: i32, offset: OffsetPointer, count: usize) -> Answer;
}

/// Each call is one system call.
#[derive(Clone, Copy)]
pub struct AsMade;

impl Kernel for AsMade {
    #[inline(always)]
    fn copy_file_range(&self, args: &Args) -> Answer {
        sys::copy_file_range(args)
    }

    #[inline(always)]
    fn sendfile(&self, out_fd: i32, in_fd: i32, offset: OffsetPointer, count: usize) -> Answer {
        sys::sendfile(out_fd, in_fd, offset, count)
    }
}

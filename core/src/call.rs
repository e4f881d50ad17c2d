//! A call as it was made: its arguments, decoded so that nothing after this can crash on them.

use crate::errno::Errno;
use crate::flags::Flags;
use crate::sys;

/// An offset argument on entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offset {
    /// The pointer is NULL: the descriptor's own file offset counts, and moves.
    File,
    /// The pointer's value on entry, in bytes.
    At(i64),
    /// The pointer cannot be read; its address.
    Bad(u64),
}

/// The arguments of one copy_file_range(2) call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Source descriptor.
    pub fd_in: i32,
    /// Where to read.
    pub off_in: Offset,
    /// Target descriptor.
    pub fd_out: i32,
    /// Where to write.
    pub off_out: Offset,
    /// Bytes asked for.
    pub len: usize,
    /// Mode flags.
    pub flags: Flags,
}

impl Call {
    /// Decodes `args`. A pointer that cannot be read becomes [`Offset::Bad`]: the kernel answers
    /// it with EFAULT, and so it must stay.
    #[must_use]
    #[inline(always)]
    pub fn decode(args: &sys::Args) -> Call {
        Call {
            fd_in: args.fd_in,
            off_in: offset(args.off_in),
            fd_out: args.fd_out,
            off_out: offset(args.off_out),
            len: args.len,
            flags: Flags(args.flags),
        }
    }

    /// The pointers' values now that the call has returned, in bytes: `(off_in, off_out)`, each
    /// `None` where the pointer is NULL or could not be read.
    #[must_use]
    pub fn offsets_after(&self, args: &sys::Args) -> (Option<i64>, Option<i64>) {
        let after = |before: Offset, pointer| match before {
            Offset::At(_) => sys::read_offset(pointer).ok(),
            Offset::File | Offset::Bad(_) => None,
        };
        (after(self.off_in, args.off_in), after(self.off_out, args.off_out))
    }
}

#[inline(always)]
fn offset(pointer: sys::OffsetPointer) -> Offset {
    if pointer.is_null() {
        return Offset::File;
    }
    match sys::read_offset(pointer) {
        Ok(value) => Offset::At(value),
        Err(_) => Offset::Bad(pointer.address()),
    }
}

/// What the call returned: bytes copied, or the error.
pub type Answer = Result<usize, Errno>;

/// How the bytes moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// The kernel's copy_file_range answered.
    Kernel,
    /// The next library's copy_file_range answered (`CFR_FORWARD=next`); how, it did not say.
    Next,
    /// Blocks were shared, by FICLONERANGE.
    Reflink,
    /// Blocks of identical ranges were shared, by FIDEDUPERANGE.
    Dedup,
    /// The library read and wrote, all of it or some.
    Emulated,
    /// They did not: nobody was asked to move any.
    None,
}

impl Method {
    /// The word in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Method::Kernel => "kernel",
            Method::Next => "next",
            Method::Reflink => "reflink",
            Method::Dedup => "dedup",
            Method::Emulated => "emulated",
            Method::None => "none",
        }
    }
}

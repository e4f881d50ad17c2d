//! A call as it was made: its arguments, decoded so that nothing after this can crash on them.

use crate::flags::Flags;
use cfr_sys::errno::Errno;
use cfr_sys::{
    self as sys, FICLONE, FICLONERANGE, FIDEDUPERANGE, FileKind, IoctlArg, OffsetPointer, Stat,
};

/// An offset argument on entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offset {
    /// The pointer is NULL: the descriptor's own file offset counts, and moves.
    File,
    /// The pointer's value on entry, in bytes.
    At(i64),
    /// The pointer cannot be read; its address.
    BadAddress(u64),
}

/// What a call asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// copy_file_range(2).
    Copy,
    /// FICLONE (ioctl_ficlone(2)): to share all of the source. No offset, no length.
    Clone,
    /// FICLONERANGE (ioctl_ficlonerange(2)); a length of 0 is up to the source's end.
    CloneRange,
    /// FIDEDUPERANGE (ioctl_fideduperange(2)), of whose targets this is one.
    Dedupe(DedupeTarget),
    /// sendfile(2).
    Send,
}

impl Request {
    /// The ioctl(2) request's name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Request::Copy | Request::Send => None,
            Request::Clone => Some("FICLONE"),
            Request::CloneRange => Some("FICLONERANGE"),
            Request::Dedupe(_) => Some("FIDEDUPERANGE"),
        }
    }
}

/// One target of FIDEDUPERANGE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DedupeTarget {
    /// Which one: the first is 1, and 0 where there is none.
    pub number: u16,
    /// How many the call has.
    pub count: u16,
    /// What became of it: 0 for the same bytes, 1 for others, or −errno; `None` where the call failed.
    pub status: Option<i32>,
}

/// The arguments of one call, in the words of copy_file_range(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Of what kind it is.
    pub request: Request,
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
    /// Decodes `args`. A pointer that cannot be read becomes [`Offset::BadAddress`]: the kernel answers
    /// it with EFAULT, and so it must stay.
    #[must_use]
    #[inline(always)]
    pub fn decode(args: &sys::Args) -> Call {
        Call {
            request: Request::Copy,
            fd_in: args.fd_in,
            off_in: offset(args.off_in),
            fd_out: args.fd_out,
            off_out: offset(args.off_out),
            len: args.len,
            flags: Flags(args.flags),
        }
    }

    /// Decodes sendfile(2), which knows no offset in its target.
    #[must_use]
    pub fn decode_sendfile(out_fd: i32, in_fd: i32, from: OffsetPointer, count: usize) -> Call {
        Call {
            request: Request::Send,
            fd_in: in_fd,
            off_in: offset(from),
            fd_out: out_fd,
            off_out: Offset::File,
            len: count,
            flags: Flags(0),
        }
    }

    /// Decodes ioctl(2) with a request that shares blocks; `None` for any other. Of FIDEDUPERANGE it is
    /// the part that all targets have in common ([`Call::with_target`]). Where the struct cannot be read,
    /// `off_in` is the bad address, and the descriptor that stands there is −1. Of `request` the lower 32
    /// bits count.
    #[must_use]
    pub fn decode_ioctl(fd: i32, request: usize, argument: IoctlArg) -> Option<Call> {
        const NO_FD: i32 = -1;
        let bad = Offset::BadAddress(argument.address());
        let nowhere = Call {
            request: Request::Clone,
            fd_in: NO_FD,
            off_in: Offset::File,
            fd_out: NO_FD,
            off_out: Offset::File,
            len: 0,
            flags: Flags(0),
        };
        #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
        let request = request as u32;
        Some(match request {
            FICLONE => Call { fd_in: argument.descriptor(), fd_out: fd, ..nowhere },
            FICLONERANGE => {
                let call = Call { request: Request::CloneRange, fd_out: fd, ..nowhere };
                match argument.clone_range() {
                    Ok(range) => Call {
                        fd_in: range.src_fd,
                        off_in: at(range.src_offset),
                        off_out: at(range.dest_offset),
                        len: length(range.src_length),
                        ..call
                    },
                    Err(_) => Call { off_in: bad, ..call },
                }
            }
            FIDEDUPERANGE => {
                let none = DedupeTarget { number: 0, count: 0, status: None };
                let call = Call { request: Request::Dedupe(none), fd_in: fd, ..nowhere };
                match argument.dedupe_range() {
                    Ok(range) => Call {
                        request: Request::Dedupe(DedupeTarget { count: range.dest_count, ..none }),
                        off_in: at(range.src_offset),
                        len: length(range.src_length),
                        ..call
                    },
                    Err(_) => Call { off_in: bad, ..call },
                }
            }
            _ => return None,
        })
    }

    /// The part of a FIDEDUPERANGE that is about its target `number`, after the kernel has answered;
    /// with the bytes that were deduplicated. EFAULT where that cannot be read.
    pub fn with_target(
        &self,
        argument: IoctlArg,
        number: u16,
        answer: Answer,
    ) -> Result<(Call, u64), Errno> {
        let target = argument.dedupe_target(number.saturating_sub(1))?;
        let Request::Dedupe(common) = self.request else { return Err(Errno::EINVAL) };
        // What stands there is the kernel's only where it has come so far.
        let (status, bytes) = match answer {
            Ok(_) => (Some(target.status), target.bytes_deduped),
            Err(_) => (None, 0),
        };
        let call = Call {
            request: Request::Dedupe(DedupeTarget { number, status, ..common }),
            fd_out: target.dest_fd,
            off_out: at(target.dest_offset),
            ..*self
        };
        Ok((call, if status == Some(0) { bytes } else { 0 }))
    }

    /// The most that it could copy, in bytes, as far as its source tells: what stands between its offset and
    /// its end, or all that was requested for where it tells no size.
    #[must_use]
    pub fn max_len(&self) -> u64 {
        let requested = self.len as u64;
        let start = match self.off_in {
            Offset::File => sys::file_offset(self.fd_in).unwrap_or(0),
            Offset::At(bytes) => bytes.cast_unsigned(),
            Offset::BadAddress(_) => return requested,
        };
        match sys::stat(self.fd_in) {
            Ok(Stat { kind: FileKind::Regular, size: size @ 1.., .. }) => {
                requested.min(size.saturating_sub(start))
            }
            _ => requested,
        }
    }

    /// The pointers' values now that the call has returned, in bytes: `(off_in, off_out)`, each
    /// `None` where the pointer is NULL or could not be read.
    #[must_use]
    #[inline(always)]
    pub fn offsets_after(
        &self,
        off_in: OffsetPointer,
        off_out: OffsetPointer,
    ) -> (Option<i64>, Option<i64>) {
        let after = |before: Offset, pointer| match before {
            Offset::At(_) => sys::read_offset(pointer).ok(),
            Offset::File | Offset::BadAddress(_) => None,
        };
        (after(self.off_in, off_in), after(self.off_out, off_out))
    }
}

#[inline(always)]
fn offset(pointer: OffsetPointer) -> Offset {
    if pointer.is_null() {
        return Offset::File;
    }
    match sys::read_offset(pointer) {
        Ok(value) => Offset::At(value),
        Err(_) => Offset::BadAddress(pointer.address()),
    }
}

/// An offset that the kernel takes for unsigned and refuses beyond `i64::MAX`.
fn at(bytes: u64) -> Offset {
    Offset::At(bytes.cast_signed())
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What the call returned: bytes copied, or the error.
pub type Answer = Result<usize, Errno>;

/// How the bytes moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// The kernel's copy_file_range answered.
    Kernel,
    /// The next library answered (`CFR_FORWARD=next`); how, it did not say.
    Next,
    /// Blocks were shared, by FICLONERANGE.
    Reflink,
    /// Blocks of identical ranges were shared, by FIDEDUPERANGE.
    Dedupe,
    /// The library read and wrote, all of it or some.
    Emulated,
    /// They did not: nobody was asked to move any.
    None,
}

impl Method {
    /// Every one, in the order of the summary.
    pub const ALL: [Method; 6] = [
        Method::Kernel,
        Method::Next,
        Method::Reflink,
        Method::Dedupe,
        Method::Emulated,
        Method::None,
    ];

    /// The word in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Method::Kernel => "kernel",
            Method::Next => "next",
            Method::Reflink => "reflink",
            Method::Dedupe => "dedupe",
            Method::Emulated => "emulated",
            Method::None => "none",
        }
    }
}

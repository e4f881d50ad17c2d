//! A call as the program made it: its arguments, decoded without a crash on an invalid pointer.

use crate::flags::Flags;
use crate::hook::Hook;
use cfr_sys::errno::Errno;
use cfr_sys::{
    self as sys, FICLONE, FICLONERANGE, FIDEDUPERANGE, FileKind, IoctlArg, OffsetPointer, Stat,
};

/// An offset argument on entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offset {
    /// The pointer is NULL: the call uses the descriptor's file offset and moves it.
    File,
    /// The value in memory, in bytes.
    At(i64),
    /// The pointer is not readable; its address.
    BadAddress(u64),
}

/// Which system call or ioctl request was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    Copy,
    /// FICLONE (ioctl_ficlone(2)): share the whole source; no offset, no length.
    Clone,
    /// FICLONERANGE (ioctl_ficlonerange(2)); a length of 0 means up to the end of the source.
    CloneRange,
    /// One target of FIDEDUPERANGE (ioctl_fideduperange(2)).
    Dedupe(DedupeTarget),
    Send,
}

impl Request {
    /// Returns the name of the system call.
    #[must_use]
    pub const fn call(self) -> &'static str {
        match self {
            Request::Copy => "copy_file_range",
            Request::Clone | Request::CloneRange | Request::Dedupe(_) => "ioctl",
            Request::Send => "sendfile",
        }
    }

    /// Returns the hook that is named like the system call.
    #[must_use]
    pub const fn hook(self) -> Hook {
        match self {
            Request::Copy => Hook::CopyFileRange,
            Request::Clone | Request::CloneRange | Request::Dedupe(_) => Hook::Ioctl,
            Request::Send => Hook::Sendfile,
        }
    }

    /// Returns the name of the ioctl(2) request; `None` if it is not ioctl.
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
    /// Its number, from 1; 0 if the call has none.
    pub number: u16,
    /// How many targets the call has.
    pub count: u16,
    /// 0 if the ranges are identical, 1 if they differ, or −errno; `None` if the ioctl itself
    /// failed.
    pub status: Option<i32>,
    /// The bytes that the kernel reports as shared ([`Call::compared`] says how many are).
    pub reported: u64,
}

/// The arguments of one call, named as in copy_file_range(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    pub request: Request,
    pub fd_in: i32,
    pub off_in: Offset,
    pub fd_out: i32,
    pub off_out: Offset,
    /// Bytes.
    pub len: usize,
    pub flags: Flags,
}

impl Call {
    /// Decodes `args`. A pointer that is not readable becomes [`Offset::BadAddress`]; the kernel
    /// returns EFAULT for it.
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

    /// Decodes sendfile(2), which always writes at the target's file offset.
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

    /// Decodes ioctl(2) with a request that shares blocks; `None` for any other. For FIDEDUPERANGE
    /// it decodes what all targets have in common (see [`Call::with_target`]). If the struct is not
    /// readable, `off_in` is the bad address, and the descriptor that the struct has is −1. The
    /// kernel uses the lower 32 bits of `request`.
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
                let none = DedupeTarget { number: 0, count: 0, status: None, reported: 0 };
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

    /// Decodes target `number` of FIDEDUPERANGE after the call. EFAULT if the memory is not readable.
    pub fn with_target(
        &self,
        argument: IoctlArg,
        number: u16,
        answer: Answer,
    ) -> Result<Call, Errno> {
        let target = argument.dedupe_target(number.saturating_sub(1))?;
        let Request::Dedupe(common) = self.request else { return Err(Errno::EINVAL) };
        // If the ioctl failed, the kernel may not have written the result of this target.
        let status = answer.is_ok().then_some(target.status);
        let reported = if status == Some(0) { target.bytes_deduped } else { 0 };
        Ok(Call {
            request: Request::Dedupe(DedupeTarget { number, status, reported, ..common }),
            fd_out: target.dest_fd,
            off_out: at(target.dest_offset),
            ..*self
        })
    }

    /// Returns the bytes of a target of FIDEDUPERANGE that the kernel has compared and shared. It
    /// takes whole blocks only, or all up to the end of both files, and since Linux 4.20 reports the
    /// bytes that were asked for (`generic_remap_checks()`, `vfs_dedupe_file_range()`).
    #[must_use]
    pub fn compared(&self) -> u64 {
        let (Request::Dedupe(DedupeTarget { reported: reported @ 1.., .. }), Offset::At(start)) =
            (self.request, self.off_in)
        else {
            return 0;
        };
        // Blocks of an unknown size: only the ends of the files count.
        let block = sys::filesystem(self.fd_out).map_or(u64::MAX, |found| found.block_size.get());
        let tail = reported % block;
        let ends = |fd, start: i64| {
            let end = start.cast_unsigned().saturating_add(reported);
            sys::stat(fd).is_ok_and(|stat| stat.size == end)
        };
        let ends_both = || {
            ends(self.fd_in, start)
                && matches!(self.off_out, Offset::At(start) if ends(self.fd_out, start))
        };
        if tail == 0 || ends_both() { reported } else { reported - tail }
    }

    /// Returns the error of the call, or of its target of FIDEDUPERANGE.
    #[must_use]
    pub fn error(&self, answer: Answer) -> Option<Errno> {
        match (answer, self.request) {
            (Err(errno), _) => Some(errno),
            (Ok(_), Request::Dedupe(DedupeTarget { status: Some(status @ ..0), .. })) => {
                Some(Errno(status.wrapping_neg()))
            }
            (Ok(_), _) => None,
        }
    }

    /// Returns the most bytes that the call could copy: from the offset to the end of the source,
    /// or the requested length if the source has no size.
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

    /// Reads both offsets after the call, in bytes: each is `None` if its pointer is NULL or not
    /// readable.
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

/// Converts an offset that the kernel takes as unsigned; it refuses offsets beyond `i64::MAX`.
fn at(bytes: u64) -> Offset {
    Offset::At(bytes.cast_signed())
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The result of a call: bytes copied, or the error.
pub type Answer = Result<usize, Errno>;

/// How the bytes moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// By the kernel's copy_file_range, or the kernel refused the call.
    Kernel,
    /// By the next library's function (`CFR_FORWARD=next`), in a way that it does not report.
    Next,
    /// Shared by FICLONERANGE.
    Reflink,
    /// Shared by FIDEDUPERANGE, after the kernel compared both ranges.
    Dedupe,
    /// At least partly by the library, through a pipe or a buffer.
    Emulated,
    /// No byte moved, and the kernel was not asked to move one.
    None,
}

impl Method {
    /// Each method, in the order of the summary.
    pub const ALL: [Method; 6] = [
        Method::Kernel,
        Method::Next,
        Method::Reflink,
        Method::Dedupe,
        Method::Emulated,
        Method::None,
    ];

    /// Reports whether it moves bytes. The others share blocks, which takes no time for a byte.
    #[must_use]
    pub fn moves_bytes(self) -> bool {
        !matches!(self, Method::Reflink | Method::Dedupe)
    }

    /// Returns the name of the method, as in the log.
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

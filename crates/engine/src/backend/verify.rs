//! Reads both ranges back after a copy and compares them (`CFR_VERIFY`).

use super::copy::with_buffer;
use crate::diag::trace_syscall_bytes;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, BlockedSignals, Buffers, Range, Reader};

/// The result of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparison {
    /// This many bytes from the start are identical; fewer than the range if a signal is pending.
    Same(u64),
    /// The first byte that differs, counted from the start of the range.
    Differs(u64),
    /// A range is not readable: its descriptor, and the error.
    Unreadable(i32, Errno),
}

/// Compares both ranges as read(2) returns them: pages in memory are not read from the disk again.
/// A target that is open for writing only is opened again, unless the process has locks on it:
/// closing the second descriptor would drop them (fcntl(2)).
pub(crate) fn verify(range: Range, signals: &BlockedSignals) -> Comparison {
    match Reader::of(range.fd_out) {
        Err(errno) => Comparison::Unreadable(range.fd_out, errno),
        Ok(target) => with_buffer(|buffer| compare(range, &target, buffer, signals)),
    }
}

fn compare(
    range: Range,
    target: &Reader,
    buffer: &mut [u8],
    signals: &BlockedSignals,
) -> Comparison {
    // Both halves begin at a page boundary, as O_DIRECT requires.
    let half = buffer.len().min(Buffers::SIZE) / 2;
    let (of_source, rest) = buffer.split_at_mut_checked(half).unwrap_or_default();
    let of_target = rest.get_mut(..half).unwrap_or_default();
    let mut bytes = 0;
    while bytes < range.len {
        if bytes > 0 && signals.has_pending() {
            break;
        }
        let rest = range.after(bytes);
        let size = usize::try_from(rest.len).unwrap_or(usize::MAX).min(of_source.len());
        let read = match read_all(rest.fd_in, of_source.get_mut(..size), rest.off_in) {
            Ok(read) => read,
            Err(errno) => return Comparison::Unreadable(rest.fd_in, errno),
        };
        let read_back = match read_all(target.fd(), of_target.get_mut(..size), rest.off_out) {
            Ok(read) => read,
            Err(errno) => return Comparison::Unreadable(rest.fd_out, errno),
        };
        if read != read_back || read.len() < size {
            let alike = read.iter().zip(read_back).take_while(|(one, other)| one == other).count();
            return Comparison::Differs(bytes + alike as u64);
        }
        bytes += size as u64;
    }
    Comparison::Same(bytes)
}

/// Reads until the buffer is full or the file ends.
fn read_all(fd: i32, buffer: Option<&mut [u8]>, offset: u64) -> Result<&[u8], Errno> {
    let buffer = buffer.unwrap_or_default();
    let mut len = 0;
    while let Some(free) = buffer.get_mut(len..).filter(|free| !free.is_empty()) {
        let read = sys::read_at(fd, free, offset.saturating_add(len as u64));
        trace_syscall_bytes("pread64", fd, read);
        match read? {
            0 => break,
            more => len += more,
        }
    }
    Ok(buffer.get(..len).unwrap_or_default())
}

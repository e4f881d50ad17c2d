//! Making holes: a range of the target reads as zeros afterwards, and takes up no space where the
//! filesystem knows holes.

use super::copy::{BUFFER_LEN, Copier};
use crate::diag::{log_fallback, trace_syscall, trace_syscall_bytes};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Range};

impl Copier<'_> {
    /// Makes a range of the target read as zeros, as a hole where that can be had: bytes done.
    pub(super) fn make_hole(&mut self, range: Range) -> u64 {
        self.used_library = true;
        // A source that was cut meanwhile has no hole behind its end, but an end.
        let left =
            sys::stat(range.fd_in).map_or(range.len, |stat| stat.size.saturating_sub(range.off_in));
        let range = range.first(left);
        let size = sys::stat(range.fd_out).map_or(0, |stat| stat.size);
        let within = range.first(size.saturating_sub(range.off_out));
        if within.len == 0 {
            // What xfs has set aside behind the end would be there for good with the next write. Who may
            // not write, because of a seal, may not extend the file either, which fallocate(2) would.
            if let Err(errno @ Errno::EPERM) = punch(&range) {
                return self.write_zeros_after(errno, range);
            }
            self.pending_hole += range.len;
            return range.len;
        }
        let is_across = within.len < range.len;
        if is_across && sys::seals(range.fd_out).grow {
            // It may not grow: writing finds that out before it changes the last page.
            return self.write_zeros(range);
        }
        self.pending_hole = 0;
        if let Err(errno) = punch(&within) {
            let written = self.write_zeros_after(errno, within);
            if written < within.len {
                return written;
            }
        }
        if !is_across {
            return range.len;
        }
        // The block with the target's end can be taken away when the file reaches behind it.
        self.pending_hole = range.len - within.len;
        let created = range.len - self.create_pending_hole(&range);
        let _ = punch(&range.first(created));
        created
    }

    /// Brings a hole at the end of what is done into being: how many bytes of it could not be.
    pub(super) fn create_pending_hole(&mut self, done: &Range) -> u64 {
        let pending_hole = core::mem::take(&mut self.pending_hole);
        if pending_hole == 0 {
            return 0;
        }
        let hole = done.after(done.len - pending_hole);
        if self.extend_over_hole(&hole) {
            self.has_written = true;
            // The byte has a block now. If that cannot be taken away, it reads as zeros all the same.
            let _ = punch(&hole);
            return 0;
        }
        if self.error != Some(Errno::EFBIG) {
            return pending_hole;
        }
        // The last byte is behind the filesystem's largest file, and the first may not be.
        let created = self.write_zeros(hole);
        let _ = punch(&hole.first(created));
        pending_hole - created
    }

    /// Makes the target reach to the end of a hole: whether that can be done. fallocate(2) is fast, but
    /// after it xfs keeps for good what it has set aside behind the end for what was written.
    fn extend_over_hole(&mut self, hole: &Range) -> bool {
        let last = hole.after(hole.len - 1);
        if self.has_written {
            let is_written = self.write_zeros(last) > 0;
            // With O_DIRECT there is no writing of a byte.
            if self.error != Some(Errno::EINVAL) {
                return is_written;
            }
            self.error = None;
        }
        let extended = sys::extend(hole.fd_out, hole.off_out.saturating_add(hole.len));
        trace_syscall("fallocate to extend", hole.fd_out, &extended);
        match extended {
            Ok(()) => true,
            Err(errno) => self.write_zeros_after(errno, last) > 0,
        }
    }

    /// Writes zeros where the filesystem knows no holes; else the error is one.
    fn write_zeros_after(&mut self, errno: Errno, range: Range) -> u64 {
        match errno {
            // The last two from filters; a seal's EPERM comes back from writing.
            Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EPERM | Errno::EINVAL => {
                log_fallback("fallocate", errno, "zeros are written");
                self.write_zeros(range)
            }
            errno => {
                self.error = Some(errno);
                0
            }
        }
    }

    /// Writes zeros: bytes written.
    fn write_zeros(&mut self, range: Range) -> u64 {
        self.buffer.fill(0);
        let mut bytes = 0;
        while bytes < range.len && !(bytes > 0 && self.signals.has_pending()) {
            let rest = range.after(bytes).first(BUFFER_LEN);
            let wanted = usize::try_from(rest.len).unwrap_or(usize::MAX).min(self.buffer.len());
            match self.write(&Range { off_in: 0, ..rest }, 0, wanted) {
                0 => break,
                written => bytes += written,
            }
            if self.error.is_some() {
                break;
            }
        }
        bytes
    }

    /// Has the target changed, though zeros are there already: on btrfs a hole that is punched in a
    /// hole leaves the file's time and its set-user-ID bit as they were.
    pub(super) fn touch_target(&self, hole: &Range) {
        let written = sys::write_at(hole.fd_out, &[0], hole.off_out);
        trace_syscall_bytes("pwrite64", hole.fd_out, written);
        let _ = punch(hole);
    }
}

fn punch(range: &Range) -> Result<(), Errno> {
    let punched = sys::punch_hole(range.fd_out, range.off_out, range.len);
    trace_syscall("fallocate to punch a hole in", range.fd_out, &punched);
    punched
}

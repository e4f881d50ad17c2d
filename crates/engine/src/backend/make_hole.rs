//! Makes holes in the target: a range reads as zeros afterwards, and takes no space if the
//! filesystem has holes.

use super::copy::{BUFFER_LEN, Copier};
use crate::diag::{log_fallback, trace_syscall, trace_syscall_bytes};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, FilesystemKind, Range};

impl Copier<'_> {
    /// Makes a range of the target read as zeros, as a hole if possible; returns the bytes done.
    pub(super) fn make_hole(&mut self, range: Range) -> u64 {
        self.used_library = true;
        if self.empty_from.is_some_and(|from| from <= range.off_out) {
            self.pending_hole += range.len;
            return range.len;
        }
        // Nothing is touched for a source that ends before the range.
        let range = if self.has_written { range } else { within_source(range) };
        if range.len == 0 {
            return 0;
        }
        let stat = sys::stat(range.fd_out);
        let (size, allocated) = stat.map_or((0, u64::MAX), |stat| (stat.size, stat.allocated));
        if size <= range.off_out {
            if let Err(errno @ Errno::EPERM) = self.punch_beyond(&range, allocated) {
                return self.write_zeros_after(errno, range);
            }
            if self.has_written {
                self.empty_from.get_or_insert_with(|| empty_from(range.fd_out, size));
            }
            self.pending_hole += range.len;
            return range.len;
        }
        let range = within_source(range);
        if range.len == 0 {
            return 0;
        }
        let within = range.first(size - range.off_out);
        let is_across = within.len < range.len;
        if is_across && sys::seals(range.fd_out).grow {
            // The file is sealed against growing: write(2) fails before it changes the last page.
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
        // The block at the target's end can be punched only after the file reaches beyond it.
        self.pending_hole = range.len - within.len;
        let created = range.len - self.create_pending_hole(&range);
        let _ = punch(&range.first(created));
        created
    }

    /// Punches a hole beyond the end of the target, which has `allocated` bytes: otherwise the next
    /// write keeps for good what xfs has preallocated there. If a seal forbids writing (EPERM), the
    /// file must not be extended either, which fallocate(2) would do.
    fn punch_beyond(&self, range: &Range, allocated: u64) -> Result<(), Errno> {
        let is_empty = allocated == 0 && !self.has_written && !sys::seals(range.fd_out).write;
        if is_empty { Ok(()) } else { punch(range) }
    }

    /// Creates the hole at the end of the copied range; returns how many of its bytes failed.
    pub(super) fn create_pending_hole(&mut self, done: &Range) -> u64 {
        let pending_hole = core::mem::take(&mut self.pending_hole);
        if pending_hole == 0 {
            return 0;
        }
        let hole = within_source(done.after(done.len - pending_hole));
        let cut_off = pending_hole - hole.len;
        if hole.len == 0 {
            return cut_off;
        }
        if self.extend_over_hole(&hole) {
            self.has_written = true;
            // The byte has a block now. If punching it fails, it still reads as zero.
            let _ = punch(&hole);
            return cut_off;
        }
        if self.error != Some(Errno::EFBIG) {
            return pending_hole;
        }
        // The last byte is beyond the filesystem's largest file; the first bytes may fit.
        let created = self.write_zeros(hole);
        let _ = punch(&hole.first(created));
        pending_hole - created
    }

    /// Extends the target to the end of a hole; reports success. fallocate(2) is fast, but xfs then
    /// keeps for good what it has preallocated beyond the end of written data, so a byte is written
    /// if data were.
    fn extend_over_hole(&mut self, hole: &Range) -> bool {
        let last = hole.after(hole.len - 1);
        if self.has_written {
            let is_written = self.write_zeros(last) > 0;
            // With O_DIRECT a single byte cannot be written.
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

    /// Writes zeros if `errno` means that the filesystem has no holes; otherwise records the error.
    fn write_zeros_after(&mut self, errno: Errno, range: Range) -> u64 {
        match errno {
            // ENOSYS and EPERM may come from a seccomp filter; if EPERM is a seal's, write(2)
            // returns it again.
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

    /// Writes zeros to the range; returns the bytes written.
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

    /// Marks the target as modified although its range is a hole already: on btrfs, punching a hole
    /// in a hole changes neither mtime nor the set-user-ID bit.
    pub(super) fn touch_target(&mut self, hole: &Range) {
        let written = sys::write_at(hole.fd_out, &[0], hole.off_out);
        self.accounted += written.map_or(0, |bytes| bytes as u64);
        trace_syscall_bytes("pwrite64", hole.fd_out, written);
        let _ = punch(hole);
    }
}

/// Returns the part of the range before the end of the source, which may have been truncated since
/// the copy began.
fn within_source(range: Range) -> Range {
    let left =
        sys::stat(range.fd_in).map_or(range.len, |stat| stat.size.saturating_sub(range.off_in));
    range.first(left)
}

/// Returns the offset from which on the target, which ends at `size`, has no blocks and gets none
/// but those that are written, or none that can be punched.
fn empty_from(fd_out: i32, size: u64) -> u64 {
    let filesystem = sys::filesystem(fd_out);
    trace_syscall("fstatfs", fd_out, &filesystem);
    let Ok(filesystem) = filesystem else { return u64::MAX };
    let behind_last_block = size.next_multiple_of(filesystem.block_size.get());
    match filesystem.kind {
        // ext4 punches nothing beyond the end of a file (ext4_punch_hole()).
        FilesystemKind::Ext4 => size,
        FilesystemKind::Btrfs if !sys::has_blocks_from(fd_out, behind_last_block) => size,
        // xfs preallocates behind each write; of the others it is not known.
        _ => u64::MAX,
    }
}

fn punch(range: &Range) -> Result<(), Errno> {
    let punched = sys::punch_hole(range.fd_out, range.off_out, range.len);
    trace_syscall("fallocate to punch a hole in", range.fd_out, &punched);
    punched
}

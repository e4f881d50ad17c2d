//! Long copies in pieces. The kernel ends the copy of a thread that is killed before anything can wait
//! for that thread's end; a copy of the supervisor's would go on, into a file that may be another's by
//! then.

use super::task::Task;
use cfr_engine::call::{Answer, Offset};
use cfr_observe::{AsMade, Kernel};
use cfr_sys::{self as sys, Args, FileKind, FilesystemKind, MAX_RW_COUNT, OffsetPointer, Stat};

/// The bytes between two looks at the thread. They take less time than the end of a process: 30 us in
/// memory. A look takes 0.3 us.
const PIECE: usize = 256 << 10;

/// Makes the calls of a thread, as long as it waits for them.
#[derive(Clone, Copy)]
pub(super) struct Pieces<'a> {
    pub(super) task: &'a Task<'a>,
    /// The offsets of source and target as the program passed them.
    pub(super) starts: [Offset; 2],
}

impl Kernel for Pieces<'_> {
    fn copy_file_range(&self, args: &Args) -> Answer {
        // A filesystem that shares blocks is asked for the whole: shared pieces would be more extents.
        let is_copied = || {
            let kind = sys::filesystem(args.fd_in).map(|found| found.kind);
            matches!(kind, Ok(FilesystemKind::Ext4 | FilesystemKind::Tmpfs))
        };
        let fds = [args.fd_in, args.fd_out];
        if args.len <= PIECE || !self.may_divide(fds, args.len) || !is_copied() {
            return AsMade.copy_file_range(args);
        }
        self.divide(args.len, |len| AsMade.copy_file_range(&Args { len, ..*args }))
    }

    fn sendfile(&self, out_fd: i32, in_fd: i32, offset: OffsetPointer, count: usize) -> Answer {
        let piece = |count| AsMade.sendfile(out_fd, in_fd, offset, count);
        if count <= PIECE || !self.may_divide([in_fd, out_fd], count) {
            return piece(count);
        }
        self.divide(count, piece)
    }
}

impl Pieces<'_> {
    /// Reports whether the kernel judges a piece as it judges the whole: both are regular files, not the
    /// same one, and no offset can overflow.
    fn may_divide(&self, fds: [i32; 2], len: usize) -> bool {
        let [source, target] = fds;
        let regular = |fd| sys::stat(fd).ok().filter(|stat| stat.kind == FileKind::Regular);
        // Programs ask for more than the source has.
        let is_long = |stat: &Stat| stat.size > PIECE as u64;
        let Some(from) = regular(source).filter(is_long) else { return false };
        regular(target).is_some_and(|to| (from.dev, from.ino) != (to.dev, to.ino))
            && fds.into_iter().zip(self.starts).all(|(fd, start)| {
                let start = match start {
                    Offset::File => sys::file_offset(fd).ok(),
                    Offset::At(offset) => u64::try_from(offset).ok(),
                    Offset::BadAddress(_) => None,
                };
                let end = start.and_then(|start| start.checked_add(len as u64));
                end.is_some_and(|end| i64::try_from(end).is_ok())
            })
    }

    /// Makes calls of `piece` until one moves less than it was asked for. Returns the bytes that all
    /// have moved; an error only if it is the first one's.
    fn divide(&self, len: usize, piece: impl Fn(usize) -> Answer) -> Answer {
        let len = len.min(usize::try_from(MAX_RW_COUNT).unwrap_or(len));
        let mut moved = 0;
        while moved < len {
            let wanted = (len - moved).min(PIECE);
            match piece(wanted) {
                Ok(count) => {
                    moved += count;
                    if count < wanted || !self.task.is_served() {
                        break;
                    }
                }
                Err(errno) if moved == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(moved)
    }
}

//! Searches the read-only segments of a file: code and constants.

use super::hooks::{CALLS, MARKS, NAMES};
use crate::program::elf::{ElfFile, Extent, Native};
use memchr::memmem;
use std::ops::{ControlFlow, Range};

#[cfg(target_arch = "aarch64")]
use super::aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use super::x86_64 as machine;

/// The most bytes of a file that are searched. The largest programs have a fifth of it.
const MAX_BYTES: u64 = 1 << 30;
/// The bytes read at once. A multiple of an aarch64 instruction, as are the next two.
const PIECE: usize = 1 << 20;
/// The bytes of the piece before that are read again, so that nothing between two pieces is missed.
const BEFORE: usize = 256;
/// The bytes of the next piece that are read with this one.
const AFTER: usize = 64;
/// The most system call instructions of a file that are examined: a C library has 400.
const MAX_CALLS: u64 = 20_000;

/// The findings in a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Names of hooks that occur as strings, other than names of imported symbols.
    pub(super) names: Vec<&'static str>,
    /// Names of [`MARKS`].
    pub(super) marks: Vec<&'static str>,
    /// The number of system call instructions.
    pub(super) places: u64,
    /// Those of [`CALLS`] with their number loaded shortly before such an instruction.
    pub(super) calls: Vec<&'static str>,
    /// Whether a part was not searched: the file is too large, or shorter than its headers say.
    pub(super) partial: bool,
}

pub(super) fn search(source: &ElfFile, native: &Native) -> Contents {
    let mut contents = Contents::default();
    let strings = native.dynamic.as_ref().map_or(0..0, |dynamic| dynamic.strings.clone());
    let mut reader =
        PieceReader { source, left: MAX_BYTES, buffer: vec![0; BEFORE + PIECE + AFTER] };
    for segment in native.segments.iter().filter(|segment| !segment.writable) {
        contents.partial |= !reader.pieces(segment.extent, |piece| {
            contents.add_names(piece, &strings);
            ControlFlow::Continue(())
        });
    }
    for &code in &native.code {
        contents.partial |= !reader.pieces(code, |piece| contents.add_code(piece));
    }
    contents
}

/// Reads extents of a file in pieces.
struct PieceReader<'a> {
    source: &'a ElfFile,
    /// The bytes that may still be read.
    left: u64,
    buffer: Vec<u8>,
}

/// A piece with some bytes on both sides.
struct Piece<'a> {
    bytes: &'a [u8],
    /// The range of the piece in `bytes`.
    own: Range<usize>,
    /// The offset of `bytes` in the file.
    offset: u64,
}

impl PieceReader<'_> {
    /// Calls `each` with every piece of an extent. Returns whether all of it was read.
    fn pieces(
        &mut self,
        part: Extent,
        mut each: impl FnMut(&Piece<'_>) -> ControlFlow<()>,
    ) -> bool {
        let mut done = 0;
        while done < part.size {
            let before = done.min(BEFORE as u64);
            let size = (part.size - done).min(PIECE as u64);
            let wanted = before + (part.size - done).min((PIECE + AFTER) as u64);
            let offset = part.offset.saturating_add(done - before);
            let (Ok(own), Ok(end), Ok(wanted)) =
                (usize::try_from(before), usize::try_from(before + size), usize::try_from(wanted))
            else {
                return false;
            };
            let Some(left) = self.left.checked_sub(size) else { return false };
            self.left = left;
            let Some(buffer) = self.buffer.get_mut(..wanted) else { return false };
            let read = self.source.read_at(buffer, offset);
            let bytes = buffer.get(..read).unwrap_or_default();
            if each(&Piece { bytes, own: own..end.min(read), offset }).is_break() || read < wanted {
                return false;
            }
            done += size;
        }
        true
    }
}

impl Contents {
    /// Adds names that occur as strings: a zero byte follows, and the name is not the end of a
    /// longer one.
    fn add_names(&mut self, piece: &Piece<'_>, strings: &Range<u64>) {
        let absent = NAMES.iter().filter(|name| !self.names.contains(name));
        let found = absent.filter(|name| {
            memmem::find_iter(piece.bytes, name.as_bytes()).any(|at| {
                let before = at.checked_sub(1).and_then(|before| piece.bytes.get(before));
                piece.own.contains(&at)
                    && !strings.contains(&(piece.offset + at as u64))
                    && piece.bytes.get(at + name.len()) == Some(&0)
                    && !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            })
        });
        let found: Vec<_> = found.copied().collect();
        self.names.extend(found);
    }

    /// Adds system calls, and numbers that are passed to hooks.
    fn add_code(&mut self, piece: &Piece<'_>) -> ControlFlow<()> {
        for mark in &MARKS {
            let there = match mark.hook {
                "syscall" => machine::passes(piece.bytes, mark.number),
                _ => machine::holds(piece.bytes, mark.number),
            };
            if there && !self.marks.contains(&mark.name) {
                self.marks.push(mark.name);
            }
        }
        for at in machine::candidates(piece.bytes).filter(|at| piece.own.contains(at)) {
            let Some(number) = machine::system_call(piece.bytes, at) else { continue };
            self.places += 1;
            let call = CALLS.iter().find(|(_, call)| Some(*call) == number);
            if let Some((name, _)) = call.filter(|(name, _)| !self.calls.contains(name)) {
                self.calls.push(name);
            }
            if self.places == MAX_CALLS {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

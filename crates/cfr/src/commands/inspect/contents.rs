//! What stands in the pieces of a file that are loaded and not written to: code and constants.

use super::hooks::{CALLS, MARKS, NAMES};
use crate::program::elf::{Extent, Native, Source};
use memchr::memmem;
use std::ops::{ControlFlow, Range};

#[cfg(target_arch = "aarch64")]
use super::aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use super::x86_64 as machine;

/// How much of a file is looked through, in bytes. The largest programs have a fifth of it.
const MOST: u64 = 1 << 30;
/// How much of it at once. A multiple of an aarch64 instruction, as are the two that follow.
const PIECE: usize = 1 << 20;
/// What is read again from the piece before, so that nothing is missed between two.
const BEFORE: usize = 256;
/// What is read of the piece after.
const AFTER: usize = 64;
/// How many system calls of a file are looked at: a C library has four hundred.
const MOST_CALLS: u64 = 20_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Names of hooks that stand there as strings; those of imported symbols are not among them.
    pub(super) names: Vec<&'static str>,
    /// Names of [`MARKS`].
    pub(super) marks: Vec<&'static str>,
    /// Places with a system call by instruction.
    pub(super) places: u64,
    /// Which of [`CALLS`] are made so: where the number is loaded just before.
    pub(super) calls: Vec<&'static str>,
    /// Not all could be looked through: the file is too large, or shorter than it says.
    pub(super) partial: bool,
}

/// Looks through a file.
pub(super) fn search(source: &Source, native: &Native) -> Contents {
    let mut contents = Contents::default();
    let strings = native.dynamic.as_ref().map_or(0..0, |dynamic| dynamic.strings.clone());
    let mut reader = Reader { source, left: MOST, buffer: vec![0; BEFORE + PIECE + AFTER] };
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

/// Reads parts of a file in pieces.
struct Reader<'a> {
    source: &'a Source,
    /// How many bytes more.
    left: u64,
    buffer: Vec<u8>,
}

/// A piece, and something on both sides of it.
struct Piece<'a> {
    bytes: &'a [u8],
    /// The piece itself.
    own: Range<usize>,
    /// Where `bytes` stand in the file.
    offset: u64,
}

impl Reader<'_> {
    /// Hands on a part of the file: whether that was all of it.
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
    /// Names that stand as strings, each with a zero byte behind it and not as the end of another.
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

    /// System calls, and numbers that are handed to hooks.
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
            if self.places == MOST_CALLS {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

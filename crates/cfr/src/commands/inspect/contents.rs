//! Searches the read-only segments of a file: code and constants.

use super::hooks::{CALLS, IOCTL, MARKS, Mark, NAMES, STARTS};
use super::receiver::Receiver;
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
const AFTER: usize = 128;
/// The bytes of a function that are read to see whether it is a stub.
const STUB: usize = 16;
/// The most system call instructions of a file that are examined: a C library has 400.
const MAX_CALLS: u64 = 20_000;
/// The most marks of a file that are examined: a program has ten.
const MAX_MARKS: u64 = 20_000;

/// The findings in a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The number of marks that were examined.
    examined: u64,
    /// Names of hooks that occur as strings, other than names of imported symbols.
    pub(super) names: Vec<&'static str>,
    /// The marks in the code.
    pub(super) marks: Vec<FoundMark>,
    /// The number of system call instructions.
    pub(super) places: u64,
    /// Those of [`CALLS`] with their number loaded shortly before such an instruction.
    pub(super) calls: Vec<&'static str>,
    /// Those of [`STARTS`], found in the same way.
    pub(super) starts: Vec<&'static str>,
    /// Whether an instruction makes the system call ioctl.
    pub(super) makes_ioctl: bool,
    /// Whether the number of a system call is not loaded shortly before its instruction.
    pub(super) makes_unknown: bool,
    /// Whether the first argument of a call of syscall(3) is not loaded shortly before.
    pub(super) passes_unknown: bool,
    /// Whether a part was not searched: the file is too large, or shorter than its headers say.
    pub(super) partial: bool,
}

/// One of [`MARKS`] in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundMark {
    pub(super) name: &'static str,
    pub(super) passed: Passed,
}

/// What a mark is passed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    ToKernel,
    /// To the hook, which the file imports.
    ToImport,
    Unknown,
}

/// An address at which the program has the address of a hook that the file imports.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) hook: &'static str,
    pub(super) address: u64,
}

/// Searches a file that has these slots.
pub(super) fn search(source: &ElfFile, native: &Native, slots: &[Slot]) -> Contents {
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
        let imports =
            |hook, address| slots.iter().any(|slot| slot.hook == hook && slot.address == address);
        let stub = |address| {
            let mut bytes = [0; STUB];
            let read = source.read_at(&mut bytes, native.offset(address)?);
            machine::stub(bytes.get(..read)?, address)
        };
        contents.partial |= !reader.pieces(code, |piece| {
            let address = native.address(piece.offset).unwrap_or_default();
            contents.add_marks(piece, |mark, at| {
                let receiver = machine::receiver(piece.bytes, at, address);
                let stub = match receiver {
                    Receiver::Function(function) => stub(function),
                    _ => None,
                };
                match (receiver, stub) {
                    (Receiver::Kernel(at), _) => to_kernel(mark, piece.bytes, at),
                    (Receiver::AtSlot(slot), _) | (_, Some(slot)) if imports(mark.hook, slot) => {
                        Some(Passed::ToImport)
                    }
                    // The number of a call is also the argument of other functions.
                    (_, Some(_)) if mark.hook == "syscall" => None,
                    _ => Some(Passed::Unknown),
                }
            })?;
            contents.add_calls(piece)
        });
    }
    for slot in slots.iter().filter(|slot| slot.hook == "syscall") {
        contents.passes_unknown |= passes_unknown(&mut reader, native, slot.address);
    }
    contents
}

/// Reports whether a call of the function whose address is at `slot` has a first argument that is not
/// loaded shortly before. What is not read twice tells nothing.
fn passes_unknown(reader: &mut PieceReader<'_>, native: &Native, slot: u64) -> bool {
    let address = |piece: &Piece<'_>| native.address(piece.offset).unwrap_or_default();
    let mut stubs = Vec::new();
    for &code in &native.code {
        reader.pieces(code, |piece| {
            stubs.extend(machine::stubs(piece.bytes, address(piece), slot));
            ControlFlow::Continue(())
        });
    }
    let mut found = false;
    for &code in &native.code {
        reader.pieces(code, |piece| {
            let is_call = |receiver| match receiver {
                Receiver::AtSlot(at) => at == slot,
                Receiver::Function(function) => stubs.contains(&function),
                Receiver::Kernel(_) | Receiver::Unknown => false,
            };
            found = machine::calls(piece.bytes, address(piece)).any(|(at, receiver)| {
                piece.own.contains(&at)
                    && is_call(receiver)
                    && machine::has_unknown_argument(piece.bytes, at)
            });
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if found {
            break;
        }
    }
    found
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

    /// Adds marks. `passed` returns what a mark is passed to that is loaded before this offset in the
    /// piece, and `None` if it is not passed to a hook.
    fn add_marks(
        &mut self,
        piece: &Piece<'_>,
        passed: impl Fn(&Mark, usize) -> Option<Passed>,
    ) -> ControlFlow<()> {
        for mark in &MARKS {
            let loaded = match mark.hook {
                "syscall" => machine::first_arguments(piece.bytes, mark.number),
                _ => machine::constants(piece.bytes, mark.number),
            };
            for at in loaded.into_iter().filter(|at| piece.own.contains(at)) {
                let found = passed(mark, at).map(|passed| FoundMark { name: mark.name, passed });
                self.marks.extend(found.filter(|found| !self.marks.contains(found)));
                self.examined += 1;
                if self.examined == MAX_MARKS {
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Adds system calls.
    fn add_calls(&mut self, piece: &Piece<'_>) -> ControlFlow<()> {
        for at in machine::candidates(piece.bytes).filter(|at| piece.own.contains(at)) {
            let Some(number) = machine::system_call(piece.bytes, at) else { continue };
            self.places += 1;
            self.makes_ioctl |= number == Some(IOCTL);
            self.makes_unknown |= number.is_none();
            add_call(&mut self.calls, &CALLS, number);
            add_call(&mut self.starts, &STARTS, number);
            if self.places == MAX_CALLS {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// Adds the name of the system call with this number, if it is one of `wanted`.
fn add_call(found: &mut Vec<&'static str>, wanted: &[(&'static str, u32)], number: Option<u32>) {
    let call = wanted.iter().find(|(_, call)| Some(*call) == number);
    if let Some((name, _)) = call.filter(|(name, _)| !found.contains(name)) {
        found.push(name);
    }
}

/// Returns what a mark is passed to that is loaded before the system call instruction at `at`.
fn to_kernel(mark: &Mark, code: &[u8], at: usize) -> Option<Passed> {
    if mark.hook == "syscall" {
        // The instruction gets the number in another register.
        return None;
    }
    match machine::system_call(code, at).flatten() {
        None | Some(IOCTL) => Some(Passed::ToKernel),
        Some(_) => Some(Passed::Unknown),
    }
}

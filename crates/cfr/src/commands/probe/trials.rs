//! Trials of what a filesystem can do, on unnamed files. Each trial creates its own files and does
//! not depend on the others.

use super::fact::{Finding, with_unit};
use super::temporary::{Directory, UnnamedFile};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Deduped, Range, Sharing};

/// A multiple of every block size.
pub(super) const UNIT: u64 = 64 << 10;
/// The size of a hole that no filesystem fills by rounding up.
pub(super) const HOLE: u64 = 1 << 20;

/// Returns the range of `len` bytes at the start of both files.
pub(super) fn range(source: &UnnamedFile, target: &UnnamedFile, len: u64) -> Range {
    Range { fd_in: source.fd(), off_in: 0, fd_out: target.fd(), off_out: 0, len }
}

/// Returns bytes that do not repeat and cannot be compressed.
pub(super) fn content(len: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_ne_bytes()
    });
    words.flatten().take(usize::try_from(len).unwrap_or(usize::MAX)).collect()
}

/// Creates a file with these bytes.
pub(super) fn file_with(directory: &Directory, bytes: &[u8]) -> Result<UnnamedFile, Errno> {
    let file = directory.file()?;
    file.write(bytes, 0)?;
    Ok(file)
}

/// Creates a file of a hole followed by data.
fn sparse(directory: &Directory) -> Result<UnnamedFile, Errno> {
    let file = directory.file()?;
    file.set_size(HOLE)?;
    file.write(&content(UNIT), HOLE)?;
    Ok(file)
}

/// Reports whether the target holds the bytes that a call claims to have copied.
pub(super) fn check_copy(
    copied: u64,
    bytes: &[u8],
    target: &UnnamedFile,
) -> Result<Finding, Errno> {
    let count = usize::try_from(copied).unwrap_or(usize::MAX);
    let Some(whole) = bytes.get(..count).filter(|bytes| !bytes.is_empty()) else {
        return Ok(Finding::no().with_note(format!("returned {copied} of {}", bytes.len())));
    };
    Ok(if !target.holds(whole, 0)? {
        Finding::no().with_note(format!("claims to have copied {copied} bytes, but did not"))
    } else if whole.len() == bytes.len() {
        Finding::yes()
    } else {
        Finding::yes().with_note(format!("only {copied} of {} bytes", bytes.len()))
    })
}

/// Reports whether copy_file_range works: one aligned call.
pub(super) fn copies(directory: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let (source, target) = (file_with(directory, &bytes)?, directory.file()?);
    match sys::copy_range(&range(&source, &target, UNIT)) {
        Ok(copied) => check_copy(copied as u64, &bytes, &target),
        Err(errno) => Ok(Finding::refused(errno)),
    }
}

/// Reports whether an aligned copy without flags shares its blocks with the source.
pub(super) fn shares(directory: &Directory) -> Result<Finding, Errno> {
    let (source, target) = (file_with(directory, &content(UNIT))?, directory.file()?);
    let copied = match sys::copy_range(&range(&source, &target, UNIT)) {
        Ok(copied) => copied as u64,
        Err(errno) => return Ok(Finding::unknown("the copy failed").with_errno(errno)),
    };
    Ok(match sys::shares_blocks(target.fd(), 0, copied) {
        Ok(Some((Sharing::Shared, _))) => Finding::yes(),
        Ok(Some((Sharing::PartlyShared, _))) => Finding::no().with_note("only some of the blocks"),
        Ok(Some((Sharing::NotShared, _)) | None) => Finding::no(),
        // A filesystem that cannot reflink does not share blocks in a copy.
        Err(_) if sys::clone_range(&range(&source, &directory.file()?, UNIT)).is_err() => {
            Finding::no()
        }
        Err(errno) => Finding::unknown("the filesystem has no FIEMAP").with_errno(errno),
    })
}

/// Reports whether a hole in the source is a hole in the copy.
pub(super) fn keeps_holes(directory: &Directory) -> Result<Finding, Errno> {
    let (source, target) = (sparse(directory)?, directory.file()?);
    if source.allocated()? >= HOLE {
        return Ok(Finding::no().with_note("the filesystem has no holes"));
    }
    let all = range(&source, &target, HOLE + UNIT);
    let mut done = 0;
    while done < all.len {
        match sys::copy_range(&all.after(done)) {
            Ok(0) => return Ok(Finding::unknown(format!("returned 0 after {done} bytes"))),
            Ok(copied) => done += copied as u64,
            Err(errno) => return Ok(Finding::unknown("the copy failed").with_errno(errno)),
        }
    }
    let allocated = target.allocated()?;
    let kept = match source.first_hole() {
        Ok(0) => target.first_data()? >= HOLE,
        // The filesystem does not report holes.
        _ => allocated < HOLE,
    };
    let finding = if kept { Finding::yes() } else { Finding::no() };
    let (was, is) = (with_unit(source.allocated()?), with_unit(allocated));
    Ok(finding.with_note(format!("{was} of disk space became {is}")))
}

/// Reports whether a range can be reflinked.
pub(super) fn reflinks(directory: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let (source, target) = (file_with(directory, &bytes)?, directory.file()?);
    match sys::clone_range(&range(&source, &target, UNIT)) {
        Ok(()) => check_copy(UNIT, &bytes, &target),
        Err(errno) => Ok(Finding::refused(errno)),
    }
}

/// Returns the smallest power of two to which offsets and length of a reflink may be aligned.
pub(super) fn reflink_alignment(directory: &Directory) -> Result<Finding, Errno> {
    let (source, target) = (file_with(directory, &content(3 * UNIT))?, directory.file()?);
    if let Err(errno) = sys::clone_range(&range(&source, &target, UNIT)) {
        return Ok(Finding::unknown("the filesystem has no reflinks").with_errno(errno));
    }
    // Some filesystems accept an alignment of 1 byte.
    let sizes = std::iter::once(1).chain((9..).map(|shift| 1 << shift));
    for size in sizes.take_while(|size| *size <= UNIT) {
        // The range does not reach the end of the file, which need not be aligned.
        let piece = Range { off_in: size, off_out: size, ..range(&source, &target, size) };
        match sys::clone_range(&piece) {
            Ok(()) => return Ok(Finding::bytes(size).with_note("of both offsets and the length")),
            Err(Errno::EINVAL) => {}
            Err(errno) => return Ok(Finding::unknown("an unexpected error").with_errno(errno)),
        }
    }
    Ok(Finding::unknown(format!("more than {}", with_unit(UNIT))).with_errno(Errno::EINVAL))
}

/// Reports whether identical ranges can be made to share blocks.
pub(super) fn dedupes(directory: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let (source, target) = (file_with(directory, &bytes)?, file_with(directory, &bytes)?);
    Ok(match sys::dedupe_range(&range(&source, &target, UNIT)) {
        Ok(Deduped::Same(count)) => return check_copy(count, &bytes, &target),
        Ok(Deduped::Differs) => Finding::no().with_note("claims that identical bytes differ"),
        Err(errno) => Finding::refused(errno),
    })
}

/// Reports whether lseek(2) finds a hole.
pub(super) fn reports_holes(directory: &Directory) -> Result<Finding, Errno> {
    let file = sparse(directory)?;
    let is_sparse = file.allocated()? < HOLE;
    Ok(match file.first_hole() {
        Ok(0) => Finding::yes(),
        Ok(_) if is_sparse => Finding::no().with_note("reports holes as data"),
        Ok(_) => Finding::no().with_note("the filesystem has no holes"),
        Err(errno) => Finding::refused(errno),
    })
}

/// Reports whether data can be turned into a hole.
pub(super) fn punches_holes(directory: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let file = file_with(directory, &bytes.repeat(3))?;
    if let Err(errno) = sys::punch_hole(file.fd(), UNIT, UNIT) {
        return Ok(Finding::refused(errno));
    }
    let zeros = vec![0; bytes.len()];
    let is_hole = file.holds(&bytes, 0)?
        && file.holds(&zeros, UNIT)?
        && file.holds(&bytes, 2 * UNIT)?
        && file.size()? == 3 * UNIT;
    Ok(if is_hole {
        Finding::yes()
    } else {
        Finding::no().with_note("claims to have punched a hole, but did not")
    })
}

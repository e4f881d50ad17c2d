//! What one filesystem can do, tried on files without a name. Each trial makes its own files and
//! knows nothing of the others.

use super::fact::{Finding, in_words};
use super::temporary::{Directory, Temporary};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Deduped, Range, Sharing};

/// A multiple of every block size that there is.
pub(super) const UNIT: u64 = 64 << 10;
/// A hole that no filesystem fills to round something up.
pub(super) const HOLE: u64 = 1 << 20;

/// The whole range between the starts of two files.
pub(super) fn range(source: &Temporary, target: &Temporary, len: u64) -> Range {
    Range { fd_in: source.fd(), off_in: 0, fd_out: target.fd(), off_out: 0, len }
}

/// Bytes that do not compress and do not repeat.
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

/// A file with these bytes.
pub(super) fn filled(place: &Directory, bytes: &[u8]) -> Result<Temporary, Errno> {
    let file = place.file()?;
    file.write(bytes, 0)?;
    Ok(file)
}

/// A hole and data behind it.
fn sparse(place: &Directory) -> Result<Temporary, Errno> {
    let file = place.file()?;
    file.set_size(HOLE)?;
    file.write(&content(UNIT), HOLE)?;
    Ok(file)
}

/// Whether so many bytes arrived, and the right ones.
pub(super) fn arrived(copied: u64, bytes: &[u8], target: &Temporary) -> Result<Finding, Errno> {
    let count = usize::try_from(copied).unwrap_or(usize::MAX);
    let Some(whole) = bytes.get(..count).filter(|bytes| !bytes.is_empty()) else {
        return Ok(Finding::no().with_note(format!("returns {copied} of {}", bytes.len())));
    };
    Ok(match target.holds(whole, 0)? {
        true if whole.len() == bytes.len() => Finding::yes(),
        true => Finding::yes().with_note(format!("only {copied} of {} bytes", bytes.len())),
        false => Finding::no().with_note(format!("says that it copied {copied} bytes: it did not")),
    })
}

/// Whether copy_file_range works at all: one aligned call.
pub(super) fn copies(place: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let (source, target) = (filled(place, &bytes)?, place.file()?);
    match sys::copy_range(&range(&source, &target, UNIT)) {
        Ok(copied) => arrived(copied as u64, &bytes, &target),
        Err(errno) => Ok(Finding::refused(errno)),
    }
}

/// Whether an ordinary aligned copy shares its blocks with the source.
pub(super) fn shares(place: &Directory) -> Result<Finding, Errno> {
    let (source, target) = (filled(place, &content(UNIT))?, place.file()?);
    let copied = match sys::copy_range(&range(&source, &target, UNIT)) {
        Ok(copied) => copied as u64,
        Err(errno) => return Ok(Finding::unknown("nothing was copied").with_errno(errno)),
    };
    Ok(match sys::shares_blocks(target.fd(), 0, copied) {
        Ok(Sharing::Shared) => Finding::yes(),
        Ok(Sharing::PartlyShared) => Finding::no().with_note("only some of them"),
        Ok(Sharing::NotShared) => Finding::no(),
        // Who cannot share when asked to does not do it on his own.
        Err(_) if sys::clone_range(&range(&source, &place.file()?, UNIT)).is_err() => Finding::no(),
        Err(errno) => Finding::unknown("the filesystem does not tell (FIEMAP)").with_errno(errno),
    })
}

/// Whether a hole is one in the copy.
pub(super) fn keeps_holes(place: &Directory) -> Result<Finding, Errno> {
    let (source, target) = (sparse(place)?, place.file()?);
    if source.allocated()? >= HOLE {
        return Ok(Finding::no().with_note("there are none on this filesystem"));
    }
    let all = range(&source, &target, HOLE + UNIT);
    let mut done = 0;
    while done < all.len {
        match sys::copy_range(&all.after(done)) {
            Ok(0) => return Ok(Finding::unknown(format!("returns 0 after {done} bytes"))),
            Ok(copied) => done += copied as u64,
            Err(errno) => return Ok(Finding::unknown("nothing was copied").with_errno(errno)),
        }
    }
    let allocated = target.allocated()?;
    let kept = match source.first_hole() {
        Ok(0) => target.first_data()? >= HOLE,
        // It does not tell of holes.
        _ => allocated < HOLE,
    };
    let finding = if kept { Finding::yes() } else { Finding::no() };
    let (was, is) = (in_words(source.allocated()?), in_words(allocated));
    Ok(finding.with_note(format!("{was} of blocks became {is}")))
}

/// Whether a range can be reflinked.
pub(super) fn reflinks(place: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let (source, target) = (filled(place, &bytes)?, place.file()?);
    match sys::clone_range(&range(&source, &target, UNIT)) {
        Ok(()) => arrived(UNIT, &bytes, &target),
        Err(errno) => Ok(Finding::refused(errno)),
    }
}

/// The smallest power of two that offsets and length of a reflink can be.
pub(super) fn reflink_alignment(place: &Directory) -> Result<Finding, Errno> {
    let (source, target) = (filled(place, &content(3 * UNIT))?, place.file()?);
    if let Err(errno) = sys::clone_range(&range(&source, &target, UNIT)) {
        return Ok(Finding::unknown("there are no reflinks").with_errno(errno));
    }
    // From one byte on: some filesystems do not care.
    let sizes = std::iter::once(1).chain((9..).map(|shift| 1 << shift));
    for size in sizes.take_while(|size| *size <= UNIT) {
        // Not to the end of the file, which may stand anywhere.
        let piece = Range { off_in: size, off_out: size, ..range(&source, &target, size) };
        match sys::clone_range(&piece) {
            Ok(()) => return Ok(Finding::bytes(size).with_note("of both offsets and the length")),
            Err(Errno::EINVAL) => {}
            Err(errno) => return Ok(Finding::unknown("an odd refusal").with_errno(errno)),
        }
    }
    Ok(Finding::unknown(format!("more than {}", in_words(UNIT))).with_errno(Errno::EINVAL))
}

/// Whether identical ranges can be made to share their blocks.
pub(super) fn dedupes(place: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let (source, target) = (filled(place, &bytes)?, filled(place, &bytes)?);
    Ok(match sys::dedupe_range(&range(&source, &target, UNIT)) {
        Ok(Deduped::Same(count)) => return arrived(count, &bytes, &target),
        Ok(Deduped::Differs) => Finding::no().with_note("says that identical bytes differ"),
        Err(errno) => Finding::refused(errno),
    })
}

/// Whether lseek(2) tells of a hole.
pub(super) fn reports_holes(place: &Directory) -> Result<Finding, Errno> {
    let file = sparse(place)?;
    let is_sparse = file.allocated()? < HOLE;
    Ok(match file.first_hole() {
        Ok(0) => Finding::yes(),
        Ok(_) if is_sparse => Finding::no().with_note("passes holes off as data"),
        Ok(_) => Finding::no().with_note("there are none on this filesystem"),
        Err(errno) => Finding::refused(errno),
    })
}

/// Whether data can be made a hole.
pub(super) fn punches_holes(place: &Directory) -> Result<Finding, Errno> {
    let bytes = content(UNIT);
    let file = filled(place, &bytes.repeat(3))?;
    if let Err(errno) = sys::punch_hole(file.fd(), UNIT, UNIT) {
        return Ok(Finding::refused(errno));
    }
    let zeros = vec![0; bytes.len()];
    let is_hole = file.holds(&bytes, 0)?
        && file.holds(&zeros, UNIT)?
        && file.holds(&bytes, 2 * UNIT)?
        && file.size()? == 3 * UNIT;
    Ok(match is_hole {
        true => Finding::yes(),
        false => Finding::no().with_note("says that it did: it did not"),
    })
}

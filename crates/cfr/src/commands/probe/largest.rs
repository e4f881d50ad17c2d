//! How much one call takes at most. Tried on holes, which cost no disk, and given up where it
//! would take long.

use super::fact::{Finding, Value, in_words};
use super::temporary::{Directory, Temporary};
use super::trials::{HOLE, keeps_holes, range};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Deduped};
use std::time::{Duration, Instant};

/// No single call may be expected to take longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked of one copy: first a little, to see what that costs, then more than the kernel
/// copies in one call, which is 0x7ffff000 where the filesystem has no call of its own.
const COPIES: [u64; 2] = [64 << 20, 3 << 30];

/// What is asked of one dedupe, which reads both sides: the last is more than the kernel takes
/// since 4.18, which is 1 GiB. (Before, btrfs took 16 MiB.)
const DEDUPES: [u64; 4] = [16 << 20, 64 << 20, 256 << 20, 1025 << 20];

/// The most that one copy_file_range moves.
pub(super) fn copy(place: &Directory) -> Result<Finding, Errno> {
    match keeps_holes(place)? {
        Finding { value: Value::Yes, .. } => {}
        Finding { value: Value::No, .. } => {
            return Ok(Finding::unknown("not tried: would write 2 GiB"));
        }
        unknown => return Ok(unknown),
    }
    rising(&COPIES, |len| {
        let (source, target) = (hole(place, len)?, place.file()?);
        Ok(match sys::copy_range(&range(&source, &target, len)) {
            Ok(_) if target.allocated()? >= HOLE => Taken::Expensive,
            Ok(copied) => Taken::Bytes(copied as u64),
            Err(errno) => Taken::Refused(errno),
        })
    })
}

/// The most that one FIDEDUPERANGE shares.
pub(super) fn dedupe(place: &Directory) -> Result<Finding, Errno> {
    rising(&DEDUPES, |len| {
        let (source, target) = (hole(place, len)?, hole(place, len)?);
        Ok(match sys::dedupe_range(&range(&source, &target, len)) {
            Ok(Deduped::Same(count)) => Taken::Bytes(count),
            Ok(Deduped::Differs) => Taken::Bytes(0),
            Err(errno) => Taken::Refused(errno),
        })
    })
}

/// What became of one call.
enum Taken {
    /// So many bytes.
    Bytes(u64),
    /// Some, and they fill the disk.
    Expensive,
    /// None.
    Refused(Errno),
}

/// Asks for more and more, until a call does less than it was asked for, or the next one would take
/// too long.
fn rising(sizes: &[u64], ask: impl Fn(u64) -> Result<Taken, Errno>) -> Result<Finding, Errno> {
    let mut most = 0;
    let mut speed = None;
    for &size in sizes {
        let expected = speed.map_or(Duration::ZERO, |(bytes, time)| scaled(time, size, bytes));
        if expected > PATIENCE {
            return Ok(Finding::at_least(most).with_note(format!(
                "{} not tried: would take {:.0} s",
                in_words(size),
                expected.as_secs_f64()
            )));
        }
        let begun = Instant::now();
        match ask(size) {
            Ok(Taken::Bytes(taken)) if taken < size => {
                return Ok(Finding::bytes(taken).with_note(format!("asked for {}", in_words(size))));
            }
            Ok(Taken::Bytes(_)) => most = size,
            Ok(Taken::Expensive) => {
                return Ok(Finding::unknown("not tried further: larger holes are filled"));
            }
            Ok(Taken::Refused(errno)) if most == 0 => {
                return Ok(Finding::unknown("not possible here").with_errno(errno));
            }
            Err(errno) if most == 0 => return Err(errno),
            Ok(Taken::Refused(errno)) | Err(errno) => {
                return Ok(Finding::at_least(most)
                    .with_note(format!("{} not possible here", in_words(size)))
                    .with_errno(errno));
            }
        }
        speed = Some((size, begun.elapsed()));
    }
    Ok(Finding::at_least(most).with_note("nothing larger was tried"))
}

/// How long `size` bytes take where `bytes` took `time`.
fn scaled(time: Duration, size: u64, bytes: u64) -> Duration {
    time.saturating_mul(u32::try_from(size.div_ceil(bytes.max(1))).unwrap_or(u32::MAX))
}

/// A file that is one hole. EOPNOTSUPP where it would take that much of the disk.
fn hole(place: &Directory, len: u64) -> Result<Temporary, Errno> {
    let file = place.file()?;
    file.set_size(HOLE)?;
    if file.allocated()? >= HOLE {
        return Err(Errno::EOPNOTSUPP);
    }
    file.set_size(len)?;
    Ok(file)
}

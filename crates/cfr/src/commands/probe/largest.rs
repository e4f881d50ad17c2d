//! The most that one call copies or dedupes. Tried on holes, which use no disk space; larger sizes
//! are not tried if they would take long.

use super::fact::{Answer, Finding, with_unit};
use super::temporary::{Directory, UnnamedFile};
use super::trials::{HOLE, keeps_holes, range};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Deduped};
use std::time::{Duration, Instant};

/// The longest that a single call may be expected to take.
const MAX_DURATION: Duration = Duration::from_secs(2);

/// The sizes of the copies: a small one to measure the speed, then one larger than the kernel
/// copies in one call, which is 0x7ffff000 if the filesystem has no copy operation.
const COPIES: [u64; 2] = [64 << 20, 3 << 30];

/// The sizes of the dedupes, which read both files: the last is larger than the kernel's limit
/// since 4.18, 1 GiB. (Before, btrfs had a limit of 16 MiB.)
const DEDUPES: [u64; 4] = [16 << 20, 64 << 20, 256 << 20, 1025 << 20];

/// Returns the most bytes that one copy_file_range copies.
pub(super) fn copy(directory: &Directory) -> Result<Finding, Errno> {
    match keeps_holes(directory)? {
        Finding { value: Answer::Yes, .. } => {}
        Finding { value: Answer::No, .. } => {
            return Ok(Finding::unknown("not tried: it would write 2 GiB"));
        }
        unknown => return Ok(unknown),
    }
    try_sizes(&COPIES, |len| {
        let (source, target) = (hole(directory, len)?, directory.file()?);
        Ok(match sys::copy_range(&range(&source, &target, len)) {
            Ok(_) if target.allocated()? >= HOLE => CallResult::Expensive,
            Ok(copied) => CallResult::Bytes(copied as u64),
            Err(errno) => CallResult::Refused(errno),
        })
    })
}

/// Returns the most bytes that one FIDEDUPERANGE shares.
pub(super) fn dedupe(directory: &Directory) -> Result<Finding, Errno> {
    try_sizes(&DEDUPES, |len| {
        let (source, target) = (hole(directory, len)?, hole(directory, len)?);
        Ok(match sys::dedupe_range(&range(&source, &target, len)) {
            Ok(Deduped::Same(count)) => CallResult::Bytes(count),
            Ok(Deduped::Differs) => CallResult::Bytes(0),
            Err(errno) => CallResult::Refused(errno),
        })
    })
}

/// The result of one call.
enum CallResult {
    Bytes(u64),
    /// It copied, and the copy uses disk space.
    Expensive,
    Refused(Errno),
}

/// Tries the sizes in order, until a call returns less than was requested or the next one would
/// take too long.
fn try_sizes(
    sizes: &[u64],
    attempt: impl Fn(u64) -> Result<CallResult, Errno>,
) -> Result<Finding, Errno> {
    let mut most = 0;
    let mut speed = None;
    for &size in sizes {
        let expected = speed.map_or(Duration::ZERO, |(bytes, time)| scaled(time, size, bytes));
        if expected > MAX_DURATION {
            return Ok(Finding::at_least(most).with_note(format!(
                "{} was not tried: it would take {:.0} s",
                with_unit(size),
                expected.as_secs_f64()
            )));
        }
        let begun = Instant::now();
        match attempt(size) {
            Ok(CallResult::Bytes(taken)) if taken < size => {
                return Ok(
                    Finding::bytes(taken).with_note(format!("asked for {}", with_unit(size)))
                );
            }
            Ok(CallResult::Bytes(_)) => most = size,
            Ok(CallResult::Expensive) => {
                return Ok(Finding::unknown("larger sizes were not tried: holes are filled"));
            }
            Ok(CallResult::Refused(errno)) if most == 0 => {
                return Ok(Finding::unknown("not possible here").with_errno(errno));
            }
            Err(errno) if most == 0 => return Err(errno),
            Ok(CallResult::Refused(errno)) | Err(errno) => {
                return Ok(Finding::at_least(most)
                    .with_note(format!("{} is not possible here", with_unit(size)))
                    .with_errno(errno));
            }
        }
        speed = Some((size, begun.elapsed()));
    }
    Ok(Finding::at_least(most).with_note("nothing larger was tried"))
}

/// Returns how long `size` bytes take if `bytes` took `time`.
fn scaled(time: Duration, size: u64, bytes: u64) -> Duration {
    time.saturating_mul(u32::try_from(size.div_ceil(bytes.max(1))).unwrap_or(u32::MAX))
}

/// Creates a file that is one hole. EOPNOTSUPP if it would use disk space.
fn hole(directory: &Directory, len: u64) -> Result<UnnamedFile, Errno> {
    let file = directory.file()?;
    file.set_size(HOLE)?;
    if file.allocated()? >= HOLE {
        return Err(Errno::EOPNOTSUPP);
    }
    file.set_size(len)?;
    Ok(file)
}

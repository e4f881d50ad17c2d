//! The parsers of values that are not one word of a list.

use super::words::{SWITCH, choose};
use super::{PATH_MAX, Reason, SummaryTarget, template};
use crate::inject::Faults;
use cfr_sys::errno::{Errno, ErrnoSet};

/// Parses the path of a file: no zero byte, and at most `PATH_MAX` - 1 bytes.
pub(super) fn path(value: &[u8]) -> Result<&[u8], Reason> {
    match value.len() {
        PATH_MAX.. => Err(Reason::TooLong),
        _ if value.contains(&0) => Err(Reason::Unexpected),
        _ => Ok(value),
    }
}

/// Parses a template of a path.
pub(super) fn path_template(value: &[u8]) -> Result<&[u8], Reason> {
    let value = path(value)?;
    let is_template = template::parts(value).all(|part| part.is_ok());
    if is_template { Ok(value) } else { Err(Reason::Unexpected) }
}

/// Parses `yes`, `no` or a template of a path. `YES` is a mistake rather than the name of a file.
pub(super) fn summary(value: &[u8]) -> Result<SummaryTarget<'_>, Reason> {
    match choose(&SWITCH, value) {
        Some(true) => Ok(SummaryTarget::Yes),
        Some(false) => Ok(SummaryTarget::No),
        None if SWITCH.iter().any(|(word, _)| value.eq_ignore_ascii_case(word.as_bytes())) => {
            Err(Reason::Unexpected)
        }
        None => path_template(value).map(SummaryTarget::File),
    }
}

/// Parses errno names separated by commas, or `none`.
pub(super) fn fallback(value: &[u8]) -> Option<ErrnoSet> {
    if value == b"none" {
        return Some(ErrnoSet::NONE);
    }
    let mut names = value.split(|&byte| byte == b',');
    names.try_fold(ErrnoSet::NONE, |set, name| Some(set.with(Errno::by_name(name)?)))
}

/// Parses faults, in a text that fits where the library keeps it.
///
/// # Errors
///
/// Returns the part of the value that is wrong, and the reason.
pub(super) fn faults<'a>(
    place: &mut Option<Faults<'a>>,
    value: &'a [u8],
) -> Result<(), (&'a [u8], Reason)> {
    if value.len() >= PATH_MAX {
        return Err((value, Reason::TooLong));
    }
    Faults::parse_into(place, value).map_err(|error| (error.word, Reason::from(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_fit_with_its_zero_byte() {
        let long = [b'a'; PATH_MAX];
        assert!(matches!(path(&long), Err(Reason::TooLong)));
        assert!(matches!(path_template(&long), Err(Reason::TooLong)));
        assert!(path(&long[1..]).is_ok());
        assert!(matches!(path(b"a\0b"), Err(Reason::Unexpected)));
        assert!(matches!(faults(&mut None, &long), Err((_, Reason::TooLong))));
    }
}

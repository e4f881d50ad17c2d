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

/// Parses a cookie: a decimal number, or a hexadecimal one after `0x`. In the calls of other code the
/// upper half of a register is 0 or has the sign of the lower half, so neither can be a cookie.
pub(super) fn cookie(value: &[u8]) -> Option<u32> {
    let text = str::from_utf8(value).ok()?;
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    // A sign is not accepted.
    digits.starts_with(|first: char| first.is_ascii_hexdigit()).then_some(())?;
    u32::from_str_radix(digits, radix).ok().filter(|&number| number != 0 && number != u32::MAX)
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

    #[test]
    fn a_cookie_is_a_number_whose_bits_are_not_all_equal() {
        for (value, number) in [
            ("1", 1),
            ("4294967294", u32::MAX - 1),
            ("0x1", 1),
            ("0xFffffffe", u32::MAX - 1),
            ("0x00c0ffee", 0xc0_ffee),
        ] {
            assert_eq!(cookie(value.as_bytes()), Some(number), "{value}");
        }
        for value in [
            "", "0", "0x0", "4294967295", "0xffffffff", "4294967296", "0x", "+1", "-1", "0x+1",
            " 1", "1 ", "c0", "0X1", "1.0",
        ] {
            assert_eq!(cookie(value.as_bytes()), None, "{value}");
        }
        assert_eq!(cookie(b"\xff"), None);
    }
}

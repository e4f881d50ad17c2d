//! The words of the settings' values, and their parsers.

use super::{PATH_MAX, Reason, SummaryTarget, template};
use crate::inject::Faults;
use cfr_engine::dialect::{self, Dialect};
use cfr_engine::flags::{COPY_FR_DEDUPE, Flags};
use cfr_sys::errno::{Errno, ErrnoSet};

/// The words of a switch.
pub(super) const SWITCH: [(&str, bool); 2] = [("yes", true), ("no", false)];

/// Returns the names and aliases of the dialects.
pub(super) fn dialects() -> impl Iterator<Item = (&'static str, &'static Dialect)> {
    dialect::ALL.into_iter().flat_map(|dialect| {
        [Some(dialect.name), dialect.alias].into_iter().flatten().map(move |name| (name, dialect))
    })
}

/// Returns the words for flags: 0, or one flag by its name.
pub(super) fn flags() -> impl Iterator<Item = (&'static str, Flags)> {
    let named = Flags::NAMED.into_iter().map(|(flag, name)| (name, Flags(flag)));
    [("0", Flags::default())]
        .into_iter()
        .chain(named)
        .chain([("COPY_FR_DEDUPE", Flags(COPY_FR_DEDUPE))])
}

/// Returns the word at `index` of a table of words and their meanings.
pub(super) fn word<T>(
    table: impl IntoIterator<Item = (&'static str, T)>,
    index: usize,
) -> Option<&'static str> {
    table.into_iter().nth(index).map(|(word, _)| word)
}

/// Returns the meaning of a word.
pub(super) fn choose<T>(
    table: impl IntoIterator<Item = (&'static str, T)>,
    value: &[u8],
) -> Option<T> {
    table.into_iter().find(|(word, _)| word.as_bytes() == value).map(|(_, meaning)| meaning)
}

/// Parses the path of a file: no zero byte, and at most `PATH_MAX` - 1 bytes.
pub(super) fn path(value: &[u8]) -> Option<&[u8]> {
    (value.len() < PATH_MAX && !value.contains(&0)).then_some(value)
}

/// Parses a template of a path.
pub(super) fn path_template(value: &[u8]) -> Option<&[u8]> {
    template::parts(value).all(|part| part.is_ok()).then(|| path(value))?
}

/// Parses `yes`, `no` or a template of a path.
pub(super) fn summary(value: &[u8]) -> Option<SummaryTarget<'_>> {
    match choose(SWITCH, value) {
        Some(true) => Some(SummaryTarget::Yes),
        Some(false) => Some(SummaryTarget::No),
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
pub(super) fn faults(value: &[u8]) -> Result<Faults<'_>, (&[u8], Reason)> {
    if value.len() >= PATH_MAX {
        return Err((value, Reason::TooLong));
    }
    Faults::parse(value).map_err(|error| (error.word, Reason::from(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_fit_with_its_zero_byte() {
        let long = [b'a'; PATH_MAX];
        assert!(path(&long).is_none());
        assert!(path(&long[1..]).is_some());
        assert!(path(b"a\0b").is_none());
        assert!(matches!(faults(&long), Err((_, Reason::TooLong))));
    }
}

//! Templates of file names: `CFR_LOG_FILE`, `CFR_SUMMARY`.

/// A part of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    /// Text that stands for itself.
    Literal(&'a [u8]),
    /// Text that each process fills in.
    Placeholder(Placeholder),
}

/// What each process replaces by a text of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placeholder {
    /// `%p`: the process ID.
    Pid,
    /// `%e`: the program's name.
    Program,
    /// `%%`: a percent sign.
    Percent,
}

/// Splits a template into literal text and placeholders; an error is the byte after a `%` that
/// begins no placeholder.
///
/// ```
/// use cfr_shared::settings::template::{Part, Placeholder, parts};
///
/// let parts: Result<Vec<_>, u8> = parts(b"log-%p").collect();
/// let expected = [Part::Literal(b"log-"), Part::Placeholder(Placeholder::Pid)];
/// assert_eq!(parts, Ok(expected.into()));
/// ```
pub fn parts(template: &[u8]) -> impl Iterator<Item = Result<Part<'_>, u8>> {
    let mut rest = template;
    core::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        if first != b'%' {
            let end = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            let (literal, tail) = rest.split_at(end);
            rest = tail;
            return Some(Ok(Part::Literal(literal)));
        }
        let (letter, tail) =
            tail.split_first().map_or((b' ', tail), |(&letter, tail)| (letter, tail));
        rest = tail;
        Some(match letter {
            b'p' => Ok(Part::Placeholder(Placeholder::Pid)),
            b'e' => Ok(Part::Placeholder(Placeholder::Program)),
            b'%' => Ok(Part::Placeholder(Placeholder::Percent)),
            other => Err(other),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_template_is_split_at_its_placeholders() {
        let split = |text: &'static str| parts(text.as_bytes()).collect::<Result<Vec<_>, _>>();
        assert_eq!(
            split("/l/%e.%p%%x").unwrap(),
            [
                Part::Literal(b"/l/"),
                Part::Placeholder(Placeholder::Program),
                Part::Literal(b"."),
                Part::Placeholder(Placeholder::Pid),
                Part::Placeholder(Placeholder::Percent),
                Part::Literal(b"x"),
            ]
        );
        assert_eq!(split("a%q"), Err(b'q'));
        assert_eq!(split("a%"), Err(b' '));
    }
}

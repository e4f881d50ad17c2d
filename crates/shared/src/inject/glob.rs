//! Patterns of paths.

/// What the kernel adds to the name of a deleted file in /proc (proc_pid_fd(5)).
const DELETED: &[u8] = b" (deleted)";

/// Returns the path without the mark of a deleted file.
pub(super) fn without_mark(path: &[u8]) -> &[u8] {
    path.strip_suffix(DELETED).unwrap_or(path)
}

/// Reports whether the path of a file matches `pattern`, with or without the mark of a deleted file. A
/// pattern with a slash is compared with the
/// whole path, and a star matches slashes too, as in find(1)'s `-path`; a pattern without a slash is
/// compared with the file's name, as in `-name`. `?` matches any byte, `[a-z]` a byte of the set,
/// `[!a-z]` a byte outside it, and a backslash makes the next byte literal.
#[must_use]
pub fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let is_of = |path: &[u8]| {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        is_match(pattern, if pattern.contains(&b'/') { path } else { name })
    };
    is_of(path) || path.ends_with(DELETED) && is_of(without_mark(path))
}

/// Reports whether a pattern with a slash can match a path that begins with one.
pub(super) fn is_absolute(pattern: &[u8]) -> bool {
    first_token(pattern).is_none_or(|(token, _)| pattern.starts_with(b"*") || token.matches(b'/'))
}

/// Reports whether a text matches `pattern`, in which a star matches any bytes.
#[must_use]
pub fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // The pattern after the last star, and the text that this star has not covered yet. Earlier
    // stars never need another try: that keeps the time quadratic.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix(b"*") {
            retry = Some((rest, text));
            pattern = rest;
            continue;
        }
        let tail = match (first_token(pattern), text.split_first()) {
            (None, None) => return true,
            (Some((token, rest)), Some((&byte, tail))) if token.matches(byte) => Some((rest, tail)),
            _ => None,
        };
        (pattern, text) = match (tail, retry) {
            (Some(both), _) => both,
            (None, Some((rest, covered))) => {
                let Some((_, tail)) = covered.split_first() else { return false };
                retry = Some((rest, tail));
                (rest, tail)
            }
            (None, None) => return false,
        };
    }
}

/// A part of a pattern that matches one byte.
enum Token<'a> {
    Any,
    Literal(u8),
    Set { set: &'a [u8], inverted: bool },
}

/// Splits the first token off a pattern.
fn first_token(pattern: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (&first, rest) = pattern.split_first()?;
    Some(match first {
        b'?' => (Token::Any, rest),
        b'\\' => rest
            .split_first()
            .map_or((Token::Literal(b'\\'), rest), |(&byte, rest)| (Token::Literal(byte), rest)),
        b'[' => set(rest).unwrap_or((Token::Literal(b'['), rest)),
        byte => (Token::Literal(byte), rest),
    })
}

/// Parses a set after its `[`; `None` if no `]` ends it. A `]` at its beginning is a member.
fn set(rest: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (inverted, rest) = match rest.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, rest),
    };
    let end = 1 + rest.get(1..)?.iter().position(|&byte| byte == b']')?;
    Some((Token::Set { set: rest.get(..end)?, inverted }, rest.get(end + 1..)?))
}

impl Token<'_> {
    fn matches(&self, byte: u8) -> bool {
        match *self {
            Token::Any => true,
            Token::Literal(literal) => literal == byte,
            Token::Set { set, inverted } => set_contains(set, byte) != inverted,
        }
    }
}

fn set_contains(set: &[u8], byte: u8) -> bool {
    let mut rest = set;
    loop {
        rest = match *rest {
            [] => return false,
            [low, b'-', high, ref tail @ ..] => {
                if (low..=high).contains(&byte) {
                    return true;
                }
                tail
            }
            [member, ref tail @ ..] => {
                if member == byte {
                    return true;
                }
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("*", "/a/b", true),
            ("*.db", "/var/lib/x.db", true),
            ("*.db", "/var/lib/x.db-wal", false),
            ("b", "/a/b", true),
            ("a", "/a/b", false),
            ("/a/b", "/a/b", true),
            ("/a", "/a/b", false),
            ("/a/*", "/a/b/c", true),
            ("*/b/*", "/a/b/c", true),
            ("/a*c*e", "/abcde", true),
            ("/a*c*e", "/abcdef", false),
            ("?", "/x", true),
            ("??", "/x", false),
            ("[a-c]1", "/b1", true),
            ("[!a-c]1", "/b1", false),
            ("[^a-c]1", "/d1", true),
            ("[]x]", "/]", true),
            ("[x-]", "/-", true),
            ("[", "/[", true),
            ("[a", "/[a", true),
            ("a\\*", "/a*", true),
            ("a\\*", "/ab", false),
            ("a\\:b", "/a:b", true),
            ("\\", "/\\", true),
            ("", "/", true),
            ("*", "", true),
            ("?*", "", false),
            ("*.db", "/x/a.db (deleted)", true),
            ("/x/a.db", "/x/a.db (deleted)", true),
            ("*(deleted)", "/x/a.db (deleted)", true),
            ("memfd:a", "/memfd:a (deleted)", true),
            ("*.db", "/x/a.db (delete)", false),
            ("", "/a", false),
            ("**a**", "/xax", true),
            ("*a*a*a*a*b", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let path = [b'a'; 4096];
        assert!(!matches(b"/*a*a*a*a*a*a*a*a*a*a*a*a*b", &path));
    }
}

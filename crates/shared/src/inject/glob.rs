//! Patterns of paths.

/// Whether the path of a file matches `pattern`: the whole path, and a star crosses slashes, as for
/// find(1)'s `-path`; of a pattern without a slash the file's name, as for `-name`. `?` is any byte,
/// `[a-z]` one of these and `[!a-z]` none of them, and a backslash takes a special byte for itself.
#[must_use]
pub(super) fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    is_match(pattern, if pattern.contains(&b'/') { path } else { name })
}

fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Behind the latest star, and what that star does not cover yet: whatever comes before is settled.
    let mut latest: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix(b"*") {
            latest = Some((rest, text));
            pattern = rest;
            continue;
        }
        let tail = match (one(pattern), text.split_first()) {
            (None, None) => return true,
            (Some((place, rest)), Some((&byte, tail))) if place.takes(byte) => Some((rest, tail)),
            _ => None,
        };
        (pattern, text) = match (tail, latest) {
            (Some(both), _) => both,
            (None, Some((rest, covered))) => {
                let Some((_, tail)) = covered.split_first() else { return false };
                latest = Some((rest, tail));
                (rest, tail)
            }
            (None, None) => return false,
        };
    }
}

/// What stands for one byte.
enum Place<'a> {
    Any,
    This(u8),
    OneOf { set: &'a [u8], inverted: bool },
}

/// The pattern's first place and its rest.
fn one(pattern: &[u8]) -> Option<(Place<'_>, &[u8])> {
    let (&first, rest) = pattern.split_first()?;
    Some(match first {
        b'?' => (Place::Any, rest),
        b'\\' => rest
            .split_first()
            .map_or((Place::This(b'\\'), rest), |(&byte, rest)| (Place::This(byte), rest)),
        b'[' => set(rest).unwrap_or((Place::This(b'['), rest)),
        byte => (Place::This(byte), rest),
    })
}

/// What stands behind a `[`; `None` where no `]` ends it. One that stands first is in the set.
fn set(rest: &[u8]) -> Option<(Place<'_>, &[u8])> {
    let (inverted, rest) = match rest.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, rest),
    };
    let end = 1 + rest.get(1..)?.iter().position(|&byte| byte == b']')?;
    Some((Place::OneOf { set: rest.get(..end)?, inverted }, rest.get(end + 1..)?))
}

impl Place<'_> {
    fn takes(&self, byte: u8) -> bool {
        match *self {
            Place::Any => true,
            Place::This(this) => this == byte,
            Place::OneOf { set, inverted } => holds(set, byte) != inverted,
        }
    }
}

fn holds(set: &[u8], byte: u8) -> bool {
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
            [one, ref tail @ ..] => {
                if one == byte {
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
            ("", "/a", false),
            ("**a**", "/xax", true),
            ("*a*a*a*a*b", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn stars_take_no_exponential_time() {
        let path = [b'a'; 4096];
        assert!(!matches(b"/*a*a*a*a*a*a*a*a*a*a*a*a*b", &path));
    }
}

//! Names from a log, as reports show them.

use crate::term::failure::printable;
use cfr_shared::line::MAX_ESCAPED_PATH;

/// Makes a name from the log printable. A byte that is not UTF-8 is U+0000 and two digits there.
pub(super) fn name(text: &str) -> String {
    printable(text.replace('\0', "\\x"))
}

/// Does the same with a path that may be unknown, and marks one that was cut.
pub(super) fn path(text: Option<&str>) -> String {
    let mut shown = known(text);
    if text.is_some_and(is_cut) {
        shown.push_str(" (cut in the log: one file or several)");
    }
    shown
}

/// Does the same with a name that may be unknown.
pub(super) fn known(text: Option<&str>) -> String {
    text.map_or_else(|| "?".to_owned(), name)
}

/// Reports whether the library has cut the end of this path, so that other files can have it too. A path
/// that ends in dots itself and is as long counts too.
pub(super) fn is_cut(path: &str) -> bool {
    // The most bytes of one character in a line.
    const WIDEST: usize = 16;
    let escaped = |character: char| match character {
        '"' | '\\' => 2,
        ' '..='~' => 1,
        character => (4 * character.len_utf8()).max(6),
    };
    let kept = path.strip_suffix("...");
    kept.is_some_and(|kept| kept.chars().map(escaped).sum::<usize>() > MAX_ESCAPED_PATH - WIDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_if_it_is_long_and_ends_in_dots() {
        for (kept, is_long) in [
            ("x".repeat(MAX_ESCAPED_PATH), true),
            ("x".repeat(MAX_ESCAPED_PATH - 8), true),
            ("x".repeat(MAX_ESCAPED_PATH - 100), false),
            ("\n".repeat(MAX_ESCAPED_PATH / 2), true),
            // As text, and as JSON.
            ("\u{e9}".repeat(MAX_ESCAPED_PATH / 8), true),
            ("\0ff".repeat(MAX_ESCAPED_PATH / 8), true),
            ("/a/b".to_owned(), false),
        ] {
            assert_eq!(is_cut(&format!("{kept}...")), is_long, "{kept}");
            assert!(!is_cut(&kept), "{kept}");
        }
    }
}

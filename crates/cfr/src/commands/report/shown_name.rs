//! Names from a log, as reports show them.

use crate::term::failure::printable;

/// Makes a name from the log printable. A byte that is not UTF-8 is U+0000 and two digits there.
pub(super) fn name(text: &str) -> String {
    printable(text.replace('\0', "\\x"))
}

/// Does the same with a name that may be unknown.
pub(super) fn known(text: Option<&str>) -> String {
    text.map_or_else(|| "?".to_owned(), name)
}

//! Programs that start others, and how they hide them from the library.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const OTHER_USER: &str = "starts programs as another user, which may get no libcfr.so and cannot open the shared counters";
const OTHER_NAMESPACE: &str = "starts programs in another namespace or root, which may have no libcfr.so or no shared counters";
const CLEANED: &str = "starts its program without LD_PRELOAD";

/// Such programs, by the name of their file. env(1) is one only with some options.
const STARTERS: [(&str, &str); 11] = [
    ("su", OTHER_USER),
    ("runuser", OTHER_USER),
    ("setpriv", OTHER_USER),
    ("sudo", OTHER_USER),
    ("doas", OTHER_USER),
    ("pkexec", OTHER_USER),
    ("chroot", OTHER_NAMESPACE),
    ("unshare", OTHER_NAMESPACE),
    ("nsenter", OTHER_NAMESPACE),
    ("bwrap", OTHER_NAMESPACE),
    ("systemd-nspawn", OTHER_NAMESPACE),
];

/// Returns how a program with its arguments hides what it starts; `None` if it is not known to. The
/// program itself is the subject of the sentence.
pub(crate) fn hides(command: &[OsString]) -> Option<&'static str> {
    let (program, arguments) = command.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    if name == "env" {
        return cleans(arguments).then_some(CLEANED);
    }
    STARTERS.into_iter().find_map(|(one, how)| (one == name).then_some(how))
}

/// Reports whether env(1) with these arguments removes LD_PRELOAD, or sets another one.
fn cleans(arguments: &[OsString]) -> bool {
    const VARIABLE: &[u8] = b"LD_PRELOAD";
    let words = arguments.iter().map(|word| OsStr::as_bytes(word));
    let mut own = words
        .take_while(|word| word.starts_with(b"-") || word.contains(&b'=') || *word == VARIABLE);
    own.any(|word| {
        matches!(word, b"-" | b"-i" | b"--ignore-environment")
            || word.windows(VARIABLE.len()).any(|part| part == VARIABLE)
    })
}

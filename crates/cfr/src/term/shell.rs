//! Command lines that a shell can read.

use crate::term::failure::is_control;
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// Joins words with spaces, quoted if necessary. Control characters and bytes that are not UTF-8
/// are escaped in the quotes of bash, zsh and POSIX.1-2024: `$'\033'`.
pub(crate) fn line<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    match word.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        Some(text) if !text.chars().any(is_control) => single_quoted(text),
        _ => escaped(word.as_bytes()),
    }
}

/// Encloses text in single quotes, which every shell reads.
pub(crate) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_@%+=:,./-".contains(character)
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::from("$'");
    for &byte in bytes {
        match byte {
            b'\'' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            // Always three digits, because a digit may follow. Writing into a String cannot fail.
            _ => drop(write!(text, "\\{byte:03o}")),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_the_same_words() {
        let words: [&[u8]; 9] = [
            b"cp",
            b"",
            b"a b",
            b"it's",
            b"$HOME `x` \"y\" \\",
            b"\x1b[2J\n7",
            b"\xff'\\",
            "\u{202e}ä".as_bytes(),
            b"short=50%:when=1",
        ];
        let line = line(words.map(OsStr::from_bytes));
        assert!(!line.chars().any(is_control), "{line}");
        let Ok(shell) =
            Command::new("bash").args(["-c", &format!("printf '%s\\0' {line}")]).output()
        else {
            return;
        };
        let read: Vec<_> = shell.stdout.split(|&byte| byte == 0).collect();
        assert_eq!(read[..words.len()], words);
    }
}

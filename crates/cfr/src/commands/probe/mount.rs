//! The mount of a directory, from /proc/self/mountinfo (proc_pid_mountinfo(5)).

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A line of mountinfo.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The filesystem type, e.g. `ext4`.
    pub(super) kind: OsString,
    pub(super) point: OsString,
    /// The device as `major:minor`. One filesystem has one, even if its subvolumes have devices of
    /// their own.
    pub(super) device: OsString,
}

/// Returns the mount of a descriptor. `None` without /proc.
pub(super) fn of(handle: impl AsFd) -> Option<Mount> {
    let fd = handle.as_fd().as_raw_fd();
    let about = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let id = about.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    table.split(|&byte| byte == b'\n').find_map(|line| parsed(line, id.as_bytes()))
}

/// Parses a line; `None` if it is of another mount than `id`.
fn parsed(line: &[u8], id: &[u8]) -> Option<Mount> {
    let mut words = line.split(|&byte| byte == b' ');
    if words.next()? != id {
        return None;
    }
    let (_parent, device, _root, point) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    // Options and any number of optional fields come before a dash.
    words.find(|word| *word == b"-")?;
    Some(Mount {
        kind: unescaped(words.next()?),
        point: unescaped(point),
        device: OsStr::from_bytes(device).to_owned(),
    })
}

/// Decodes white space and backslashes, which are written as a backslash and three octal digits.
fn unescaped(word: &[u8]) -> OsString {
    let mut text = Vec::new();
    let mut rest = word;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.first_chunk::<3>().filter(|_| byte == b'\\');
        let value =
            digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        text.push(value.unwrap_or(byte));
        rest = if value.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    OsString::from_vec(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line =
            b"36 35 98:0 /mnt1 /a\\040b\\134 rw,noatime master:1 shared:7 - ext3 /dev/root rw";
        let mount = Mount { kind: "ext3".into(), point: "/a b\\".into(), device: "98:0".into() };
        assert_eq!(parsed(line, b"36"), Some(mount));
        assert_eq!(parsed(line, b"3"), None);
        assert_eq!(parsed(b"36 35", b"36"), None);
        assert_eq!(unescaped(b"a\\9b\\"), "a\\9b\\");
    }
}

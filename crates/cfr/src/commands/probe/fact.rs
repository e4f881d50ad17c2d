//! What is known when something was tried: the one shape of every line of the report.

use cfr_sys::errno::Errno;
use std::ffi::OsString;

/// One thing that was found out.
#[derive(Debug)]
pub(super) struct Fact {
    /// Its name in JSON: does not change.
    pub(super) key: &'static str,
    /// Its name for human eyes.
    pub(super) label: &'static str,
    /// What it is.
    pub(super) finding: Finding,
}

/// What came of trying.
#[derive(Debug)]
pub(super) struct Finding {
    /// The answer.
    pub(super) value: Value,
    /// What the kernel refused it with.
    pub(super) errno: Option<Errno>,
    /// A line about it, where the answer alone would puzzle.
    pub(super) note: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// It works.
    Yes,
    /// It does not.
    No,
    /// Nobody knows: it was not tried, or the trial told nothing.
    Unknown,
    /// A number of bytes.
    Bytes(u64),
    /// At least so many bytes: nothing larger was tried.
    AtLeast(u64),
    /// A name.
    Name(OsString),
}

impl Finding {
    fn plain(value: Value) -> Finding {
        Finding { value, errno: None, note: None }
    }

    /// It works.
    pub(super) fn yes() -> Finding {
        Finding::plain(Value::Yes)
    }

    /// It does not, and no error said so.
    pub(super) fn no() -> Finding {
        Finding::plain(Value::No)
    }

    /// The kernel refused it.
    pub(super) fn refused(errno: Errno) -> Finding {
        Finding { errno: Some(errno), ..Finding::plain(Value::No) }
    }

    /// Nobody knows, and why.
    pub(super) fn unknown(note: impl Into<String>) -> Finding {
        Finding::plain(Value::Unknown).with_note(note)
    }

    /// It could not be tried: what was needed for it failed.
    pub(super) fn untried(errno: Errno) -> Finding {
        Finding::unknown("could not be tried").with_errno(errno)
    }

    /// So many bytes.
    pub(super) fn bytes(count: u64) -> Finding {
        Finding::plain(Value::Bytes(count))
    }

    /// So many bytes or more.
    pub(super) fn at_least(count: u64) -> Finding {
        Finding::plain(Value::AtLeast(count))
    }

    /// A name.
    pub(super) fn name(name: impl Into<OsString>) -> Finding {
        Finding::plain(Value::Name(name.into()))
    }

    /// With a line about it.
    pub(super) fn with_note(self, note: impl Into<String>) -> Finding {
        Finding { note: Some(note.into()), ..self }
    }

    /// With the error that stood in the way.
    pub(super) fn with_errno(self, errno: Errno) -> Finding {
        Finding { errno: Some(errno), ..self }
    }
}

/// A number of bytes in words: `1 GiB`, `64 KiB`, else the plain number.
pub(super) fn in_words(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = |unit: &&(u64, _)| bytes >= unit.0 && bytes.is_multiple_of(unit.0);
    match units.iter().find(fits) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

/// An error of the system as a number, EIO where it has none.
pub(super) fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_put_in_words() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (512, "512 bytes"),
            (4096, "4 KiB"),
            (3 << 29, "1536 MiB"),
            (1 << 30, "1 GiB"),
            (0x7fff_f000, "2097148 KiB"),
        ] {
            assert_eq!(in_words(bytes), words);
        }
    }
}

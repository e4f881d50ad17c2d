//! A fact: one line of the report, with the result of a trial.

use cfr_sys::errno::Errno;
use std::ffi::OsString;

/// A line of the report.
#[derive(Debug)]
pub(super) struct Fact {
    /// Its name in JSON, which does not change.
    pub(super) key: &'static str,
    /// Its name in the text.
    pub(super) label: &'static str,
    pub(super) finding: Finding,
}

/// The result of a trial.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) value: Answer,
    /// The error that the kernel returned.
    pub(super) errno: Option<Errno>,
    /// A remark, if the answer alone could be misunderstood.
    pub(super) note: Option<String>,
}

/// The answer of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// It was not tried, or the trial showed nothing.
    Unknown,
    Bytes(u64),
    /// At least this many bytes: nothing larger was tried.
    AtLeast(u64),
    Name(OsString),
}

impl Finding {
    fn new(value: Answer) -> Finding {
        Finding { value, errno: None, note: None }
    }

    pub(super) fn yes() -> Finding {
        Finding::new(Answer::Yes)
    }

    pub(super) fn no() -> Finding {
        Finding::new(Answer::No)
    }

    /// The answer no, because the kernel returned this error.
    pub(super) fn refused(errno: Errno) -> Finding {
        Finding { errno: Some(errno), ..Finding::new(Answer::No) }
    }

    pub(super) fn unknown(note: impl Into<String>) -> Finding {
        Finding::new(Answer::Unknown).with_note(note)
    }

    /// The answer unknown, because the preparation of the trial failed.
    pub(super) fn untried(errno: Errno) -> Finding {
        Finding::unknown("could not be tried").with_errno(errno)
    }

    pub(super) fn bytes(count: u64) -> Finding {
        Finding::new(Answer::Bytes(count))
    }

    pub(super) fn at_least(count: u64) -> Finding {
        Finding::new(Answer::AtLeast(count))
    }

    pub(super) fn name(name: impl Into<OsString>) -> Finding {
        Finding::new(Answer::Name(name.into()))
    }

    pub(super) fn with_note(self, note: impl Into<String>) -> Finding {
        Finding { note: Some(note.into()), ..self }
    }

    pub(super) fn with_errno(self, errno: Errno) -> Finding {
        Finding { errno: Some(errno), ..self }
    }
}

/// Formats a number of bytes as `1 GiB` or `64 KiB` if it is a multiple of the unit.
pub(super) fn with_unit(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = |unit: &&(u64, _)| bytes >= unit.0 && bytes.is_multiple_of(unit.0);
    match units.iter().find(fits) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

/// Returns the error's number, EIO if it has none.
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
            assert_eq!(with_unit(bytes), words);
        }
    }
}

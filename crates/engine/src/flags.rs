//! The `flags` argument and the names that were ever given to its bits.

/// Copy all data of the range, and share no block. The 2015 proposal; the value is this project's.
pub const COPY_FR_COPY: u32 = 1;
/// Share the data, or fail. The 2015 proposal; the value is this project's.
pub const COPY_FR_REFLINK: u32 = 2;
/// Share the data if both ranges are identical. The 2015 proposal; the value is this project's.
pub const COPY_FR_DEDUP: u32 = 4;
/// The name that a review of the proposal gave to COPY_FR_DEDUP.
pub const COPY_FR_DEDUPE: u32 = 4;
/// Share the data, or fail, in the dialect freebsd-15 only. FreeBSD 15, `<sys/unistd.h>`.
pub const COPY_FILE_RANGE_CLONE: u32 = 0x0080_0000;

/// The `flags` of a call, as they came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// Every named bit, lowest first.
    pub const NAMED: [(u32, &'static str); 4] = [
        (COPY_FR_COPY, "COPY_FR_COPY"),
        (COPY_FR_REFLINK, "COPY_FR_REFLINK"),
        (COPY_FR_DEDUP, "COPY_FR_DEDUP"),
        (COPY_FILE_RANGE_CLONE, "COPY_FILE_RANGE_CLONE"),
    ];

    /// The names of the named bits that are set, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(flag, _)| self.0 & flag != 0).map(|(_, name)| name)
    }

    /// The bits that have no name.
    #[must_use]
    pub fn unnamed(self) -> u32 {
        Self::NAMED.iter().fold(self.0, |rest, (flag, _)| rest & !flag)
    }
}

/// How a call wants its bytes moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// `flags` is 0: shared where that can be had at no cost, else copied.
    Any,
    /// `COPY_FR_COPY`: copied, no block is shared.
    Copy,
    /// `COPY_FR_REFLINK`: shared, or not at all.
    Reflink,
    /// `COPY_FR_DEDUP`: shared if the ranges are identical, or not at all.
    Dedupe,
    /// `COPY_FILE_RANGE_CLONE`: shared, or not at all, in FreeBSD's words.
    Clone,
}

impl Flags {
    /// What these flags ask for; `None` where they are not 0 and not one flag that has a meaning.
    #[must_use]
    pub fn mode(self) -> Option<Mode> {
        Some(match self.0 {
            0 => Mode::Any,
            COPY_FR_COPY => Mode::Copy,
            COPY_FR_REFLINK => Mode::Reflink,
            COPY_FR_DEDUP => Mode::Dedupe,
            COPY_FILE_RANGE_CLONE => Mode::Clone,
            _ => return None,
        })
    }
}

impl Mode {
    /// The name of its flag; `None` where it has none.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let mut named = Flags::NAMED.into_iter();
        named.find(|(flag, _)| Flags(*flag).mode() == Some(self)).map(|(_, name)| name)
    }
}

//! The `flags` argument, and the names of its bits in the 2015 proposal and in FreeBSD 15.

/// Copy all data and share no block. From the 2015 proposal, which gave no value; this one is the
/// project's.
pub const COPY_FR_COPY: u32 = 1;
/// Share the blocks or fail. From the 2015 proposal; the value is the project's.
pub const COPY_FR_REFLINK: u32 = 2;
/// Share the blocks if both ranges are identical, or fail. From the 2015 proposal; the value is the
/// project's.
pub const COPY_FR_DEDUP: u32 = 4;
/// Another name of COPY_FR_DEDUP, from the proposal's review.
pub const COPY_FR_DEDUPE: u32 = 4;
/// Share the blocks or fail, in the dialect freebsd-15 only. From FreeBSD 15, `<sys/unistd.h>`.
pub const COPY_FILE_RANGE_CLONE: u32 = 0x0080_0000;

/// The `flags` of a call, as the program passed them.
///
/// ```
/// use cfr_engine::flags::{COPY_FR_REFLINK, Flags, Mode};
///
/// assert_eq!(Flags(COPY_FR_REFLINK).mode(), Some(Mode::Reflink));
/// let mixed = Flags(COPY_FR_REFLINK | 0x100);
/// assert_eq!(mixed.mode(), None);
/// assert_eq!(mixed.names().collect::<Vec<_>>(), ["COPY_FR_REFLINK"]);
/// assert_eq!(mixed.unnamed(), 0x100);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// Each named bit, lowest first.
    pub const NAMED: [(u32, &'static str); 4] = [
        (COPY_FR_COPY, "COPY_FR_COPY"),
        (COPY_FR_REFLINK, "COPY_FR_REFLINK"),
        (COPY_FR_DEDUP, "COPY_FR_DEDUP"),
        (COPY_FILE_RANGE_CLONE, "COPY_FILE_RANGE_CLONE"),
    ];

    /// Returns the names of the named bits that are set, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(flag, _)| self.0 & flag != 0).map(|(_, name)| name)
    }

    /// Returns the bits without a name.
    #[must_use]
    pub fn unnamed(self) -> u32 {
        Self::NAMED.iter().fold(self.0, |rest, (flag, _)| rest & !flag)
    }
}

/// What the flags of a call ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// `flags` is 0: the kernel shares or copies, as it chooses.
    Any,
    /// `COPY_FR_COPY`: copy, share no block.
    Copy,
    /// `COPY_FR_REFLINK`: share or fail.
    Reflink,
    /// `COPY_FR_DEDUP`: share if the ranges are identical, or fail.
    Dedupe,
    /// `COPY_FILE_RANGE_CLONE`: share or fail, with FreeBSD's errors.
    Clone,
}

impl Flags {
    /// Returns the mode; `None` if the flags are neither 0 nor exactly one known flag.
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
    /// Returns the name of the flag; `None` for [`Mode::Any`].
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let mut named = Flags::NAMED.into_iter();
        named.find(|(flag, _)| Flags(*flag).mode() == Some(self)).map(|(_, name)| name)
    }
}

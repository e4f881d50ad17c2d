//! The doors: C library functions through which a program can ask for a copy.

/// One C library function that the library stands in for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Door {
    /// copy_file_range(2), the C library's wrapper.
    CopyFileRange,
    /// syscall(2) with `SYS_copy_file_range`.
    Syscall,
    /// ioctl(2) with FICLONE, FICLONERANGE or FIDEDUPERANGE.
    Ioctl,
    /// sendfile(2) into a regular file.
    Sendfile,
    /// The same, by the name that it has where `off_t` may be 32 bits wide.
    Sendfile64,
}

impl Door {
    /// Every door, in the order of the log's documentation.
    pub const ALL: [Door; 5] =
        [Door::CopyFileRange, Door::Syscall, Door::Ioctl, Door::Sendfile, Door::Sendfile64];

    /// The function's name, as `CFR_DOORS` and the log spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Door::CopyFileRange => "copy_file_range",
            Door::Syscall => "syscall",
            Door::Ioctl => "ioctl",
            Door::Sendfile => "sendfile",
            Door::Sendfile64 => "sendfile64",
        }
    }

    /// The system call behind it, where the log is about copies.
    #[must_use]
    pub const fn call(self) -> &'static str {
        match self {
            Door::CopyFileRange | Door::Syscall => "copy_file_range",
            Door::Ioctl => "ioctl",
            Door::Sendfile | Door::Sendfile64 => "sendfile",
        }
    }
}

/// A set of doors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Doors(u8);

impl Doors {
    /// No door.
    pub const NONE: Doors = Doors(0);
    /// Every door: what is watched when preloaded.
    pub const ALL: Doors = Doors((1 << Door::ALL.len()) - 1);
    /// What is watched when linked with `-lcfr`.
    pub const LINKED: Doors = Doors::NONE.with(Door::CopyFileRange);

    /// The doors of these names, with commas between; `None` where one has no such name.
    #[must_use]
    pub fn by_names(names: &[u8]) -> Option<Doors> {
        names.split(|&byte| byte == b',').try_fold(Doors::NONE, |doors, name| {
            let door = Door::ALL.into_iter().find(|door| door.name().as_bytes() == name)?;
            Some(doors.with(door))
        })
    }

    /// This set and `door`.
    #[must_use]
    pub const fn with(self, door: Door) -> Doors {
        Doors(self.0 | 1 << door as u8)
    }

    /// Whether `door` is in this set.
    #[must_use]
    pub const fn contains(self, door: Door) -> bool {
        self.0 & 1 << door as u8 != 0
    }
}

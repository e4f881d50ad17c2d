//! The proof that a descriptor is still ours.
//!
//! Programs close descriptors that they do not know, and the next file they open gets the number.

use cfr_sys as sys;

/// A descriptor and the proof that it is ours, in one word that threads can exchange atomically.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) fd: i32,
    pub(super) proof: Proof,
}

/// What must hold for a descriptor to be ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// A regular file that we opened: its file offset is this number, drawn by lot. Lines are
    /// appended by pwrite(2), which leaves it alone. One lseek(2) costs a third of an fstat(2).
    Position(u64),
    /// A regular file: its device, inode, birth and type.
    Regular(u64),
    /// A pipe, socket, terminal or device: likewise.
    Stream(u64),
}

impl Handle {
    const NUMBER_BITS: u32 = 42;
    const FD_BITS: u32 = 20;
    /// Descriptors from here on do not fit into the word.
    pub(super) const FD_LIMIT: i32 = 1 << Self::FD_BITS;

    /// 0 stands for no handle.
    pub(super) fn pack(self) -> u64 {
        let (kind, number) = match self.proof {
            Proof::Position(number) => (1, number),
            Proof::Regular(number) => (2, number),
            Proof::Stream(number) => (3, number),
        };
        let fd = u64::try_from(self.fd).unwrap_or(0) & ((1 << Self::FD_BITS) - 1);
        kind << 62 | fd << Self::NUMBER_BITS | number & ((1 << Self::NUMBER_BITS) - 1)
    }

    #[inline]
    pub(super) fn unpack(word: u64) -> Option<Handle> {
        let number = word & ((1 << Self::NUMBER_BITS) - 1);
        let fd = word >> Self::NUMBER_BITS & ((1 << Self::FD_BITS) - 1);
        let proof = match word >> 62 {
            1 => Proof::Position(number),
            2 => Proof::Regular(number),
            3 => Proof::Stream(number),
            _ => return None,
        };
        Some(Handle { fd: i32::try_from(fd).unwrap_or(-1), proof })
    }

    /// By device and inode. `salt` tells the processes apart where each has a file of its own.
    pub(super) fn identified(fd: i32, identity: sys::Identity, salt: u64) -> Handle {
        let number = identity.fingerprint ^ salt;
        let proof =
            if identity.is_regular { Proof::Regular(number) } else { Proof::Stream(number) };
        Handle { fd, proof }
    }

    /// A file of our own: by position where it has one.
    pub(super) fn opened(opened: sys::Opened, lot: u64, salt: u64) -> Handle {
        let by_position = Handle { fd: opened.fd, proof: Proof::Position(lot) };
        if opened.identity.is_regular && sys::set_file_offset(opened.fd, lot) == Ok(lot) {
            by_position
        } else {
            Handle::identified(opened.fd, opened.identity, salt)
        }
    }

    /// Whether the descriptor is ours, and this process's.
    #[inline]
    pub(super) fn is_ours(self, lot: u64, salt: u64) -> bool {
        match self.proof {
            Proof::Position(number) => number == lot && self.is_at(number),
            Proof::Regular(_) | Proof::Stream(_) => sys::identify(self.fd)
                .is_ok_and(|now| Handle::identified(self.fd, now, salt) == self),
        }
    }

    #[inline]
    fn is_at(self, position: u64) -> bool {
        sys::file_offset(self.fd) == Ok(position)
    }

    /// Whether the descriptor is the one that the parent process opened for itself.
    pub(super) fn is_parents(self, lot: u64) -> bool {
        matches!(self.proof, Proof::Position(number) if number != lot && self.is_at(number))
    }
}

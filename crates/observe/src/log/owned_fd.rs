//! A descriptor of the library, with the proof that it still is one.
//!
//! Programs close descriptors that they do not know, and the next file that they open gets the
//! number.

use cfr_sys as sys;

/// A descriptor and its proof. Both fit one word that threads can exchange atomically.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnedFd {
    pub(super) fd: i32,
    pub(super) proof: Proof,
}

/// What must hold for a descriptor to be the library's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// A regular file that the library opened: its file offset is this random number. Lines are
    /// appended by pwrite(2), which does not move it. lseek(2) costs a third of fstat(2).
    Position(u64),
    /// A regular file: a fingerprint of its device, inode, btime and type.
    Regular(u64),
    /// A pipe, socket, terminal or device: the same fingerprint.
    Stream(u64),
}

impl OwnedFd {
    const NUMBER_BITS: u32 = 42;
    const FD_BITS: u32 = 20;
    /// The first descriptor that does not fit into the word.
    pub(super) const FD_LIMIT: i32 = 1 << Self::FD_BITS;

    /// Packs both into a word that is not 0; 0 stands for no descriptor.
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
    pub(super) fn unpack(word: u64) -> Option<OwnedFd> {
        let number = word & ((1 << Self::NUMBER_BITS) - 1);
        let fd = word >> Self::NUMBER_BITS & ((1 << Self::FD_BITS) - 1);
        let proof = match word >> 62 {
            1 => Proof::Position(number),
            2 => Proof::Regular(number),
            3 => Proof::Stream(number),
            _ => return None,
        };
        Some(OwnedFd { fd: i32::try_from(fd).unwrap_or(-1), proof })
    }

    /// Describes a descriptor by its fingerprint. `process_salt` differs between processes if each has
    /// a file of its own.
    pub(super) fn identified(fd: i32, identity: sys::Identity, process_salt: u64) -> OwnedFd {
        let number = identity.fingerprint ^ process_salt;
        let proof =
            if identity.is_regular { Proof::Regular(number) } else { Proof::Stream(number) };
        OwnedFd { fd, proof }
    }

    /// Describes a file that the library has just opened: by its offset if it has one.
    pub(super) fn opened(opened: sys::Opened, nonce: u64, process_salt: u64) -> OwnedFd {
        let by_position = OwnedFd { fd: opened.fd, proof: Proof::Position(nonce) };
        if opened.identity.is_regular && sys::set_file_offset(opened.fd, nonce) == Ok(nonce) {
            by_position
        } else {
            OwnedFd::identified(opened.fd, opened.identity, process_salt)
        }
    }

    /// Reports whether the descriptor is the library's, and this process's.
    #[inline]
    pub(super) fn is_owned(self, nonce: u64, process_salt: u64) -> bool {
        match self.proof {
            Proof::Position(number) => number == nonce && self.is_at(number),
            Proof::Regular(_) | Proof::Stream(_) => sys::identify(self.fd)
                .is_ok_and(|now| OwnedFd::identified(self.fd, now, process_salt) == self),
        }
    }

    #[inline]
    fn is_at(self, position: u64) -> bool {
        sys::file_offset(self.fd) == Ok(position)
    }

    /// Reports whether the descriptor is the one that the parent process opened for itself.
    pub(super) fn is_owned_by_parent(self, nonce: u64) -> bool {
        matches!(self.proof, Proof::Position(number) if number != nonce && self.is_at(number))
    }
}

//! Near misses: ioctl(2) requests that differ from one that shares blocks in one part only, for
//! example because a program has its own wrong definition of the struct.

use cfr_sys::{FICLONE, FICLONERANGE, FIDEDUPERANGE};
use core::fmt;

/// The type of the requests that share blocks, and of btrfs's: bits 8 to 15 of the number
/// (asm-generic/ioctl.h).
pub const REFLINK_TYPE: u32 = 0x94;

/// The requests that share blocks, with their names.
const REQUESTS: [(u32, &str); 3] =
    [(FICLONE, "FICLONE"), (FICLONERANGE, "FICLONERANGE"), (FIDEDUPERANGE, "FIDEDUPERANGE")];

/// `_IOW(0x94, 33, int)` of linux/btrfs.h. Of btrfs's requests only this one differs from one that
/// shares blocks in one part: its number is another than FICLONE's.
const BTRFS_IOC_BALANCE_CTL: u32 = 0x4004_9421;

/// The parts of a request beside its type, in the order in which a difference is looked for: a struct
/// of another size is the likeliest mistake.
const PARTS: [(u32, &str); 3] =
    [(0x3fff_0000, "size"), (0xc000_0000, "direction"), (0x0000_00ff, "number")];

/// A request that differs from one that shares blocks in one part. Shown as the rest of the call
/// after the descriptor, and what it looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NearMiss {
    request: u32,
    meant: (u32, &'static str),
    /// The part that differs.
    part: &'static str,
}

impl NearMiss {
    /// Compares a request with those that share blocks; `None` if it is none of their near misses.
    ///
    /// ```
    /// use cfr_engine::near_miss::NearMiss;
    ///
    /// // FICLONE with the size of a pointer: the kernel does not know it.
    /// let shown = NearMiss::of(0x4008_9409).unwrap().to_string();
    /// assert!(shown.contains("is like FICLONE but for its size"), "{shown}");
    /// assert_eq!(NearMiss::of(0x4004_9409), None);
    /// ```
    #[must_use]
    pub fn of(request: u32) -> Option<NearMiss> {
        if request == BTRFS_IOC_BALANCE_CTL {
            return None;
        }
        PARTS.iter().find_map(|&(mask, part)| {
            let is_near = |meant: u32| request != meant && request & !mask == meant & !mask;
            let meant = REQUESTS.into_iter().find(|&(meant, _)| is_near(meant))?;
            Some(NearMiss { request, meant, part })
        })
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NearMiss { request, meant: (meant, name), part } = *self;
        let request = Parts(request);
        write!(f, "{request}, ...) is like {name} but for its {part}: {name} is {}", Parts(meant))
    }
}

/// Shows a request as strace does one that it does not know.
struct Parts(u32);

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.0 >> 30 {
            0 => "_IOC_NONE",
            1 => "_IOC_WRITE",
            2 => "_IOC_READ",
            _ => "_IOC_READ|_IOC_WRITE",
        };
        let (number, size) = (self.0 & 0xff, self.0 >> 16 & 0x3fff);
        write!(f, "_IOC({direction}, {REFLINK_TYPE:#x}, {number:#x}, {size:#x})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_request_that_differs_in_one_part_is_a_near_miss() {
        for (meant, name) in REQUESTS {
            assert_eq!(NearMiss::of(meant), None);
            for (changed, part) in [
                (meant ^ 0x0008_0000, "size"),
                (meant ^ 0x8000_0000, "direction"),
                (meant ^ 0x0000_0040, "number"),
            ] {
                let near = NearMiss::of(changed).unwrap();
                assert_eq!((near.meant, near.part), ((meant, name), part), "{changed:#x}");
            }
            for other in [0x0008_0040, 0x8000_0040, 0x8008_0000, 0x0000_0100] {
                assert_eq!(NearMiss::of(meant ^ other), None, "{name} {other:#x}");
            }
        }
        assert_eq!(NearMiss::of(BTRFS_IOC_BALANCE_CTL), None);
    }

    #[test]
    fn a_request_of_the_same_number_is_looked_for_first() {
        // FICLONE with FICLONERANGE's size.
        let near = NearMiss::of(0x4020_9409).unwrap();
        assert_eq!(
            near.to_string(),
            "_IOC(_IOC_WRITE, 0x94, 0x9, 0x20), ...) is like FICLONE but for its size: FICLONE is \
             _IOC(_IOC_WRITE, 0x94, 0x9, 0x4)"
        );
        let near = NearMiss::of(0x8018_9436).unwrap();
        assert!(near.to_string().starts_with("_IOC(_IOC_READ, 0x94, 0x36, 0x18), ...) is like "));
    }
}

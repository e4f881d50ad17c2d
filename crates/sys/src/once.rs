//! Values that are written once.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes that are written once, by whoever comes first, and then only read.
pub struct OnceBytes<const SIZE: usize> {
    taken: AtomicBool,
    bytes: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: whoever finds `taken` clear is the only one ever to write, and gives out what he wrote
// only when he is done.
unsafe impl<const SIZE: usize> Sync for OnceBytes<SIZE> {}

impl<const SIZE: usize> OnceBytes<SIZE> {
    /// Nothing written yet.
    #[must_use]
    pub const fn new() -> Self {
        OnceBytes { taken: AtomicBool::new(false), bytes: UnsafeCell::new([0; SIZE]) }
    }

    /// Has `write` fill the bytes and say how many it filled; `None` where somebody was before,
    /// or where `write` says `None`.
    pub fn init(
        &'static self,
        write: impl FnOnce(&mut [u8; SIZE]) -> Option<usize>,
    ) -> Option<&'static [u8]> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: `taken` was clear, so nobody else holds or will ever hold a reference.
        let bytes = unsafe { &mut *self.bytes.get() };
        let count = write(&mut *bytes)?;
        bytes.get(..count)
    }
}

impl<const SIZE: usize> Default for OnceBytes<SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

/// A value that is set once, by whoever comes first, and then only read. Nobody waits for it: a
/// signal's handler may have interrupted the one who sets it.
pub struct SetOnce<T> {
    taken: AtomicBool,
    set: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: whoever finds `taken` clear is the only one ever to write, and `set` gives out what was
// written only then; after that all threads share it and none owns it.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

impl<T> SetOnce<T> {
    /// Not set.
    #[must_use]
    pub const fn new() -> Self {
        SetOnce {
            taken: AtomicBool::new(false),
            set: AtomicBool::new(false),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Sets it, unless somebody was before.
    pub fn set(&'static self, value: T) {
        if self.taken.swap(true, Ordering::AcqRel) {
            return;
        }
        // SAFETY: `taken` was clear, so nobody else writes, and nobody reads before `set`.
        unsafe { (*self.value.get()).write(value) };
        self.set.store(true, Ordering::Release);
    }

    /// The value, once it is set.
    #[inline]
    pub fn get(&'static self) -> Option<&'static T> {
        if !self.set.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: nobody writes any more.
        let value = unsafe { &*self.value.get() };
        // SAFETY: it was written before `set`.
        Some(unsafe { value.assume_init_ref() })
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_bytes_are_written_once() {
        static KEPT: OnceBytes<8> = OnceBytes::new();
        let write = |bytes: &mut [u8; 8]| {
            bytes[..3].copy_from_slice(b"abc");
            Some(3)
        };
        assert_eq!(KEPT.init(write), Some(&b"abc"[..]));
        assert_eq!(KEPT.init(write), None);
    }
}

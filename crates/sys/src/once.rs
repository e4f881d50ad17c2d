//! Values that are set once, and then shared without a lock that a signal handler could wait for, or
//! kept by one call.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};

/// Bytes that the first caller writes and that are read-only afterwards.
pub struct OnceBytes<const SIZE: usize> {
    taken: AtomicBool,
    bytes: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: only the caller that finds `taken` clear writes, and it returns the bytes only after
// that.
unsafe impl<const SIZE: usize> Sync for OnceBytes<SIZE> {}

impl<const SIZE: usize> OnceBytes<SIZE> {
    /// Creates an empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        OnceBytes { taken: AtomicBool::new(false), bytes: UnsafeCell::new([0; SIZE]) }
    }

    /// Has `write` fill the bytes and return how many it filled. Returns `None` if another caller
    /// was first or if `write` returns `None`.
    pub fn init(
        &'static self,
        write: impl FnOnce(&mut [u8; SIZE]) -> Option<usize>,
    ) -> Option<&'static [u8]> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: `taken` was clear, so no other reference exists or will be made.
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

/// A value that the first caller sets and that is read-only afterwards. No caller waits for it: a
/// signal handler may have interrupted the thread that sets it.
pub struct SetOnce<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// Not 0, so that the linker puts the value beside the library's other small variables, and not among
/// the pages of its pools: a page fault less in every process.
const EMPTY: u8 = 1;
const TAKEN: u8 = 2;
const SET: u8 = 3;

// SAFETY: only the caller that changes `EMPTY` to `TAKEN` writes, and `SET` publishes the value only
// after that; from then on all threads share it.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

impl<T> SetOnce<T> {
    /// Creates a cell without a value.
    #[must_use]
    pub const fn new() -> Self {
        SetOnce { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Takes the right to write. Reports whether this caller has it.
    fn take(&self) -> bool {
        self.state.compare_exchange(EMPTY, TAKEN, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Sets the value, unless another caller was first.
    pub fn set(&'static self, value: T) {
        if !self.take() {
            return;
        }
        // SAFETY: the right to write is this caller's, and none reads before `SET` is stored.
        unsafe { (*self.value.get()).write(value) };
        self.state.store(SET, Ordering::Release);
    }

    /// Makes the value in place, unless another caller was first: `initial` is stored, and `fill`
    /// changes it before it can be read. A large value then takes no room on the stack of a host.
    /// Returns the value; `None` if another caller was first.
    #[inline(never)]
    pub fn init(
        &'static self,
        initial: impl FnOnce() -> T,
        fill: impl FnOnce(&mut T),
    ) -> Option<&'static T> {
        if !self.take() {
            return None;
        }
        // SAFETY: the right to write is this caller's, and none reads before `SET` is stored.
        let value = unsafe { &mut *self.value.get() };
        fill(value.write(initial()));
        self.state.store(SET, Ordering::Release);
        self.get()
    }

    /// Returns the value, or `None` if it is not set yet.
    #[inline]
    pub fn get(&'static self) -> Option<&'static T> {
        if self.state.load(Ordering::Acquire) != SET {
            return None;
        }
        // SAFETY: `SET` is stored after the last write.
        let value = unsafe { &*self.value.get() };
        // SAFETY: the value was written before `SET` was stored.
        Some(unsafe { value.assume_init_ref() })
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A reference to a value that stays, and that may be replaced by another one while threads and signal
/// handlers use it: they keep the one that they have.
pub struct Current<T: 'static>(AtomicPtr<T>);

/// The address that stands for no value. Not 0, for the reason that `EMPTY` gives.
const NOWHERE: usize = 1;

impl<T: Sync> Current<T> {
    /// Creates a cell without a value.
    #[must_use]
    pub const fn new() -> Self {
        Current(AtomicPtr::new(core::ptr::without_provenance_mut(NOWHERE)))
    }

    /// Replaces the value.
    pub fn set(&self, value: &'static T) {
        self.0.store((&raw const *value).cast_mut(), Ordering::Release);
    }

    /// Returns the value; `None` if there is none yet.
    #[inline(always)]
    pub fn get(&self) -> Option<&'static T> {
        let pointer = self.0.load(Ordering::Acquire);
        // SAFETY: any other pointer was made of a reference that lives as long as the process.
        (pointer.addr() != NOWHERE).then(|| unsafe { &*pointer })
    }
}

impl<T: Sync> Default for Current<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A reference to a value that the first caller sets and that stays. No caller waits for another one.
pub struct OnceRef<T: 'static>(AtomicPtr<T>);

impl<T: Sync> OnceRef<T> {
    /// Creates a cell without a value.
    #[must_use]
    pub const fn new() -> Self {
        OnceRef(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// Returns the value; `None` if there is none yet.
    #[inline(always)]
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: any other pointer than null was made of a reference that lives as long as the process.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Sets the value, unless another caller was first. Returns the value that is set.
    pub fn set(&self, value: &'static T) -> &'static T {
        let pointer = (&raw const *value).cast_mut();
        let (set, missed) = (Ordering::AcqRel, Ordering::Acquire);
        match self.0.compare_exchange(core::ptr::null_mut(), pointer, set, missed) {
            Ok(_) => value,
            Err(_) => self.get().unwrap_or(value),
        }
    }
}

impl<T: Sync> Default for OnceRef<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A value that is made when it is first asked for. Unlike core's `OnceCell` it cannot panic.
pub struct MadeOnce<T>(UnsafeCell<Option<T>>);

impl<T> MadeOnce<T> {
    /// Creates a cell without a value.
    #[must_use]
    pub const fn new() -> Self {
        MadeOnce(UnsafeCell::new(None))
    }

    /// Returns the value; `make` makes it if there is none. If `make` itself asks for the value, the
    /// inner one stays.
    #[inline]
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let made = make();
        if let Some(value) = self.get() {
            return value;
        }
        // SAFETY: the cell belongs to one thread, and an empty one lends no reference.
        let empty = unsafe { &mut *self.0.get() };
        empty.insert(made)
    }

    #[inline]
    fn get(&self) -> Option<&T> {
        // SAFETY: the cell belongs to one thread, and a value that is there is never changed.
        unsafe { &*self.0.get() }.as_ref()
    }
}

impl<T> Default for MadeOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_caller_writes_the_bytes() {
        static BYTES: OnceBytes<8> = OnceBytes::new();
        let write = |bytes: &mut [u8; 8]| {
            bytes[..3].copy_from_slice(b"abc");
            Some(3)
        };
        assert_eq!(BYTES.init(write), Some(&b"abc"[..]));
        assert_eq!(BYTES.init(write), None);
    }

    #[test]
    fn a_reference_that_was_set_stays() {
        static CELL: OnceRef<u8> = OnceRef::new();
        assert_eq!(CELL.get(), None);
        assert_eq!([CELL.set(&1), CELL.set(&2)], [&1, &1]);
        assert_eq!(CELL.get(), Some(&1));
    }
}

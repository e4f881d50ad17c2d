//! Memory that does not come from the host's heap.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes at the start of a page.
#[repr(C, align(4096))]
struct Aligned([u8; Buffers::SIZE + PAGE]);

/// Where pages begin, for files and for memory; some machines have larger ones.
const PAGE: usize = 4096;

/// Buffers for copies that go through user space. One that was never used costs nothing.
pub struct Buffers {
    taken: [AtomicBool; Buffers::COUNT],
    bytes: [UnsafeCell<Aligned>; Buffers::COUNT],
}

// SAFETY: a buffer is given only to whoever sets its `taken`, until he clears it.
unsafe impl Sync for Buffers {}

impl Buffers {
    /// Bytes of one buffer: from here on a larger one is not faster.
    pub const SIZE: usize = 128 << 10;

    /// How many threads can copy at once. One that another thread held while the process forked
    /// stays taken in the child.
    const COUNT: usize = 64;

    /// None taken.
    #[must_use]
    pub const fn new() -> Self {
        Buffers {
            taken: [const { AtomicBool::new(false) }; Buffers::COUNT],
            bytes: [const { UnsafeCell::new(Aligned([0; Buffers::SIZE + PAGE])) }; Buffers::COUNT],
        }
    }

    /// The part of a buffer that begins at the same place of a page as byte `offset` of a file. The
    /// kernel copies half as fast from one place of a page to another, and `O_DIRECT` wants what is
    /// aligned in the file to be so in memory (open(2)). Of a buffer that is none of the large all is
    /// used, for which sectors of 512 bytes must do.
    #[must_use]
    pub fn aligned_to_offset(buffer: &mut [u8], offset: u64) -> &mut [u8] {
        let place = usize::try_from(offset % PAGE as u64).unwrap_or(0);
        let place = if buffer.len() > Buffers::SIZE { place } else { 0 };
        let end = buffer.len().min(place + Buffers::SIZE);
        buffer.get_mut(place..end).unwrap_or_default()
    }

    /// Lends a buffer for as long as `work` runs: a small one where all are taken. Nothing is
    /// waited for: this may be a signal handler that interrupted the one who holds it.
    pub fn with_buffer<R>(&self, work: impl FnOnce(&mut [u8]) -> R) -> R {
        for (taken, bytes) in self.taken.iter().zip(&self.bytes) {
            if taken.load(Ordering::Relaxed) || taken.swap(true, Ordering::Acquire) {
                continue;
            }
            let _given_back = GivenBack(taken);
            // SAFETY: `taken` was clear and is ours until it is cleared again.
            let bytes = unsafe { &mut *bytes.get() };
            return work(&mut bytes.0);
        }
        with_small_buffer(work)
    }
}

/// In a frame of its own: whoever has a buffer needs none of the stack for it.
#[cold]
#[inline(never)]
fn with_small_buffer<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    // As O_DIRECT wants it on most disks.
    #[repr(align(512))]
    struct Small([u8; 2048]);
    work(&mut Small([0; 2048]).0)
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// Clears the mark, also where the work panics.
struct GivenBack<'a>(&'a AtomicBool);

impl Drop for GivenBack<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The library's allocator: a few pages of its own, never given back.
///
/// The standard library allocates when the subscriber is installed and when a panic is caught.
/// The first would make the host's heap come to life at load, the second could meet it locked by
/// the very thread that panics. When the pages are used up, the host's heap it is.
pub struct Arena {
    bytes: UnsafeCell<[u8; Arena::SIZE]>,
    used: AtomicUsize,
}

// SAFETY: each allocation gets bytes of its own, by an atomic step of `used`.
unsafe impl Sync for Arena {}

impl Arena {
    const SIZE: usize = 16 << 10;

    /// Nothing used yet.
    #[must_use]
    pub const fn new() -> Self {
        Arena { bytes: UnsafeCell::new([0; Arena::SIZE]), used: AtomicUsize::new(0) }
    }

    /// The first of `layout.size()` free bytes, now used; `None` where there are not as many.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let start = self.bytes.get() as usize;
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let at = (start + used).checked_next_multiple_of(layout.align())? - start;
            let end = at.checked_add(layout.size()).filter(|&end| end <= Arena::SIZE)?;
            match self.used.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(self.bytes.get().cast::<u8>().wrapping_add(at)),
                Err(now) => used = now,
            }
        }
    }

    fn holds(&self, pointer: *mut u8) -> bool {
        let start = self.bytes.get() as usize;
        (start..start + Arena::SIZE).contains(&(pointer as usize))
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: what `take` gives is aligned, inside the arena and given to nobody else; the rest is the
// C library's aligned_alloc(3) and free(3).
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout).unwrap_or_else(|| {
            let size = layout.size().next_multiple_of(layout.align());
            // SAFETY: the alignment is a power of two and divides the size.
            unsafe { libc::aligned_alloc(layout.align(), size) }.cast()
        })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _layout: Layout) {
        if !self.holds(pointer) {
            // SAFETY: not ours, so it came from aligned_alloc.
            unsafe { libc::free(pointer.cast()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_gives_each_its_own_and_then_the_heaps() {
        static ARENA: Arena = Arena::new();
        let layout = Layout::from_size_align(1000, 64).unwrap();
        let mut last = 0;
        for round in 0..40 {
            // SAFETY: the layout has a size.
            let pointer = unsafe { ARENA.alloc(layout) };
            let address = pointer as usize;
            assert_eq!(address % 64, 0);
            // One fewer fits where the arena itself does not begin at a multiple of 64.
            assert!(ARENA.holds(pointer) || round >= Arena::SIZE / 1024 - 1, "{round}");
            assert!(!ARENA.holds(pointer) || round < Arena::SIZE / 1024, "{round}");
            if ARENA.holds(pointer) {
                assert!(address >= last + 1000 || last == 0);
                last = address;
            }
            // SAFETY: allocated so, written within, and given back once.
            unsafe { pointer.write_bytes(1, 1000) };
            // SAFETY: as above.
            unsafe { ARENA.dealloc(pointer, layout) };
        }
    }
}

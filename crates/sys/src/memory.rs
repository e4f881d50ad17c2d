//! Copy buffers and the library's allocator: static memory, not the host's heap.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[repr(C, align(4096))]
struct Aligned([u8; Buffers::SIZE + PAGE]);

/// The alignment of the buffers. Some aarch64 kernels have larger pages; 4 KiB divides them.
const PAGE: usize = 4096;

/// Buffers for copies through user space. They are in .bss: an unused buffer takes no memory.
pub struct Buffers {
    taken: [AtomicBool; Buffers::COUNT],
    bytes: [UnsafeCell<Aligned>; Buffers::COUNT],
}

// SAFETY: a buffer is lent only to the caller that sets its `taken`, until that caller clears it.
unsafe impl Sync for Buffers {}

impl Buffers {
    /// Bytes of one buffer. A larger buffer is not faster.
    pub const SIZE: usize = 128 << 10;

    /// Buffers, and so threads that can copy at once with a large one. A buffer that another thread
    /// held during fork(2) stays taken in the child.
    const COUNT: usize = 64;

    /// Creates buffers that are all free.
    #[must_use]
    pub const fn new() -> Self {
        Buffers {
            taken: [const { AtomicBool::new(false) }; Buffers::COUNT],
            bytes: [const { UnsafeCell::new(Aligned([0; Buffers::SIZE + PAGE])) }; Buffers::COUNT],
        }
    }

    /// Returns the part of `buffer` that begins at the same offset within a page as byte `offset`
    /// of a file. Otherwise the kernel copies half as fast, and `O_DIRECT` requires the memory to
    /// be aligned as the file is (open(2)). The small buffer, which is aligned to 512 bytes only,
    /// is returned whole.
    #[must_use]
    pub fn aligned_to_offset(buffer: &mut [u8], offset: u64) -> &mut [u8] {
        let in_page = usize::try_from(offset % PAGE as u64).unwrap_or(0);
        let start = if buffer.len() > Buffers::SIZE { in_page } else { 0 };
        let end = buffer.len().min(start + Buffers::SIZE);
        buffer.get_mut(start..end).unwrap_or_default()
    }

    /// Lends a buffer to `work`: a small one if all are taken. It does not wait for one: this may
    /// be a signal handler that interrupted the thread that holds it.
    pub fn with_buffer<R>(&self, work: impl FnOnce(&mut [u8]) -> R) -> R {
        for (taken, bytes) in self.taken.iter().zip(&self.bytes) {
            if taken.load(Ordering::Relaxed) || taken.swap(true, Ordering::Acquire) {
                continue;
            }
            let _release = ReleaseOnDrop(taken);
            // SAFETY: `taken` was clear and is ours until it is cleared again.
            let bytes = unsafe { &mut *bytes.get() };
            return work(&mut bytes.0);
        }
        with_small_buffer(work)
    }
}

/// Not inlined, so that `with_buffer` needs no stack for the small buffer.
#[cold]
#[inline(never)]
fn with_small_buffer<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    // 512 bytes is the alignment that O_DIRECT requires on most disks.
    #[repr(align(512))]
    struct Small([u8; 2048]);
    work(&mut Small([0; 2048]).0)
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// Releases the buffer, also if `work` panics.
struct ReleaseOnDrop<'a>(&'a AtomicBool);

impl Drop for ReleaseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The library's allocator: 16 KiB that are never freed, then the host's heap.
///
/// The standard library allocates when the subscriber is installed and when a panic is caught. The
/// first would initialize the host's heap at load; the second could find it locked by the thread
/// that panics.
pub struct Arena {
    bytes: UnsafeCell<[u8; Arena::SIZE]>,
    used: AtomicUsize,
}

// SAFETY: each allocation gets bytes of its own, by an atomic update of `used`.
unsafe impl Sync for Arena {}

impl Arena {
    const SIZE: usize = 16 << 10;

    /// Creates an arena with all bytes free.
    #[must_use]
    pub const fn new() -> Self {
        Arena { bytes: UnsafeCell::new([0; Arena::SIZE]), used: AtomicUsize::new(0) }
    }

    /// Returns the next free `layout.size()` bytes; `None` if the arena is full.
    fn allocate(&self, layout: Layout) -> Option<*mut u8> {
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

    fn contains(&self, pointer: *mut u8) -> bool {
        let start = self.bytes.get() as usize;
        (start..start + Arena::SIZE).contains(&(pointer as usize))
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `allocate` returns aligned memory inside the arena that no other allocation has; the rest
// is the C library's aligned_alloc(3) and free(3).
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocate(layout).unwrap_or_else(|| {
            let size = layout.size().next_multiple_of(layout.align());
            // SAFETY: the alignment is a power of two and divides the size.
            unsafe { libc::aligned_alloc(layout.align(), size) }.cast()
        })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _layout: Layout) {
        if !self.contains(pointer) {
            // SAFETY: the pointer is outside the arena, so it came from aligned_alloc.
            unsafe { libc::free(pointer.cast()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_do_not_overlap_and_the_heap_follows_when_the_arena_is_full() {
        static ARENA: Arena = Arena::new();
        let layout = Layout::from_size_align(1000, 64).unwrap();
        let mut last = 0;
        for round in 0..40 {
            // SAFETY: the layout has a size.
            let pointer = unsafe { ARENA.alloc(layout) };
            let address = pointer as usize;
            assert_eq!(address % 64, 0);
            // One fewer fits if the arena itself is not aligned to 64 bytes.
            assert!(ARENA.contains(pointer) || round >= Arena::SIZE / 1024 - 1, "{round}");
            assert!(!ARENA.contains(pointer) || round < Arena::SIZE / 1024, "{round}");
            if ARENA.contains(pointer) {
                assert!(address >= last + 1000 || last == 0);
                last = address;
            }
            // SAFETY: allocated with this layout, and written within it.
            unsafe { pointer.write_bytes(1, 1000) };
            // SAFETY: allocated with this layout, and freed once.
            unsafe { ARENA.dealloc(pointer, layout) };
        }
    }
}

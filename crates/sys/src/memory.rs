//! Copy buffers: static memory, not the host's heap.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

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

/// An allocator without memory: nothing in the library allocates. A crate that it uses, tracing-core,
/// can, so a program needs an allocator to be linked.
pub struct NoHeap;

// SAFETY: a request is always refused, so there is nothing to free.
unsafe impl GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}
}

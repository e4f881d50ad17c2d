//! Memory: copy buffers, which are mapped when they are needed and are not the host's heap, and a limit
//! on what the launcher's heap takes.

use crate::mapping::map_bytes;
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// The alignment of the buffers. Some aarch64 kernels have larger pages; 4 KiB divides them.
const PAGE: usize = 4096;

/// Buffers for copies through user space. Each is mapped by the first copy that needs it, and stays.
pub struct Buffers {
    taken: [AtomicBool; Buffers::COUNT],
    /// Their addresses; null until they are mapped.
    mapped: [AtomicPtr<u8>; Buffers::COUNT],
}

impl Buffers {
    /// Bytes of one buffer. A larger buffer is not faster.
    pub const SIZE: usize = 128 << 10;

    /// The bytes that are mapped for it: it begins anywhere in the first page.
    const MAPPED: usize = Buffers::SIZE + PAGE;

    /// Buffers, and so threads that can copy at once with a large one. A buffer that another thread
    /// held during fork(2) stays taken in the child.
    const COUNT: usize = 64;

    /// Creates buffers that are all free.
    #[must_use]
    pub const fn new() -> Self {
        Buffers {
            taken: [const { AtomicBool::new(false) }; Buffers::COUNT],
            mapped: [const { AtomicPtr::new(core::ptr::null_mut()) }; Buffers::COUNT],
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

    /// Lends a buffer to `work`: a small one if all are taken, or if no memory can be mapped. It does
    /// not wait for one: this may be a signal handler that interrupted the thread that holds it.
    pub fn with_buffer<R>(&self, work: impl FnOnce(&mut [u8]) -> R) -> R {
        for (taken, mapped) in self.taken.iter().zip(&self.mapped) {
            if taken.load(Ordering::Relaxed) || taken.swap(true, Ordering::Acquire) {
                continue;
            }
            let _release = ReleaseOnDrop(taken);
            let Some(bytes) = bytes_at(mapped) else { break };
            // SAFETY: the mapping has so many bytes and stays. `taken` was clear, so no other reference
            // to them exists until it is cleared again.
            let bytes = unsafe { core::slice::from_raw_parts_mut(bytes, Buffers::MAPPED) };
            return work(bytes);
        }
        with_small_buffer(work)
    }
}

/// Returns the address of a buffer, which the caller has taken, and maps it if it is not mapped.
/// `None` if that fails.
fn bytes_at(mapped: &AtomicPtr<u8>) -> Option<*mut u8> {
    let address = mapped.load(Ordering::Relaxed);
    if !address.is_null() {
        return Some(address);
    }
    let address = map_bytes(Buffers::MAPPED).ok()?.as_mut_ptr();
    mapped.store(address, Ordering::Relaxed);
    Some(address)
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

/// Lets glibc's malloc(3) take no more addresses than it gives out: all threads allocate from one heap,
/// because each other one needs 64 MiB, and large memory is given back to the kernel when it is freed.
/// For the launcher, below a limit on addresses (mallopt(3), `RLIMIT_AS`).
pub fn spare_addresses() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, 128 << 10)] {
        // SAFETY: it may be called at any time; other threads allocate as before.
        unsafe { libc::mallopt(parameter, value) };
    }
}

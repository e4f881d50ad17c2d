//! Memory for lines and paths: pages that are neither allocated nor waited for.
//!
//! A host may copy in a signal handler on an alternate stack of 8 KiB, so lines cannot be on the
//! stack. It may do so while it holds the heap's lock, so they cannot be on the heap. And a
//! thread-local with a destructor is gone when a thread's last handlers run.

use cfr_shared::line::MAX_LINE;
use cfr_sys::{self as sys, TryLock, TryLockGuard};
use core::sync::atomic::{AtomicBool, Ordering};

/// The content of a page.
pub(crate) trait Page {
    /// An unused page: zeros, which take no space in the library's file.
    const EMPTY: Self;
}

impl Page for [u8; MAX_LINE] {
    const EMPTY: Self = [0; MAX_LINE];
}

/// A set of pages. Memory that was never used costs nothing.
///
/// There are two sets because a call holds one page of each: a thread that has a page for its line can
/// always go on.
pub(crate) struct Pool<P> {
    pages: [TryLock<P>; PAGES],
    /// Whether the last thread that waited got no page. The next one does not wait then.
    exhausted: AtomicBool,
}

/// The pages for lines.
pub(crate) static LINES: Pool<[u8; MAX_LINE]> = Pool::new();

/// How many threads can hold a page at once. A page that another thread held while the process forked
/// stays taken in the child.
const PAGES: usize = 256;

impl<P: Page> Pool<P> {
    /// How often a thread yields to others if all pages are taken.
    const YIELDS: u32 = 1000;

    /// Creates a set of free pages.
    pub(super) const fn new() -> Self {
        Pool { pages: [const { TryLock::new(P::EMPTY) }; PAGES], exhausted: AtomicBool::new(false) }
    }

    /// Calls `work` with a page. `None` if no page comes free. The lock of a page is only ever tried:
    /// this may be a signal handler that interrupted the thread that holds it.
    pub(crate) fn with_page<R>(&self, work: impl FnOnce(&mut P) -> R) -> Option<R> {
        match self.free_page() {
            Some(mut page) => Some(work(&mut page)),
            None => self.wait().map(|mut page| work(&mut page)),
        }
    }

    /// Takes the page that this thread had before, if it is free, so that threads do not share pages.
    #[inline]
    fn free_page(&self) -> Option<TryLockGuard<'_, P>> {
        let first = spread(sys::thread_key()) % PAGES;
        self.pages.get(first).and_then(TryLock::try_lock).or_else(|| self.another_page(first))
    }

    #[cold]
    fn another_page(&self, first: usize) -> Option<TryLockGuard<'_, P>> {
        let (before, from) = self.pages.split_at_checked(first)?;
        from.iter().chain(before).find_map(TryLock::try_lock)
    }

    #[cold]
    fn wait(&self) -> Option<TryLockGuard<'_, P>> {
        let yields = if self.exhausted.load(Ordering::Relaxed) { 1 } else { Self::YIELDS };
        let page = (0..yields).find_map(|_| {
            sys::yield_now();
            self.free_page()
        });
        self.exhausted.store(page.is_none(), Ordering::Relaxed);
        page
    }
}

/// Spreads addresses that are multiples of a large power of two.
fn spread(key: usize) -> usize {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
}

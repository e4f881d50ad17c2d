//! Memory for lines and paths: pages that are neither allocated nor waited for.
//!
//! A host may copy in a signal handler on an alternate stack of 8 KiB, so lines cannot be on the
//! stack. It may do so while it holds the heap's lock, so they cannot be on the heap. And a
//! thread-local with a destructor is gone when a thread's last handlers run.

use cfr_shared::line::MAX_LINE;
use cfr_sys::{self as sys, OnceRef, TryLock, TryLockGuard};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The content of a page.
pub(crate) trait Page {
    /// An unused page: zeros, which take no space in the library's file.
    const EMPTY: Self;
}

impl Page for [u8; MAX_LINE] {
    const EMPTY: Self = [0; MAX_LINE];
}

/// A set of pages, each made when a thread first needs it.
///
/// There are two sets because a call holds one page of each: a thread that has a page for its line can
/// always go on.
pub(crate) struct Pool<P: 'static> {
    pages: [OnceRef<TryLock<P>>; PAGES],
    /// The first pages. So most processes map no memory for them, and one that cannot map any has some.
    first: [TryLock<P>; FIRST],
    /// How many of those are in use.
    given: AtomicUsize,
    /// Whether the last thread that waited got no page. The next one does not wait then.
    exhausted: AtomicBool,
}

/// The pages for lines.
pub(crate) static LINES: Pool<[u8; MAX_LINE]> = Pool::new();

/// How many threads can hold a page at once. A page that another thread held while the process forked
/// stays taken in the child.
const PAGES: usize = 256;

/// The pages that are in the library's own memory: for a thread, for the signal handlers that interrupt
/// each other on it, and for a few threads more.
const FIRST: usize = 4;

impl<P: Page + Send> Pool<P> {
    /// How often a thread yields to others if all pages are taken.
    const YIELDS: u32 = 1000;

    /// Creates a set of free pages.
    pub(super) const fn new() -> Self {
        Pool {
            pages: [const { OnceRef::new() }; PAGES],
            first: [const { TryLock::new(P::EMPTY) }; FIRST],
            given: AtomicUsize::new(0),
            exhausted: AtomicBool::new(false),
        }
    }

    /// Calls `work` with a page. `None` if no page comes free. The lock of a page is only ever tried:
    /// this may be a signal handler that interrupted the thread that holds it.
    pub(crate) fn with_page<R>(&'static self, work: impl FnOnce(&mut P) -> R) -> Option<R> {
        let mut page = self.free_page().or_else(|| self.wait())?;
        Some(work(&mut page))
    }

    /// Takes the page that this thread had before, if it is free, so that threads do not share pages.
    #[inline]
    fn free_page(&'static self) -> Option<TryLockGuard<'static, P>> {
        let first = spread(sys::thread_key()) % PAGES;
        let own = self.pages.get(first)?;
        own.get().and_then(TryLock::try_lock).or_else(|| self.another_page(first))
    }

    /// Takes the next page that is free, beginning with the place at index `first`. A place without a
    /// page gets a new one; if none can be had, any other page will do.
    #[cold]
    fn another_page(&'static self, first: usize) -> Option<TryLockGuard<'static, P>> {
        let (before, from) = self.pages.split_at_checked(first)?;
        let places = || from.iter().chain(before);
        let found = places().find_map(|place| match place.get() {
            Some(page) => page.try_lock().map(Ok),
            None => Some(Err(place)),
        })?;
        match found {
            Ok(page) => Some(page),
            Err(place) => self
                .new_page()
                .and_then(|page| place.set(page).try_lock())
                .or_else(|| places().filter_map(OnceRef::get).find_map(TryLock::try_lock)),
        }
    }

    /// Returns a page that no place has. `None` if no memory can be mapped.
    fn new_page(&'static self) -> Option<&'static TryLock<P>> {
        if self.given.load(Ordering::Relaxed) < FIRST
            && let Some(page) = self.first.get(self.given.fetch_add(1, Ordering::Relaxed))
        {
            return Some(page);
        }
        sys::map_value(|| TryLock::new(P::EMPTY)).ok().map(|page| &*page)
    }

    #[cold]
    fn wait(&'static self) -> Option<TryLockGuard<'static, P>> {
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

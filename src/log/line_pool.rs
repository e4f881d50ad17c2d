//! Memory for lines and paths: pages that nobody allocates and nobody waits for.
//!
//! A host may copy in a signal handler on an alternate stack of 8 KiB, so lines cannot stand on
//! the stack; it may do so while it holds the heap's lock, so they cannot stand on the heap; and
//! a thread-local with a destructor is gone when a thread's last handlers run.

use cfr_shared::line::MAX_LINE;
use cfr_sys as sys;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// What a page holds.
pub(crate) trait Page {
    /// Nothing yet: zeros, for which there is no room in the library's file.
    const EMPTY: Self;
}

impl Page for [u8; MAX_LINE] {
    const EMPTY: Self = [0; MAX_LINE];
}

/// A set of pages. Memory that was never used costs nothing.
///
/// Two sets, because a call holds one page of each: who has a page for its line can always go on.
pub(crate) struct Pool<P> {
    pages: [Mutex<P>; PAGES],
    /// Whether the last thread that waited waited in vain: then the next one does not.
    exhausted: AtomicBool,
}

/// For lines.
pub(crate) static LINES: Pool<[u8; MAX_LINE]> = Pool::new();

/// Enough for as many threads at once. A page that another thread held while the process forked stays
/// taken in the child.
const PAGES: usize = 256;

impl<P: Page> Pool<P> {
    /// How often a thread lets others run when all pages are taken.
    const YIELDS: u32 = 1000;

    /// All of them free.
    pub(super) const fn new() -> Self {
        Pool { pages: [const { Mutex::new(P::EMPTY) }; PAGES], exhausted: AtomicBool::new(false) }
    }

    /// Lends a page for as long as `work` runs; `None` where none comes free. A page's lock is
    /// only ever tried: this may be a signal handler that interrupted the one who holds it.
    pub(crate) fn with_page<R>(&self, work: impl FnOnce(&mut P) -> R) -> Option<R> {
        match self.free_page() {
            Some(mut page) => Some(work(&mut page)),
            None => self.wait().map(|mut page| work(&mut page)),
        }
    }

    /// First of all the page that this thread had before, whose neighbours are other threads'.
    #[inline]
    fn free_page(&self) -> Option<MutexGuard<'_, P>> {
        let first = mixed(sys::thread_key()) % PAGES;
        self.pages.get(first).and_then(taken).or_else(|| self.another_page(first))
    }

    #[cold]
    fn another_page(&self, first: usize) -> Option<MutexGuard<'_, P>> {
        let (before, from) = self.pages.split_at_checked(first)?;
        from.iter().chain(before).find_map(taken)
    }

    #[cold]
    fn wait(&self) -> Option<MutexGuard<'_, P>> {
        let yields = if self.exhausted.load(Ordering::Relaxed) { 1 } else { Self::YIELDS };
        let page = (0..yields).find_map(|_| {
            sys::yield_now();
            self.free_page()
        });
        self.exhausted.store(page.is_none(), Ordering::Relaxed);
        page
    }
}

/// The page, if it is free.
#[inline]
fn taken<P>(page: &Mutex<P>) -> Option<MutexGuard<'_, P>> {
    match page.try_lock() {
        Ok(page) => Some(page),
        // Left by a panic; what stands in it does not matter.
        Err(TryLockError::Poisoned(page)) => Some(page.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Numbers that lie far apart for addresses that are multiples of a large power of two.
fn mixed(mark: usize) -> usize {
    mark.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
}

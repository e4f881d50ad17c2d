//! Memory for lines and paths: pages that nobody allocates and nobody waits for.
//!
//! A host may copy in a signal handler on an alternate stack of 8 KiB, so lines cannot stand on
//! the stack; it may do so while it holds the heap's lock, so they cannot stand on the heap; and
//! a thread-local with a destructor is gone when a thread's last handlers run.

use cfr_core::line::LONGEST;
use cfr_core::sys;
use std::sync::{Mutex, TryLockError};

/// A set of pages. Memory that was never used costs nothing.
///
/// Two sets, because a call holds one page of each: who has a page for its line can always go on.
pub(crate) struct Pool([Mutex<[u8; LONGEST]>; Pool::PAGES]);

/// For the paths of a call, two halves.
pub(crate) static PATHS: Pool = Pool::new();

/// For lines.
pub(crate) static LINES: Pool = Pool::new();

impl Pool {
    /// Enough for as many threads at once. A page that another thread held while the process
    /// forked stays taken in the child.
    const PAGES: usize = 256;

    /// How often a thread lets others run when all pages are taken.
    const YIELDS: u32 = 100;

    const fn new() -> Self {
        Pool([const { Mutex::new([0; LONGEST]) }; Pool::PAGES])
    }

    /// Lends a page for as long as `work` runs; `None` where none comes free. A page's lock is
    /// only ever tried: this may be a signal handler that interrupted the one who holds it.
    pub(crate) fn with_page<R>(&self, work: impl FnOnce(&mut [u8; LONGEST]) -> R) -> Option<R> {
        for _ in 0..Self::YIELDS {
            for page in &self.0 {
                match page.try_lock() {
                    Ok(mut page) => return Some(work(&mut page)),
                    // Left by a panic; what stands in it does not matter.
                    Err(TryLockError::Poisoned(page)) => return Some(work(&mut page.into_inner())),
                    Err(TryLockError::WouldBlock) => {}
                }
            }
            sys::yield_now();
        }
        None
    }
}

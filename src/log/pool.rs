//! Memory for lines and paths: pages that nobody allocates and nobody waits for.
//!
//! A host may copy in a signal handler on an alternate stack of 8 KiB, so lines cannot stand on
//! the stack; it may do so while it holds the heap's lock, so they cannot stand on the heap; and
//! a thread-local with a destructor is gone when a thread's last handlers run.

use cfr_core::line::LONGEST;
use std::sync::{Mutex, TryLockError};

type Page = Mutex<[u8; LONGEST]>;

/// Enough for as many threads at once. Memory that was never used costs nothing. A page that
/// another thread held while the process forked stays taken in the child.
const PAGES: usize = 256;

static POOL: [Page; PAGES] = [const { Mutex::new([0; LONGEST]) }; PAGES];

/// Lends a page for as long as `work` runs; `None` where all are taken. Never waits: a page's
/// lock is only ever tried.
pub(crate) fn with_page<R>(work: impl FnOnce(&mut [u8; LONGEST]) -> R) -> Option<R> {
    let mut page = POOL.iter().find_map(|page| match page.try_lock() {
        Ok(guard) => Some(guard),
        // Left by a panic; what stands in it does not matter.
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    })?;
    Some(work(&mut page))
}

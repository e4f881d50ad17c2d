//! The ids and names of the threads of this process, for lines that are passed on and calls that are
//! counted without a system call.
//!
//! What a thread knew at the end of its last line still holds if its next call begins so soon that no
//! system call can have changed it, or no other than one that is slow. The memory is zeroed in a child
//! made by fork(2); a child of vfork(2), which shares it, cannot begin a call so soon.

use cfr_sys as sys;
use core::sync::atomic::{AtomicU64, Ordering};

/// The longest time from the end of a thread's call to its next one, in nanoseconds, after which its ids
/// still hold. Another process or thread with its thread pointer is made by vfork(2), or by clone(2)
/// after it has ended. Measured: 200 for a loop that only copies; 5,500 from the end of a child to its
/// parent, 11,000 for a clone(2).
const MAX_IDS_GAP_NS: u64 = 2_000;
/// The same for its name. Measured: 100 for the loop, 150 more for prctl(2).
const MAX_NAME_GAP_NS: u64 = 150;
/// A name is read anew after this time, in nanoseconds: other threads rename it too.
const MAX_NAME_AGE_NS: u64 = 200_000;

/// How many threads are known.
const SLOTS: usize = 256;
/// How many slots a thread looks at for its own.
const PROBES: usize = 4;

// The words of a slot.
/// The thread's key; 0 if the slot is free.
const KEY: usize = 0;
/// Its process, and in the lower half the thread; 0 if they must be read.
const IDS: usize = 1;
/// When its last call had ended, in nanoseconds of CLOCK_MONOTONIC; 0 if that is not known.
const ENDED: usize = 2;
/// When its name was read, likewise; 0 if it must be read.
const NAMED: usize = 3;
const NAME: usize = 4;
const SLOT_WORDS: usize = 8;

/// What is known of the threads of a process.
#[derive(Clone, Copy)]
pub(crate) struct KnownThreads {
    slots: &'static [[AtomicU64; SLOT_WORDS]; SLOTS],
}

impl KnownThreads {
    /// Creates memory in which nothing is known; `None` if it cannot be mapped.
    pub(crate) fn new() -> Option<KnownThreads> {
        let words = sys::map_zeroed_on_fork(SLOTS * SLOT_WORDS).ok()?;
        Some(KnownThreads { slots: words.as_chunks().0.try_into().ok()? })
    }

    /// Returns what is known of the calling thread, whose key this is. `None` if all slots that it may
    /// have are taken.
    #[inline(never)]
    pub(crate) fn find(&self, key: usize) -> Option<KnownThread> {
        let key = key as u64;
        let first = usize::try_from(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48).unwrap_or(0);
        (0..PROBES).find_map(|probe| {
            let thread = KnownThread { slot: self.slots.get((first + probe) % SLOTS)?, key };
            let owner = thread.load(KEY);
            (owner == key || owner == 0 && thread.claim()).then_some(thread)
        })
    }

    /// Returns the calling thread, whose call begins at `now_ns`: forgets first what may have changed
    /// since its last one.
    #[inline(always)]
    pub(crate) fn begin(&self, key: usize, now_ns: u64, wants_name: bool) -> Option<KnownThread> {
        let thread = self.find(key)?;
        let gap_ns = now_ns.wrapping_sub(thread.load(ENDED));
        if gap_ns > MAX_IDS_GAP_NS {
            thread.store(IDS, 0);
        }
        if gap_ns > MAX_NAME_GAP_NS || now_ns.wrapping_sub(thread.load(NAMED)) > MAX_NAME_AGE_NS {
            thread.store(NAMED, 0);
        }
        Some(thread.read(now_ns, wants_name))
    }

    /// Returns the calling thread, whose call has ended at `now_ns`. It was `begun` when the call began;
    /// a signal handler may have called fork(2) in between, which zeroes the memory in the child.
    #[inline(always)]
    pub(crate) fn end(
        &self,
        begun: KnownThread,
        now_ns: u64,
        wants_name: bool,
    ) -> Option<KnownThread> {
        let thread = match begun.load(KEY) == begun.key {
            true => begun,
            false => self.find(usize::try_from(begun.key).unwrap_or(0))?,
        };
        thread.store(ENDED, now_ns);
        Some(thread.read(now_ns, wants_name))
    }
}

/// What is known of a thread. Only that thread writes it, also in signal handlers.
#[derive(Clone, Copy)]
pub(crate) struct KnownThread {
    slot: &'static [AtomicU64; SLOT_WORDS],
    key: u64,
}

impl KnownThread {
    /// Notes that the calling thread does nothing more for its call.
    pub(crate) fn leave(self) {
        self.store(ENDED, sys::monotonic_ns());
    }

    /// Returns when the calling thread's last call had ended, if it is known.
    pub(crate) fn ended(self) -> Option<u64> {
        let ended_ns = self.load(ENDED);
        (ended_ns != 0).then_some(ended_ns)
    }

    /// Reads what is not known.
    #[inline(always)]
    fn read(self, now_ns: u64, wants_name: bool) -> KnownThread {
        if self.load(IDS) == 0 {
            self.store(IDS, ids());
        }
        if wants_name && self.load(NAMED) == 0 {
            self.read_name(now_ns);
        }
        self
    }

    #[cold]
    #[inline(never)]
    fn read_name(self, now_ns: u64) {
        let mut name = [0; 16];
        let _ = sys::comm(&mut name);
        let (words, _) = name.as_chunks();
        for (at, word) in (NAME..).zip(words) {
            self.store(at, u64::from_ne_bytes(*word));
        }
        self.store(NAMED, now_ns);
    }

    /// Returns its process.
    pub(crate) fn pid(self) -> i32 {
        half(self.ids() >> 32)
    }

    /// Returns its thread id.
    pub(crate) fn tid(self) -> i32 {
        half(self.ids())
    }

    /// Returns both. A signal handler may have called fork(2), which zeroes the memory in the child.
    fn ids(self) -> u64 {
        match self.load(IDS) {
            0 => ids(),
            known => known,
        }
    }

    /// Returns its name.
    #[inline(always)]
    pub(crate) fn name(self, buffer: &mut [u8; 16]) -> &[u8] {
        let (words, _) = buffer.as_chunks_mut();
        for (word, at) in words.iter_mut().zip(NAME..) {
            *word = self.load(at).to_ne_bytes();
        }
        sys::name_in(buffer)
    }

    #[inline]
    fn load(self, at: usize) -> u64 {
        self.slot.get(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    #[inline]
    fn store(self, at: usize, value: u64) {
        if let Some(word) = self.slot.get(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    #[cold]
    fn claim(self) -> bool {
        self.slot.first().is_some_and(|word| {
            word.compare_exchange(0, self.key, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        })
    }
}

/// Asks the kernel for the calling process and, in the lower half, the thread.
#[cold]
#[inline(never)]
fn ids() -> u64 {
    let [pid, tid] = [sys::getpid(), sys::gettid()].map(|id| u64::from(id.unsigned_abs()));
    pid << 32 | tid
}

#[expect(clippy::cast_possible_truncation, reason = "that is its purpose")]
fn half(word: u64) -> i32 {
    (word as u32).cast_signed()
}
